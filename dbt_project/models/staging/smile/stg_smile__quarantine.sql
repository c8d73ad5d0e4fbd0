-- the payload, a record as the vendor sent it, stays in the raw table
select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    resource,
    position,
    record_id,
    column_name,
    reason
from {{ deduplicated(source('raw_smile', 'quarantine'), ['program', 'extract_id', 'resource', 'position']) }} as quarantine
