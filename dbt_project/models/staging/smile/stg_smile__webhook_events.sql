{#- Not de-duplicated: loading merges on the delivery's id, and the test of the key sees to it. -#}
select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    delivery_id,
    {{ utc_timestamp('received_at') }} as received_at,
    topic,
    {{ utc_timestamp('occurred_at') }} as occurred_at,
    email,
    customer_id,
    event_header,
    payload,
    segment
from {{ source('raw_smile', 'webhook_events') }}
