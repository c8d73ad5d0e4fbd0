"""The records of the Smile programme as the simulation keeps them. Moments are stamps (UTC)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Transaction:
    """A ledger row: what, how many points, when."""

    id: int
    customer_id: int
    change: int
    kind: str
    detail: str
    note: str | None
    created_at: str
    updated_at: str


@dataclass(slots=True)
class Coupon:
    """A reward fulfilment; `lot` decides its fate (see dice)."""

    id: int
    lot: int
    customer_id: int
    name: str
    code: str | None
    terms: str | None
    status: str
    usage_status: str
    expires_at: str | None
    used_at: str | None
    points: int
    created_at: str
    updated_at: str


@dataclass(slots=True)
class Customer:
    """A Smile customer; `earned` (points) and `spent` (cents) count towards tiers, by year.

    `touched_at` is the last change of the profile itself, `updated_at` of anything.
    """

    id: int
    number: int
    first_name: str | None
    last_name: str | None
    email: str | None
    state: str
    date_of_birth: str | None
    referral_code: str
    created_at: str
    updated_at: str
    touched_at: str
    active_on: int
    points_balance: int = 0
    tier: int = -1
    earned: dict[int, int] = field(default_factory=dict)
    spent: dict[int, int] = field(default_factory=dict)
    ledger: list[Transaction] = field(default_factory=list)
    coupons: list[Coupon] = field(default_factory=list)
    expiry_checked: bool = False


@dataclass(frozen=True, slots=True)
class VipStatus:
    """Where a customer stands; tiers by position (None = none), moments as stamps."""

    tier: int | None
    expires_at: str | None
    progress: float | None
    period_end: str | None
    to_retain: float | None
    next_tier: int | None
    to_next: float | None


NO_VIP = VipStatus(None, None, None, None, None, None, None)
