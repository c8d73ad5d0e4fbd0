{%- set today = 'cast(' ~ loyalty_now() ~ ' as date)' -%}

with segments as (
    select
        program,
        segment
    from {{ ref('dim_segments') }}
),

-- a day that is run again knows nothing later than itself
periods as (
    select
        program,
        segment,
        least(cast(dbt_valid_from as date), {{ today }}) as entered_on,
        case when dbt_valid_to is not null then least(cast(dbt_valid_to as date), {{ today }}) end as left_on
    from {{ ref('member_segments') }}
),

-- whoever came and went within one day was in the segment at the end of none
lasting as (
    select * from periods
    where coalesce(left_on > entered_on, true)
),

movements as (
    select
        program,
        segment,
        entered_on as on_date,
        count(*) as entered_count,
        cast(0 as bigint) as left_count
    from lasting
    group by program, segment, entered_on
    union all
    select
        program,
        segment,
        left_on as on_date,
        cast(0 as bigint) as entered_count,
        count(*) as left_count
    from lasting
    where left_on is not null
    group by program, segment, left_on
),

first_days as (
    select
        program,
        min(on_date) as first_on
    from movements
    group by program
),

days as (
    select
        starts.program,
        series.on_date
    from {{ date_series('(select min(first_on) from first_days)', loyalty_now()) }} as series
    inner join first_days as starts on series.on_date >= starts.first_on
),

summed as (
    select
        days.program,
        segments.segment,
        days.on_date,
        coalesce(sum(movements.entered_count), 0) as entered_count,
        coalesce(sum(movements.left_count), 0) as left_count
    from days
    inner join segments on days.program = segments.program
    left join movements
        on
            days.program = movements.program
            and segments.segment = movements.segment
            and days.on_date = movements.on_date
    group by days.program, segments.segment, days.on_date
)

select
    program,
    segment,
    on_date as day_on,
    cast(
        sum(entered_count - left_count) over (
            partition by program, segment
            order by on_date
            rows between unbounded preceding and current row
        ) as bigint
    ) as member_count,
    cast(entered_count as bigint) as entered_count,
    cast(left_count as bigint) as left_count,
    cast(entered_count - left_count as bigint) as change_count
from summed
