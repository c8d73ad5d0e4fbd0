{#- Not de-duplicated, as the smaller tables are: extraction merges on the key, the test of the key sees to it, and the
    largest table of all would be sorted through each time it is read. -#}
select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    id as points_transaction_id,
    customer_id,
    points_change,
    description,
    internal_note,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at
from {{ source('raw_smile', 'points_transactions') }}
