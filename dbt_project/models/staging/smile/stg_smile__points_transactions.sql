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
from {{ deduplicated(source('raw_smile', 'points_transactions'), ['program', 'id']) }} as points_transactions
