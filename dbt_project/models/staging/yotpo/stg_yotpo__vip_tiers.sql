select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    id as vip_tier_id,
    name,
    description,
    type,
    points_multiplier,
    points_reward,
    coupon_reward,
    entry_threshold,
    retain_threshold,
    regain_threshold,
    list_position
from {{ deduplicated(source('raw_yotpo', 'vip_tiers'), ['program', 'id']) }} as vip_tiers
