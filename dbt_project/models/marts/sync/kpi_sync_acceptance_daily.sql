{{ config(tags=['deliveries']) }}

-- the three operations of a run start together
with starts as (
    select
        run_id,
        destination,
        object,
        cast(min(started_at) as date) as day_on
    from {{ source('sync', 'runs') }}
    group by run_id, destination, object
),

summed as (
    select
        starts.day_on,
        times.destination,
        times.object,
        times.seconds,
        sum(times.row_count) as row_count
    from {{ source('sync', 'acceptance_times') }} as times
    inner join starts
        on
            times.run_id = starts.run_id
            and times.destination = starts.destination
            and times.object = starts.object
    group by starts.day_on, times.destination, times.object, times.seconds
),

-- a row stands for many: the percentile is where the running count reaches its share of all
ranked as (
    select
        day_on,
        destination,
        object,
        seconds,
        row_count,
        sum(row_count) over (
            partition by day_on, destination, object
            order by seconds
            rows between unbounded preceding and current row
        ) as row_count_so_far,
        sum(row_count) over (partition by day_on, destination, object) as row_count_in_all
    from summed
)

select
    day_on,
    destination,
    object,
    cast(sum(row_count) as bigint) as accepted_count,
    cast(min(case when row_count_so_far * 100 >= row_count_in_all * 50 then seconds end) as bigint) as median_seconds,
    cast(min(case when row_count_so_far * 100 >= row_count_in_all * 95 then seconds end) as bigint) as p95_seconds,
    cast(max(seconds) as bigint) as max_seconds
from ranked
group by day_on, destination, object
