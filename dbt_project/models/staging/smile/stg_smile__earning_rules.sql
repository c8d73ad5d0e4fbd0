select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    id as earning_rule_id,
    name,
    image_url,
    action_text,
    action_url,
    restricted_to_vip_tier_ids,
    reward,
    reward_value,
    earning_limit
from {{ deduplicated(source('raw_smile', 'earning_rules'), ['program', 'id']) }} as earning_rules
