{{ config(tags=['deliveries']) }}

select
    cast(recorded_at as date) as day_on,
    destination,
    object,
    operation,
    state,
    reason_code,
    count(*) as row_count,
    count(distinct email) as people_count
from {{ source('sync', 'rejections') }}
group by cast(recorded_at as date), destination, object, operation, state, reason_code
