select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    id as points_settings_id,
    points_label__one as points_label_one,
    points_label__other as points_label_other
from {{ deduplicated(source('raw_smile', 'points_settings'), ['program', 'id']) }} as points_settings
