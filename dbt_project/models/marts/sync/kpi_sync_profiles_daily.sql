{{ config(tags=['deliveries']) }}

with summed as (
    select
        cast(started_at as date) as day_on,
        destination,
        object,
        operation,
        count(*) as run_count,
        sum(planned_count) as planned_count,
        sum(attempted_count) as attempted_count,
        sum(accepted_count) as accepted_count,
        sum(rejected_count) as rejected_count,
        sum(invalid_count) as invalid_count,
        sum(aborted_count) as aborted_count
    from {{ source('sync', 'runs') }}
    group by cast(started_at as date), destination, object, operation
)

select
    day_on,
    destination,
    object,
    operation,
    run_count,
    {%- for count in ['planned_count', 'attempted_count', 'accepted_count', 'rejected_count', 'invalid_count', 'aborted_count'] %}
    cast({{ count }} as bigint) as {{ count }},
    {%- endfor %}
    cast(planned_count - accepted_count - rejected_count - invalid_count - aborted_count as bigint) as waiting_count,
    {{ share_of('rejected_count', 'planned_count') }} as rejected_share,
    {{ share_of('invalid_count', 'planned_count') }} as invalid_share
from summed
