{%- set movements = ['earned', 'reversed', 'redeemed', 'reimbursed', 'expired', 'adjusted'] -%}
{#- what the ledger shows below 0 and the report above it -#}
{%- set taken = ['reversed', 'redeemed', 'expired'] -%}

with ledger as (
    select * from {{ ref('fct_points_transactions') }}
    where deleted_at is null
),

bounds as (
    select * from {{ ref('int_loyalty__points_programs_bounded') }}
),

members as (
    select * from {{ ref('int_loyalty__points_members_summed') }}
),

gone as (
    select * from {{ ref('dim_members') }}
    where is_deleted
),

days as (
    select
        bounds.program,
        series.on_date as day_on
    from bounds
    inner join
        {{ date_series('(select min(first.first_on) from bounds as first)', '(select max(last.last_on) from bounds as last)') }}
            as series
        on series.on_date between bounds.first_on and bounds.last_on
),

-- few distinct days and movements: what follows is small
moved as (
    select
        program,
        cast(occurred_at as date) as occurred_on,
        {{ points_movement('transaction_kind', 'points_change') }} as movement,
        count(*) as transaction_count,
        sum(points_change) as points
    from ledger
    group by program, cast(occurred_at as date), {{ points_movement('transaction_kind', 'points_change') }}
),

summed as (
    select
        moved.program,
        {{ points_day('moved.occurred_on', 'bounds.first_on') }} as day_on,
        sum(moved.transaction_count) as transaction_count,
        sum(moved.points) as net_points,
        {%- for movement in movements %}
        sum(case when moved.movement = '{{ movement }}' then moved.points else 0 end) as {{ movement }}_points{% if not loop.last %},{% endif %}
        {%- endfor %}
    from moved
    inner join bounds on moved.program = bounds.program
    group by moved.program, {{ points_day('moved.occurred_on', 'bounds.first_on') }}
),

left_behind as (
    select
        members.program,
        {{ points_day('gone.deleted_at', 'bounds.first_on') }} as deleted_on,
        sum(members.ledger_points) as points
    from members
    inner join gone
        on
            members.program = gone.program
            and members.member_id = gone.member_id
    inner join bounds on members.program = bounds.program
    group by members.program, {{ points_day('gone.deleted_at', 'bounds.first_on') }}
),

carried as (
    select
        days.program,
        days.day_on,
        coalesce(summed.transaction_count, 0) as transaction_count,
        coalesce(summed.net_points, 0) as net_points,
        sum(coalesce(summed.net_points, 0)) over (partition by days.program order by days.day_on) as closing_points,
        sum(coalesce(left_behind.points, 0)) over (partition by days.program order by days.day_on) as deleted_member_points,
        {%- for movement in movements %}
        coalesce(summed.{{ movement }}_points, 0) as {{ movement }}_points{% if not loop.last %},{% endif %}
        {%- endfor %}
    from days
    left join summed
        on
            days.program = summed.program
            and days.day_on = summed.day_on
    left join left_behind
        on
            days.program = left_behind.program
            and days.day_on = left_behind.deleted_on
)

select
    program,
    day_on,
    cast(closing_points - net_points as bigint) as opening_points,
    {%- for movement in movements %}
    cast({% if movement in taken %}-{% endif %}{{ movement }}_points as bigint) as {{ movement }}_points,
    {%- endfor %}
    cast(closing_points as bigint) as closing_points,
    cast(deleted_member_points as bigint) as deleted_member_points,
    cast(transaction_count as bigint) as transaction_count
from carried
