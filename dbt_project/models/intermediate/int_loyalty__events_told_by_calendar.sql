select
    program,
    vendor,
    event_id,
    event_type,
    member_id,
    email,
    false as is_about_friend,
    occurred_at,
    {{ to_json_value('properties') }} as properties,
    'calendar' as origin,
    cast(null as {{ dbt.type_string() }}) as near_key
from {{ ref('calendar_events') }}
