select
    program,
    customer_id as member_id,
    case
        when has_vip_status then vip_tier_id
        else coalesce(vip_tier_id, deprecated_vip_tier_id)
    end as tier_id,
    coalesce(seen_at, {{ loyalty_now() }}) as seen_at
from {{ ref('stg_smile__customers') }}
