{%- set day_count = 366 -%}
{%- set today = 'cast(' ~ loyalty_now() ~ ' as date)' -%}

with programs as (
    select distinct program
    from {{ ref('dim_members') }}
),

expirations as (
    select
        program,
        expires_on,
        sum(expiring_points) as expiring_points,
        count(*) as member_count
    from {{ ref('fct_points_expirations') }}
    group by program, expires_on
),

days as (
    select
        programs.program,
        series.on_date as expires_on
    from programs
    cross join {{ date_series(today, dbt.dateadd('day', day_count - 1, today)) }} as series
)

select
    days.program,
    days.expires_on,
    cast({{ dbt.datediff(today, 'days.expires_on', 'day') }} as integer) as days_to_expiry,
    cast(coalesce(expirations.expiring_points, 0) as bigint) as expiring_points,
    cast(coalesce(expirations.member_count, 0) as bigint) as member_count,
    cast(
        sum(coalesce(expirations.expiring_points, 0)) over (partition by days.program order by days.expires_on) as bigint
    ) as expiring_until_then_points
from days
left join expirations
    on
        days.program = expirations.program
        and days.expires_on = expirations.expires_on
