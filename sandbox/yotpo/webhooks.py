"""Yotpo's merchant webhooks for a person of the shop: the payloads of yotpo.md §4. Pure.

Where a page of the documentation was cut, a field stands where a receiver of these webhooks
describes it (yotpo.md §4.3). Topics without a documented name are not sent. Values are the
member's own: the latest earning, the latest coupon, the tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.shop.yotpo_catalogue import TIERS
from sandbox.yotpo.rows import Row
from sandbox.yotpo.webhook_parts import (
    SHOP,
    Occasion,
    base,
    latest_earning,
    latest_spending,
    number_of,
    option_part,
    perk_part,
    redemption_part,
    tier_part,
)
from sandbox.yotpo.webhook_referrals import (
    product_shared,
    referred,
    referred_newly,
    share_reminder,
    shared,
    shared_newly,
)

Builder = Callable[[Occasion], Row]


def payloads(topic: str, occasion: Occasion) -> Iterator[Row]:
    """The bodies of the deliveries of one topic, one of `TOPICS`."""
    name, *builders = TOPICS[topic]
    for build in builders:
        yield {"topic": topic, "name": name, **build(occasion)}


def _earned(occasion: Occasion) -> Row:
    item = latest_earning(occasion.member)
    perk = perk_part(occasion, item.action_name or item.action, item.points, item.created_at)
    return {**base(occasion), "perk": {**perk, "completed_at": item.completed_at}}


def _changed(occasion: Occasion) -> Row:
    item, _ = latest_spending(occasion)
    balance = occasion.member.points_balance
    return {
        **base(occasion),
        "previous_balance": balance - item.points,
        "current_balance": balance,
        "difference": -item.points,
        "added_or_removed": "removed",
        "points_changed_reason": "Redemption Made",
    }


def _redeemed(occasion: Occasion) -> Row:
    """Points were spent: no perk."""
    item, option = latest_spending(occasion)
    redemption = redemption_part(occasion, item.status, item.created_at)
    return {
        **base(occasion),
        "redemption": redemption,
        "redemption_option": option_part(option),
        "redemption_option_id": option["id"],
        "redemption_option_name": option["name"],
        "at_checkout": False,
        "is_pos": False,
    }


def _awarded(occasion: Occasion) -> Row:
    """A campaign gave the coupon: the perk comes along, with the option in it."""
    option, moment = occasion.programme.options[-1], latest_earning(occasion.member).created_at
    part = option_part(option)
    perk = perk_part(
        occasion,
        "Join our newsletter",
        0,
        moment,
        redemption_option_id=option["id"],
        redemption_option=part,
    )
    pending = {"completed": False, "completed_at": None, "awarded": False, "awarded_at": None}
    redemption = redemption_part(occasion, f"GIFT-{occasion.member.number}", moment)
    return {
        **base(occasion),
        "redemption": {**redemption, "id": number_of(occasion, 5)},
        "redemption_option": part,
        "perk": {**perk, **pending, "id": number_of(occasion, 6)},
    }


def _custom(occasion: Occasion) -> Row:
    row = _redeemed(occasion)
    return {
        **base(occasion),
        "redemption": {**row["redemption"], "reward_text": "Redeemed"},
        "redemption_option": row["redemption_option"],
    }


def _donated(occasion: Occasion) -> Row:
    item, _ = latest_spending(occasion)
    option = next(o for o in occasion.programme.options if o["discount_type"] == "donation")
    redemption = redemption_part(
        occasion,
        "Donation",
        item.created_at,
        amount=None,
        token=f"{number_of(occasion, 3):032x}",
        third_party_id=None,
        third_party_rule_id=None,
    )
    fields = (
        *("applies_to_product_type", "duration", "type", "discount_amount_cents"),
        *("discount_rate_cents", "discount_percentage", "discount_type"),
    )
    return {
        **_redeemed(occasion),
        "redemption": {**redemption, "approved": False, "approved_at": None},
        "redemption_option": option_part(option, *fields),
        "redemption_option_id": option["id"],
        "redemption_option_name": option["name"],
    }


def _few_codes(occasion: Occasion) -> Row:
    option = occasion.programme.options[0]
    return {
        "redemption_option": option_part(option),
        "redemption_option_id": option["id"],
        "redemption_option_name": option["name"],
        "number_of_unused_codes": 25,
    }


def _points_reminder(occasion: Occasion) -> Row:
    option = occasion.programme.options[-2]
    needed = max(0, (option["amount"] or 0) - occasion.member.points_balance)
    return {**base(occasion), "points_needed": needed, "redemption_option": option_part(option)}


def _redemption_reminder(occasion: Occasion) -> Row:
    return {**base(occasion), "redemption_option": option_part(occasion.programme.options[0])}


def _expiry_reminder(occasion: Occasion) -> Row:
    ends = occasion.programme.points_expire_at(occasion.member)
    return {
        **SHOP,
        **base(occasion),
        "loyalty_next_points_expire_on": ends[:10] if ends else None,
        "loyalty_next_points_expire_amount": max(0, occasion.member.points_balance),
        "days_to_point_expiration": 30,
    }


def _celebration(title: str) -> Builder:
    def build(occasion: Occasion) -> Row:
        moment, option = latest_earning(occasion.member).created_at, occasion.programme.options[0]
        plain = dict(base(occasion)["customer"])
        del plain["referral_code"]
        redemption = redemption_part(occasion, f"GIFT-{occasion.member.number}", moment)
        kept = ("id", "created_at", "updated_at", "reward_text", "approved", "approved_at")
        return {
            "email": occasion.member.email,
            "customer": plain,
            "perk": perk_part(occasion, title, 75, moment),
            "redemption": {name: redemption[name] for name in kept},
            "redemption_option": option_part(option),
        }

    return build


def _tier_moved(*, up: bool) -> Builder:
    """The documented sample of an earned tier still shows the old one in `customer`."""

    def build(occasion: Occasion) -> Row:
        now = max(occasion.member.tier, 1) if up else max(occasion.member.tier, 0)
        before = now - 1 if up else min(now + 1, len(TIERS) - 1)
        row = base(occasion)
        if up:
            row["customer"]["vip_tier_name"] = TIERS[before].name
        return {
            **row,
            "new_tier": tier_part(TIERS[now]),
            "old_tier": tier_part(TIERS[before]),
        }

    return build


def _tier_status(occasion: Occasion) -> Row:
    member = occasion.member
    at = max(member.tier, 0)

    def needed(missing: tuple[int, int, int, int]) -> Row:
        names = ("points_needed", "amount_cents_needed", "purchases_needed", "referrals_needed")
        return dict(zip(names, missing, strict=True))

    return {
        **base(occasion),
        "vip_stats": {
            "pointsEarned": member.tier_points,
            "amountSpentCents": member.tier_cents,
            "purchasesMade": member.tier_purchases,
            "referralsCompleted": member.tier_referrals,
        },
        "vip_stats_needed_maintain": needed(member.missing(TIERS[at].retain)),
        "vip_stats_needed_next": needed(member.missing(TIERS[min(at + 1, len(TIERS) - 1)].entry)),
    }


TOPICS: Mapping[str, tuple[Any, ...]] = {
    "swell/points/earned": ("Swell Points Earned", _earned),
    "swell/points/changed": ("Swell Points Changed", _changed),
    "swell/points/reminder": ("Swell Points Reminder", _points_reminder),
    "loyalty/expiration/reminder": ("Loyalty Expiration Reminder", _expiry_reminder),
    "swell/redemption/created": ("Swell Redemption Created", _redeemed, _awarded),
    "swell/redemption/reminder": ("Swell Redemption Reminder", _redemption_reminder),
    "loyalty/custom/reward/created": ("Loyalty Custom Reward Created", _custom),
    "loyalty/donation/created": ("Loyalty Donation Created", _donated),
    "swell/redemption_code/below_threshold": ("Swell Redemption Code Below Threshold", _few_codes),
    "swell/customer/birthday": ("Swell Customer Birthday", _celebration("Happy Birthday")),
    "swell/customer/anniversary": ("Swell Customer Anniversary", _celebration("Anniversary")),
    "loyalty/opt_in": ("Loyalty Opt In", base),
    "loyalty/opt_out": ("Loyalty Opt Out", base),
    "swell/tier/earned": ("Swell Tier Earned", _tier_moved(up=True)),
    "swell/tier/lost": ("Swell Tier Lost", _tier_moved(up=False)),
    "swell/tier/status/changed": ("Swell Tier Status Changed", _tier_status),
    "swell/referral/share": ("Swell Referral Share", shared),
    "yotpo/referral/shared": ("Yotpo Referral shared", shared_newly),
    "swell/referral/share/reminder": ("Swell Referral Share Reminder", share_reminder),
    "swell/referral/completed": ("Swell Referral Completed", referred),
    "yotpo/referral/completed": ("Yotpo Referral completed", referred_newly),
    "loyalty/referral/product_share": ("Loyalty Referral Product Share", product_shared),
    "loyalty/referral/product_share/reminder": (
        "Loyalty Referral Product Share Reminder",
        product_shared,
    ),
}
