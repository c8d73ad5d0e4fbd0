{%- set ago = 'members.joined_months_ago - numbers.month_number' -%}

with members as (
    select * from {{ ref('int_loyalty__member_lives_measured') }}
    where joined_months_ago <= {{ var('kpi_months') }}
),

numbers as (
    select {{ dbt.datediff('month_on', loyalty_now(), 'month') }} as month_number
    from {{ ref('int_loyalty__months_listed') }}
),

counted as (
    select
        members.program,
        members.joined_month_on,
        numbers.month_number,
        count(*) as cohort_member_count,
        count(case when {{ number_set_has('members.active_months', ago, ago) }} then 1 end) as active_member_count
    from members
    inner join numbers on members.joined_months_ago >= numbers.month_number
    group by members.program, members.joined_month_on, numbers.month_number
)

select
    program,
    joined_month_on as cohort_month_on,
    month_number,
    cast({{ dbt.dateadd('month', 'month_number', 'joined_month_on') }} as date) as month_on,
    {{ dbt.datediff('joined_month_on', loyalty_now(), 'month') }} > month_number as is_month_over,
    cohort_member_count,
    active_member_count,
    {{ share_of('active_member_count', 'cohort_member_count') }} as retention_rate
from counted
