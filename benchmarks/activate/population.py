"""A published file with any number of members, in the shape of the two activation models.

Names and sizes are those of the product: the common properties with their real names, about a
kilobyte of JSON a member; one tag for membership, one for the tier and up to six segments, which
go together as they do in a shop (who lapsed is not active, who never redeemed has no coupon).

    publish(path, rows, day)   day 0 = the first push; "values" and "mixed" change 1 % of it
"""

from pathlib import Path

import duckdb

from reverse_etl.declarations import Property, SyncSpec

MODELS = {"klaviyo": "sync_klaviyo__profiles", "rule": "sync_rule__subscribers"}
OBJECTS = {"klaviyo": "profiles", "rule": "subscribers"}
CHANGED_ONE_IN = 100
# Of the changed members in the mixed day: a coupon used or expired clears two values, a segment
# or tier left removes a tag.
CLEARED_ONE_IN = 20
MOVED_ONE_IN = 20

# column -> (property, kind at Klaviyo, kind at Rule, SQL over i, day's shift s, clear c)
_COLUMNS = {
    "loyalty_program": ("Program", "string", "text", "if(i % 10 < 7, 'smile', 'yotpo')"),
    "loyalty_points_balance": ("Points Balance", "number", "text", "i * 7919 % 5000 + s"),
    "loyalty_best_reward_name": (
        "Best Reward Name", "string", "text",
        "['Order discount', '$10 off coupon', 'Free shipping'][i % 3 + 1]",
    ),
    "loyalty_best_reward_points": ("Best Reward Points", "number", "text", "i % 3 * 400 + 300"),
    "loyalty_next_reward_name": (
        "Next Reward Name", "string", "text", "['Free T-shirt', '$25 off coupon'][i % 2 + 1]",
    ),
    "loyalty_next_reward_points": ("Next Reward Points", "number", "text", "i % 2 * 700 + 1800"),
    "loyalty_points_to_next_reward": (
        "Points To Next Reward", "number", "text", "i * 31 % 1800 + s",
    ),
    "loyalty_next_reward_progress": ("Next Reward Progress", "number", "text", "i * 13 % 100"),
    "loyalty_available_rewards": (
        "Available Rewards", "list", "multiple",
        "['Order discount', '$10 off coupon', 'Free shipping', '$5 off coupon'][:i % 5]",
    ),
    "loyalty_available_rewards_count": ("Available Rewards Count", "number", "text", "i % 5"),
    "loyalty_headline": (
        "Headline", "string", "text",
        "'Earn ' || (i * 31 % 1800 + s) || ' more Points for Free T-shirt'",
    ),
    "loyalty_tier_name": ("Tier Name", "string", "text", "tier"),
    "loyalty_next_tier_name": ("Next Tier Name", "string", "text", "'Gold'"),
    "loyalty_points_to_next_tier": ("Points To Next Tier", "number", "text", "i * 17 % 4000"),
    "loyalty_tier_expires_at": (
        "Tier Expires At", "datetime", "datetime", "timestamp '2026-12-31 23:59:59'",
    ),
    "loyalty_tier_at_risk": ("Tier At Risk", "boolean", "text", "i % 3 = 0"),
    "loyalty_points_expiring": (
        "Points Expiring", "number", "text", "if(i % 4 = 0, i % 500, null)",
    ),
    "loyalty_points_expire_at": (
        "Points Expire At", "datetime", "datetime",
        "if(i % 4 = 0, timestamp '2027-01-01' + to_seconds(i % 9000000), null)",
    ),
    "loyalty_unused_coupons_count": (
        "Unused Coupons Count", "number", "text", "if(i % 3 = 0, 1, 0) - c",
    ),
    "loyalty_unused_coupon_code": (
        "Unused Coupon Code", "string", "text",
        "if(i % 3 = 0 and c = 0, 'SAVE' || upper(to_hex(i * 2654435761 % 4294967296)), null)",
    ),
    "loyalty_unused_coupon_expires_at": (
        "Unused Coupon Expires At", "datetime", "datetime",
        "if(i % 3 = 0 and c = 0, timestamp '2026-12-01' + to_seconds(i % 900000), null)",
    ),
    "loyalty_referral_url": (
        "Referral URL", "string", "text", "'https://i.refs.cc/' || to_hex(i * 40503 + 1)",
    ),
    "loyalty_segments": ("Segments", "list", "multiple", "segments"),
    "loyalty_synced_at": (
        "Synced At", "datetime", "datetime", "timestamp '2026-11-21 06:00:00'",
    ),
}  # fmt: skip

# Segments by how many of ten thousand members have them; measured on the sandbox's shop. Those of
# one line exclude each other.
_SEGMENTS = (
    (("active-members", 2700), ("lapsed-with-balance", 2700), ("lapsed-regulars", 800)),
    (("one-order-from-next-reward", 4200),),
    (("no-second-order", 4500), ("never-redeemed-with-enough-points", 2600)),
    (("tier-at-risk", 4600),),
    (("top-balances", 700), ("frequent-redeemers", 100)),
    (("unused-coupon", 600), ("coupon-expiring-soon", 50)),
    (("points-expiring-30-days", 150), ("points-expiring-14-days", 80)),
    (("birthday-next-7-days", 120),),
)
_SHIFTS = {"first": 0, "values": 5, "mixed": 9}  # points that the changed members moved
_TIERS = (("Bronze", 5000), ("Member", 7800), ("Silver", 9000), ("Insider", 9500), ("Gold", 10000))


def spec(destination: str) -> SyncSpec:
    """The declared sync of a destination, 24 properties."""
    place = 1 if destination == "klaviyo" else 2
    properties = tuple(
        Property(
            column,
            f"Loyalty {column_of[0]}" if place == 1 else f"Loyalty.{column_of[0].replace(' ', '')}",
            column_of[place],
            "common",
            is_compared=column != "loyalty_synced_at",
        )
        for column, column_of in _COLUMNS.items()
    )
    return SyncSpec(
        MODELS[destination], destination, OBJECTS[destination], "activation", MODELS[destination],
        "email", properties, tags_column="tags" if destination == "rule" else None,
    )  # fmt: skip


def publish(path: Path, rows: int, day: str = "first") -> None:
    """Write the published file.

    Args:
        day: "first"; "values" = points of one in a hundred moved; "mixed" = of these some lost a
            coupon, whose values are to be cleared, and some a segment, whose tag is to be removed.
    """
    is_changed = f"i % {CHANGED_ONE_IN} = 0" if day != "first" else "false"
    is_mixed = is_changed if day == "mixed" else "false"
    turn = f"i // {CHANGED_ONE_IN}"
    columns = ", ".join(f"{sql} as {column}" for column, (*_, sql) in _COLUMNS.items())
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path), config={"memory_limit": "1GB"}) as db:
        db.execute("create schema activation")
        db.execute(
            f"""
            create table activation.members as
            with numbered as (
                select range as i from range({rows})
            ),
            drawn as (
                select i,
                    if({is_changed}, {_SHIFTS[day]}, 0) as s,
                    if({is_mixed} and i % 3 = 0 and {turn} % {CLEARED_ONE_IN} = 0, 1, 0) as c,
                    {_tier()} as tier,
                    {_segments(f"{is_mixed} and {turn} % {MOVED_ONE_IN} = 1")} as segments
                from numbered
            )
            select
                'member.' || i || '@mail.loyalty-bench.dev' as email,
                true as may_create_profile,
                {columns},
                ['loyalty-member', 'loyalty-tier-' || lower(tier)]
                    || list_transform(segments, lambda x: 'loyalty-segment-' || x) as tags
            from drawn
            """
        )
        db.execute(
            f"create view activation.{MODELS['klaviyo']} as "
            "select * exclude (tags) from activation.members"
        )
        db.execute(f"create view activation.{MODELS['rule']} as select * from activation.members")


def _draw(salt: int) -> str:
    """SQL of a number below 10,000 that depends on the member and on nothing else."""
    return f"(hash(i * 1009 + {salt}) % 10000)"


def _tier() -> str:
    cases = " ".join(f"when {_draw(0)} < {limit} then '{name}'" for name, limit in _TIERS)
    return f"case {cases} end"


def _segments(is_moved: str) -> str:
    """SQL of the member's segments; who moved has lost the first one."""
    parts = []
    for salt, exclusive in enumerate(_SEGMENTS, start=1):
        limit, cases = 0, ""
        for name, share in exclusive:
            limit += share
            cases += f" when {_draw(salt)} < {limit} then '{name}'"
        parts.append(f"case{cases} end")
    drawn = f"list_filter([{', '.join(parts)}], lambda x: x is not null)"
    return f"case when {is_moved} then {drawn}[2:] else {drawn} end"
