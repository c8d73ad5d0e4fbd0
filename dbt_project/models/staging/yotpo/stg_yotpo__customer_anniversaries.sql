select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    email_key,
    day as anniversary_day,
    month as anniversary_month,
    year as anniversary_year
from {{ deduplicated(source('raw_yotpo', 'customer_anniversaries'), ['program', 'email_key']) }} as customer_anniversaries
where is_found
