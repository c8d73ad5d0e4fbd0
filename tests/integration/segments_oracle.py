"""The rules of the segments once more, in plain Python; see `published_oracle`, which asks here.

Written from the descriptions of the segments, not from their SQL. What a snapshot alone can know
(the latest change of a tier) comes in as a fact. Pure functions of one member's facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
DAY = timedelta(days=1)


def balance_limits(balances: Mapping[str, Iterable[int]]) -> dict[str, int]:
    """Per programme the balance from which a member is in the top tenth of the positive ones."""
    limits = {}
    for program, found in balances.items():
        positive = sorted(balance for balance in found if balance > 0)
        if positive:
            # the smallest balance that nine tenths do not exceed
            limits[program] = positive[-(-len(positive) * 9 // 10) - 1]
    return limits


def days_until_birthday(today: date, month: int | None, day: int | None) -> int | None:
    """0 = today; 29 February is kept on the 28th where the year has none; None = no such day."""
    if month is None or day is None:
        return None
    for year in (today.year, today.year + 1):
        try:
            kept = date(year, month, day)
        except ValueError:
            if (month, day) != (2, 29):
                return None
            kept = date(year, 2, 28)
        if kept >= today:
            return (kept - today).days
    raise AssertionError("a birthday comes every year")


def segments_of(now: datetime, member: Row, ledger: Iterable[Row]) -> list[str]:
    """Sorted names of the segments that a member with these facts is in."""
    today = now.date()
    entries = list(ledger)
    orders = [row for row in entries if row["is_order_earn"]]
    spent = [row for row in entries if row["transaction_kind"] == "redeem"]
    known = bool(entries) or member["is_history_known"]
    usual = sum(row["points_change"] for row in orders) // len(orders) if orders else 0

    def ago(moment: datetime | None) -> int:
        """Calendar days since; what never was is never recent and never long ago."""
        return -1 if moment is None else (today - moment.date()).days

    joined, seen = ago(member["joined_at"]), ago(member["last_activity_at"] or member["joined_at"])
    missing = {unit: member[f"{unit}_to_next_tier"] for unit in ("points", "purchases")}
    others = (member["amount_to_next_tier"] or 0, member["referrals_to_next_tier"] or 0)
    next_points = member["points_to_next_reward"]
    birthday = days_until_birthday(today, member["birth_month"], member["birth_day"])
    expires, expiring = member["points_expire_at"], member["points_expiring"] or 0
    expiry = (expires.date() - today).days if expires is not None and expires > now else None
    coupon = member["unused_coupon_expires_at"]
    balance = member["points_balance"] or 0
    climbed, changed = member["last_tier_change"]
    rules = {
        "active-members": 0 <= seen <= 90,
        "birthday-next-7-days": birthday is not None and birthday <= 7,
        "coupon-expiring-soon": coupon is not None and (coupon.date() - today).days <= 7,
        "frequent-advocates": member["completed_referral_count"] >= 3,
        "frequent-redeemers": sum(row["occurred_at"] > now - 30 * DAY for row in spent) > 2,
        "lapsed-regulars": len(orders) >= 3 and seen > 180,
        "lapsed-with-balance": balance >= 1 and seen > 180,
        "never-earned": known
        and not any(row["transaction_kind"] == "earn" for row in entries)
        and joined > 30,
        "never-redeemed-with-enough-points": known
        and not spent
        and member["eligible_reward_count"] > 0,
        "new-members": 0 <= joined <= 30,
        "no-second-order": len(orders) == 1 and ago(orders[0]["occurred_at"]) > 30,
        "one-order-from-next-reward": next_points is not None and 0 < next_points <= usual,
        "one-order-from-next-tier": any(need is not None for need in missing.values())
        and (missing["points"] is None or (usual > 0 and missing["points"] <= usual))
        and (missing["purchases"] or 0) <= 1
        and not any(others),
        **{
            f"points-expiring-{days}-days": expiring > 0 and expiry is not None and expiry <= days
            for days in (7, 14, 30)
        },
        "recent-tier-climbers": climbed and 0 <= ago(changed) <= 30 and 0 <= seen <= 90,
        "tier-at-risk": bool(member["is_tier_at_risk"]),
        "top-balances": member["top_balance"] is not None and balance >= member["top_balance"],
        "top-tier": member["tier_rank"] is not None and member["tier_rank"] == member["top_rank"],
        "unused-coupon": member["unused_coupons_count"] > 0,
    }
    return sorted(name for name, applies in rules.items() if applies)
