-- a month that is run again knows nothing later than itself
with changes as (
    select
        program,
        member_id,
        changed_at,
        observed_at,
        cast({{ dbt.date_trunc('month', 'least(changed_at, ' ~ loyalty_now() ~ ')') }} as date) as month_on,
        coalesce(from_tier_id, 'none') as from_tier_id,
        coalesce(to_tier_id, 'none') as to_tier_id
    from {{ ref('fct_tier_changes') }}
),

tiers as (
    select * from {{ ref('dim_tiers') }}
),

numbered as (
    select
        *,
        row_number() over (
            partition by program, member_id, month_on order by changed_at asc, observed_at asc
        ) as number_from_first,
        row_number() over (
            partition by program, member_id, month_on order by changed_at desc, observed_at desc
        ) as number_from_last
    from changes
),

-- whoever changed in a month: the tier at its start and the one at its end, which may be the same
moved_members as (
    select
        program,
        member_id,
        month_on,
        max(case when number_from_first = 1 then from_tier_id end) as from_tier_id,
        max(case when number_from_last = 1 then to_tier_id end) as to_tier_id
    from numbered
    group by program, member_id, month_on
),

moves as (
    select
        program,
        month_on,
        from_tier_id,
        to_tier_id,
        count(*) as member_count
    from moved_members
    group by program, month_on, from_tier_id, to_tier_id
),

flows as (
    select
        program,
        month_on,
        to_tier_id as tier_id,
        member_count as net_count,
        0 as moved_count
    from moves
    union all
    select
        program,
        month_on,
        from_tier_id as tier_id,
        -member_count as net_count,
        member_count as moved_count
    from moves
),

-- what happened before anybody looked is in the first month's start
first_months as (
    select
        program,
        cast({{ dbt.date_trunc('month', 'least(min(observed_at), ' ~ loyalty_now() ~ ')') }} as date) as first_on
    from changes
    group by program
),

months as (
    select
        starts.program,
        series.on_date as month_on
    from {{ date_series(
        '(select min(first_on) from first_months)', dbt.date_trunc('month', loyalty_now()), 'month'
    ) }} as series
    inner join first_months as starts on series.on_date >= starts.first_on
),

-- who stays = who is in the tier at the start of the month, less who changes in it
stayed as (
    select
        months.program,
        months.month_on,
        flows.tier_id as from_tier_id,
        flows.tier_id as to_tier_id,
        sum(case when flows.month_on < months.month_on then flows.net_count else -flows.moved_count end) as member_count
    from months
    inner join flows
        on
            months.program = flows.program
            and months.month_on >= flows.month_on
    where flows.tier_id <> 'none'
    group by months.program, months.month_on, flows.tier_id
),

summed as (
    select
        program,
        month_on,
        from_tier_id,
        to_tier_id,
        sum(member_count) as member_count
    from (
        select * from stayed
        union all
        select moves.*
        from moves
        inner join months
            on
                moves.program = months.program
                and moves.month_on = months.month_on
    ) as both_kinds
    group by program, month_on, from_tier_id, to_tier_id
)

select
    summed.program,
    summed.month_on,
    summed.from_tier_id,
    summed.to_tier_id,
    from_tiers.tier_name as from_tier_name,
    to_tiers.tier_name as to_tier_name,
    cast({{ dbt.date_trunc('month', loyalty_now()) }} as date) > summed.month_on as is_month_over,
    cast(summed.member_count as bigint) as member_count
from summed
left join tiers as from_tiers
    on
        summed.program = from_tiers.program
        and summed.from_tier_id = from_tiers.tier_id
left join tiers as to_tiers
    on
        summed.program = to_tiers.program
        and summed.to_tier_id = to_tiers.tier_id
where summed.member_count <> 0 and (summed.from_tier_id <> 'none' or summed.to_tier_id <> 'none')
