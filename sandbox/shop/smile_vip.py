"""VIP tiers of the Smile programme as a pure function of the yearly counters (smile.md §8.3).

Calendar year: progress starts anew on 1 January; a tier reached in year Y lasts to the end of
Y + 1. Lifetime: all years count together and nothing ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from sandbox.shop.smile_records import NO_VIP, Customer, VipStatus


def tier_of(progress: float, milestones: Sequence[float]) -> int:
    """Position of the highest tier reached, -1 for none."""
    return bisect_right(milestones, progress) - 1


def progress_in(customer: Customer, year: int | None, basis: str) -> float:
    """Points or dollars counted in a year, or in all years (None)."""
    counters = customer.earned if basis == "points" else customer.spent
    value = sum(counters.values()) if year is None else counters.get(year, 0)
    return float(value) if basis == "points" else value / 100


def current_tier(
    customer: Customer, year: int, basis: str, timeframe: str, milestones: Sequence[float]
) -> int:
    """Position of the tier that a customer holds in a year, -1 for none."""
    if customer.state != "member":
        return -1
    if timeframe == "lifetime":
        return tier_of(progress_in(customer, None, basis), milestones)
    if basis == "points":
        best = max(customer.earned.get(year, 0), customer.earned.get(year - 1, 0))
        return bisect_right(milestones, best) - 1
    best = max(customer.spent.get(year, 0), customer.spent.get(year - 1, 0))
    return bisect_right(milestones, best / 100) - 1


def vip_status(
    customer: Customer, year: int, basis: str, timeframe: str, milestones: Sequence[float]
) -> VipStatus:
    """Tier, progress and what is missing, as of a year; only members take part."""
    if customer.state != "member":
        return NO_VIP
    if timeframe == "lifetime":
        progress = progress_in(customer, None, basis)
        tier = tier_of(progress, milestones)
        expires_at = period_end = to_retain = None
    else:
        progress = progress_in(customer, year, basis)
        reached = tier_of(progress, milestones)
        kept = tier_of(progress_in(customer, year - 1, basis), milestones)
        tier = max(reached, kept)
        lasts_to = year + 1 if reached >= kept else year
        expires_at = f"{lasts_to}-12-31T23:59:59.999Z" if tier >= 0 else None
        period_end = f"{year}-12-31T23:59:59.999Z"
        missing = milestones[tier] - progress if tier >= 0 else 0.0
        to_retain = round(missing, 2) if missing > 0 else None
    following = tier + 1 if tier + 1 < len(milestones) else None
    return VipStatus(
        tier=tier if tier >= 0 else None,
        expires_at=expires_at,
        progress=progress,
        period_end=period_end,
        to_retain=to_retain,
        next_tier=following,
        to_next=None if following is None else round(milestones[following] - progress, 2),
    )
