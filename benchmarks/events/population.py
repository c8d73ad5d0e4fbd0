"""A published file with any number of historic events, in the shape of the activation models.

Five events a person, of the last year. For Klaviyo three in five are Smile's points transactions
and the others Yotpo's redemptions, with all their documented fields (about 0.5 and 0.9 kB of JSON);
`padding` makes each larger. For Rule the tags and fields are those of Yotpo's integration.
"""

from pathlib import Path

import duckdb

EVENTS_A_PERSON = 5
_SHARED = f"""
    md5('event' || i) as event_id,
    'shopper' || (i // {EVENTS_A_PERSON}) || '@loyalty-sandbox.dev' as email,
    date_trunc('second', timestamp '2025-11-20' + to_seconds(i * 7919 % 31000000)) as occurred_at,
    true as is_first_load,
    false as is_friend,
    true as may_create_profile
"""
_TRANSACTION = """
json_object(
    'id', 100000000 + i, 'customer_id', 200000000 + i // 5, 'points_change', i * 31 % 900,
    'description', 'Points earned from placing an order', 'internal_note', null,
    'created_at', '2026-03-24T18:41:13.000Z', 'updated_at', '2026-03-24T18:41:13.000Z'
)
"""
_REDEMPTION = """
json_object(
    'topic', 'swell/redemption/created', 'name', 'Swell Redemption Created',
    'redemption', json_object(
        'id', 300000000 + i, 'created_at', '2026-03-24T18:41:13.000Z',
        'updated_at', '2026-03-24T18:41:13.000Z', 'reward_text', 'CODE-' || i, 'approved', true,
        'approved_at', '2026-03-24T18:41:13.000Z', 'is_admin', false, 'is_pos', false,
        'at_checkout', false
    ),
    'redemption_option', json_object(
        'id', 21, 'name', '$15 off', 'description', 'Get $15 off your next purchase for 150 points',
        'icon', 'fa-dollar', 'cost_text', '150 Points', 'amount', 150
    ),
    'redemption_option_id', 21, 'redemption_option_name', '$15 off',
    'customer', json_object(
        'email', 'shopper' || (i // 5) || '@loyalty-sandbox.dev', 'points_balance', i % 5000
    )
)
"""
_KLAVIYO = f"""
create table activation.sync_klaviyo__events as
select {_SHARED},
    if(i % 5 < 3, 'Points Earned on Order', 'Swell Redemption Created') as metric,
    json_merge_patch(
        if(i % 5 < 3, {_TRANSACTION}, {_REDEMPTION}),
        if(? > 0, json_object('note', repeat('x', ?)), '{{}}')
    ) as properties,
    cast(null as decimal(18, 2)) as value,
    cast(null as varchar) as value_currency
from range(?) as numbers (i)
"""
_RULE = f"""
create table activation.sync_rule__events as
select {_SHARED},
    ['points_earned', 'coupon_redeemed', 'vip_tier_earned'][i % 3 + 1] as event_type,
    ['PointsEarned', 'CouponRedeemed', 'VIP Tier Earned'][i % 3 + 1] as tag,
    'Yotpo' as marker_tag,
    'once' as automation,
    json_object(
        'Yotpo.StoreName', 'Loyalty Sandbox', 'Yotpo.PerkID', cast(100000000 + i as varchar),
        'Yotpo.PerkRewardPoints', cast(i * 31 % 900 as varchar),
        'Yotpo.PerkHistoryTitle', 'Make a Purchase', 'Yotpo.RedemptionName', '$15 off'
    ) as fields
from range(?) as numbers (i)
"""


def publish(path: Path, destination: str, events: int, padding: int = 0) -> None:
    """Write the file anew.

    Args:
        padding: bytes more in each of Klaviyo's events.
    """
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as db:
        db.execute("create schema activation")
        if destination == "klaviyo":
            db.execute(_KLAVIYO, [padding, padding, events])
        else:
            db.execute(_RULE, [events])
