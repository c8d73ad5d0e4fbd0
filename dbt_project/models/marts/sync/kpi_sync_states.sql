{{ config(tags=['deliveries']) }}

with people as (
    select
        destination,
        object,
        state,
        quarantined_at,
        coalesce(reason_code, 'none') as reason_code
    from {{ source('sync', 'profiles') }}
)

select
    destination,
    object,
    state,
    reason_code,
    count(*) as people_count,
    count(quarantined_at) as quarantined_count
from people
group by destination, object, state, reason_code
