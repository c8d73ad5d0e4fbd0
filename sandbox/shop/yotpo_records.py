"""The records of the Yotpo programme as the simulation keeps them. Moments are stamps (UTC)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.shop.yotpo_catalogue import Threshold

PENDING, APPROVED, REVERSED = "Pending", "Approved", "Reversed"


@dataclass(slots=True)
class HistoryItem:
    """A line of a member's history; for redemptions `status` is the coupon's code."""

    created_at: str
    completed_at: str
    action: str
    points: int
    status: str
    action_name: str | None = None
    order_ids: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the points are in the balance: not while pending, in part, or reversed."""
        return self.status not in (PENDING, REVERSED) and not self.status.endswith("%")


@dataclass(frozen=True, slots=True)
class Referral:
    """A friend who bought."""

    friend: Member
    points: int
    completed_at: str


@dataclass(slots=True)
class Member:
    """A Yotpo customer, opted in or not.

    `active_day` and `active_ms` tell the last earning or spending; `window_*` where the present
    tier's window began; the counters `tier_*` count within it.
    """

    id: int
    number: int
    email: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    third_party_id: str | None
    pos_account_id: str | None
    has_store_account: bool
    birthday: tuple[int | None, int, int] | None
    referral_code: str
    last_seen_at: str
    credit_cents: int = 0
    opt_in: bool = False
    opted_in_on: str | None = None
    points_balance: int = 0
    points_earned: int = 0
    perks_redeemed: int = 0
    total_purchases: int = 0
    total_spend_cents: int = 0
    last_purchase_at: str | None = None
    active_day: int = 0
    active_ms: int = 0
    tier: int = -1
    tier_entered_at: str | None = None
    window_day: int = 0
    window_ms: int = 0
    tier_points: int = 0
    tier_cents: int = 0
    tier_purchases: int = 0
    tier_referrals: int = 0
    referral_cents: int = 0
    expiry_checked: bool = False
    history: list[HistoryItem] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The e-mail as members are found by: trimmed, lower case."""
        return self.email.strip().lower()

    def missing(self, threshold: Threshold) -> tuple[int, int, int, int]:
        """Points, cents, purchases and referrals still needed; all 0 when it is met."""
        points = threshold.points_earned - self.tier_points
        cents = threshold.amount_spent_cents - self.tier_cents
        purchases = threshold.purchases_made - self.tier_purchases
        referrals = threshold.referrals_completed - self.tier_referrals
        return max(0, points), max(0, cents), max(0, purchases), max(0, referrals)

    def meets(self, threshold: Threshold) -> bool:
        return (
            self.tier_cents >= threshold.amount_spent_cents
            and self.tier_purchases >= threshold.purchases_made
            and self.tier_points >= threshold.points_earned
            and self.tier_referrals >= threshold.referrals_completed
        )
