select
    program,
    extract_id,
    resource,
    mode,
    {{ utc_timestamp('started_at') }} as started_at,
    {{ utc_timestamp('finished_at') }} as finished_at,
    row_count
from {{ deduplicated(source('raw_smile', 'extracts'), ['program', 'extract_id', 'resource']) }} as extracts
