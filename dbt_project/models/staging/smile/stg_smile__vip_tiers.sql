select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    id as vip_tier_id,
    name,
    image_url,
    milestone,
    perks,
    entry_rewards
from {{ deduplicated(source('raw_smile', 'vip_tiers'), ['program', 'id']) }} as vip_tiers
