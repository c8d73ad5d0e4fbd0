{#- Not de-duplicated, as the smaller tables are: a member's items are replaced as a whole, and the test of the key sees
    to it that none is there twice. -#}
with

source as (
    select * from {{ source('raw_yotpo', 'history_items') }}
),

details as (
    select
        program,
        email_key,
        extract_id,
        is_found
    from {{ source('raw_yotpo', 'customer_details') }}
),

-- rows that the newest details no longer brought are gone; of a member whom the vendor no longer knows the last ones stay
current_rows as (
    select source.*
    from source
    inner join details
        on
            source.program = details.program
            and source.email_key = details.email_key
    where
        source.extract_id = details.extract_id
        or not coalesce(details.is_found, true)
)

select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    email_key,
    history_item_id,
    occurrence,
    {{ utc_timestamp('created_at') }} as created_at,
    date as recorded_on,
    {{ utc_timestamp('completed_at') }} as completed_at,
    action,
    action_name,
    points,
    credits,
    status,
    order_ids
from current_rows
