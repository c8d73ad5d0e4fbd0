{%- set movements = ['earned', 'reversed', 'redeemed', 'reimbursed', 'expired', 'adjusted'] -%}

with days as (
    select
        *,
        cast({{ dbt.date_trunc('month', 'day_on') }} as date) as month_on
    from {{ ref('kpi_points_daily') }}
),

ledger as (
    select * from {{ ref('fct_points_transactions') }}
    where deleted_at is null
),

members as (
    select
        *,
        cast({{ dbt.date_trunc('month', 'deleted_at') }} as date) as deleted_month_on
    from {{ ref('dim_members') }}
    where membership = 'member'
),

bounds as (
    select * from {{ ref('int_loyalty__points_programs_bounded') }}
),

months as (
    select
        program,
        month_on,
        count(*) as day_count,
        max(day_on) as last_on,
        {%- for movement in movements %}
        sum({{ movement }}_points) as {{ movement }}_points{% if not loop.last %},{% endif %}
        {%- endfor %},
        sum(closing_points - opening_points) as net_points
    from days
    group by program, month_on
),

redeemers as (
    select distinct
        ledger.program,
        ledger.member_id,
        cast({{ dbt.date_trunc('month', points_day('ledger.occurred_at', 'bounds.first_on')) }} as date) as month_on
    from ledger
    inner join bounds on ledger.program = bounds.program
    where ledger.transaction_kind = 'redeem' and ledger.points_change < 0
),

first_redemptions as (
    select
        program,
        member_id,
        min(month_on) as first_month_on
    from redeemers
    group by program, member_id
),

-- somebody who redeemed was there by then, whatever the vendor says of the day of joining
lives as (
    select
        members.program,
        least(
            coalesce(
                cast({{ dbt.date_trunc('month', 'members.joined_at') }} as date),
                first_redemptions.first_month_on,
                {{ dbt.date_trunc('month', 'bounds.last_on') }}
            ),
            coalesce(first_redemptions.first_month_on, {{ dbt.date_trunc('month', 'bounds.last_on') }})
        ) as first_month_on,
        members.deleted_month_on
    from members
    inner join bounds on members.program = bounds.program
    left join first_redemptions
        on
            members.program = first_redemptions.program
            and members.member_id = first_redemptions.member_id
),

changes as (
    select
        program,
        first_month_on as month_on,
        1 as step
    from lives
    union all
    select
        program,
        greatest(deleted_month_on, first_month_on) as month_on,
        -1 as step
    from lives
    where deleted_month_on is not null
),

-- whoever joined before the ledger begins is there in its first month
dated as (
    select
        changes.program,
        greatest(changes.month_on, cast({{ dbt.date_trunc('month', 'bounds.first_on') }} as date)) as month_on,
        changes.step
    from changes
    inner join bounds on changes.program = bounds.program
),

counted as (
    select
        program,
        month_on,
        sum(step) as step
    from dated
    group by program, month_on
),

redeeming as (
    select
        redeemers.program,
        redeemers.month_on,
        count(*) as member_count
    from redeemers
    inner join members
        on
            redeemers.program = members.program
            and redeemers.member_id = members.member_id
            and (redeemers.month_on < members.deleted_month_on or members.deleted_month_on is null)
    group by redeemers.program, redeemers.month_on
),

final as (
    select
        months.*,
        sum(months.net_points) over (partition by months.program order by months.month_on) as closing_points,
        sum(coalesce(counted.step, 0)) over (partition by months.program order by months.month_on) as member_count,
        coalesce(redeeming.member_count, 0) as redeeming_member_count
    from months
    left join counted
        on
            months.program = counted.program
            and months.month_on = counted.month_on
    left join redeeming
        on
            months.program = redeeming.program
            and months.month_on = redeeming.month_on
)

select
    program,
    month_on,
    cast(day_count as bigint) as day_count,
    last_on = {{ dbt.last_day('month_on', 'month') }} and last_on < cast({{ loyalty_now() }} as date) as is_complete,
    cast(closing_points - net_points as bigint) as opening_points,
    {%- for movement in movements %}
    cast({{ movement }}_points as bigint) as {{ movement }}_points,
    {%- endfor %}
    cast(closing_points as bigint) as closing_points,
    cast(
        cast(redeemed_points as decimal(18, 4)) / nullif(earned_points, 0) as decimal(18, 4)
    ) as points_redemption_rate,
    cast(redeeming_member_count as bigint) as redeeming_member_count,
    cast(member_count as bigint) as member_count,
    cast(
        cast(redeeming_member_count as decimal(18, 4)) / nullif(member_count, 0) as decimal(5, 4)
    ) as member_redemption_rate
from final
