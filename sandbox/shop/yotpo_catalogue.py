"""The Yotpo programme's settings: campaigns, redemption options, tiers. Data only.

Rows that the API serves as they stand are in the API's own shape (yotpo.md §2.3 to §2.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POINTS_PER_DOLLAR = 3
SIGNUP_POINTS = 100
BIRTHDAY_POINTS = 75
REFERRAL_POINTS = 200
FOLLOW_POINTS = 25
REVIEW_POINTS = 60
EXPIRY_DAYS = 365
TIER_DAYS = 365
CENTS_PER_POINT = 3
"""The rate of the variable option."""

_SINCE = "2023-08-14T18:41:13.000Z"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a tier asks for within its window; everything that is not 0 must be met."""

    points_earned: int = 0
    amount_spent_cents: int = 0
    purchases_made: int = 0
    referrals_completed: int = 0


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier; `reward_points` and `reward_coupon` are given on entry."""

    id: int
    name: str
    description: str
    multiplier: str
    entry: Threshold
    retain: Threshold
    regain: Threshold
    reward_points: int | None = None
    reward_coupon: str | None = None


TIERS: tuple[Tier, ...] = (
    Tier(4101, "Member", "Everybody starts here", "1.0", Threshold(), Threshold(), Threshold()),
    Tier(
        4102,
        "Insider",
        "Spend $100 within a year",
        "1.25",
        Threshold(amount_spent_cents=10_000),
        Threshold(amount_spent_cents=8_000),
        Threshold(amount_spent_cents=10_000),
        reward_points=50,
    ),
    Tier(
        4103,
        "Icon",
        "Spend $250 in at least 4 orders within a year",
        "1.5",
        Threshold(amount_spent_cents=25_000, purchases_made=4),
        Threshold(amount_spent_cents=20_000, purchases_made=3),
        Threshold(amount_spent_cents=25_000, purchases_made=4),
        reward_coupon="$10.00 Off",
    ),
)


def _option(number: int, name: str, amount: int | None, kind: str, **own: Any) -> dict[str, Any]:
    text = own.pop("description", f"{name} for {amount} points")
    row: dict[str, Any] = {
        "id": 123400 + number,
        "icon": own.pop("icon", "fa-dollar"),
        "cost_text": f"{amount} Points" if amount else None,
        "amount": amount,
        "applies_to_product_type": "ALL",
        "duration": "single_use",
        "type": own.pop("type", "Coupon"),
        "discount_amount_cents": None,
        "discount_rate_cents": None,
        "discount_percentage": None,
        "discount_type": kind,
        "discount_value_cents": None,
        "name": name,
        "description": text,
        "unrendered_name": name,
        "unrendered_description": text,
        "cart_greater_than": None,
        "discount_with_currency": None,
    }
    row.update(own)
    return row


OPTIONS: tuple[dict[str, Any], ...] = (
    _option(
        51,
        "$5.00 Off",
        150,
        "fixed_amount",
        discount_amount_cents=500,
        discount_with_currency="$5",
    ),
    _option(
        53,
        "$15.00 Off",
        400,
        "fixed_amount",
        discount_amount_cents=1500,
        cart_greater_than="50",
        discount_with_currency="$15",
    ),
    _option(57, "15% Off", 350, "percentage", discount_percentage=15.0, icon="fa-percent"),
    _option(
        61,
        "Points for money off",
        100,
        "variable",
        discount_rate_cents=float(CENTS_PER_POINT),
        description="Choose how many points to spend",
    ),
    _option(64, "Free Shipping", 200, "shipping", icon="fa-truck"),
    _option(
        68,
        "Free Tote Bag",
        600,
        "product",
        discount_value_cents=1800,
        variant_id="39283712",
        quantity=1,
        icon="fa-shopping-bag",
    ),
    _option(73, "Early access pass", 250, "custom", discount_value_cents=0, icon="fa-key"),
    _option(
        79,
        "Plant a tree",
        100,
        "donation",
        discount_amount_cents=200,
        discount_with_currency="$2",
        icon="fa-tree",
    ),
    _option(
        85,
        "$10.00 Off",
        0,
        "fixed_amount",
        discount_amount_cents=1000,
        discount_with_currency="$10",
        description="A gift for reaching Icon",
    ),
)
CODE_PREFIXES: Mapping[int, str] = {
    123451: "FIVEOFF",
    123453: "FIFTEENOFF",
    123457: "PERCENT15",
    123461: "ANYOFF",
    123464: "FREESHIP",
    123468: "TOTE",
    123473: "EARLY",
    123485: "ICON",
}
"""Options that come with a coupon code; others show the text `Redeemed` (yotpo.md §6.2)."""
REDEEMED = "Redeemed"


def _campaign(number: int, title: str, kind: str, reward: str, **own: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": 12300 + number,
        "title": title,
        "details": own.pop("details", f"{title} and get {reward}."),
        "type": kind,
        "cta_text": own.pop("cta_text", None),
        "share_text": None,
        "url": None,
        "username": None,
        "entity_id": None,
        "icon": own.pop("icon", "fa-star"),
        "reward_text": reward,
        "expires_at": None,
        "ends_at": None,
        "created_at": _SINCE,
        "updated_at": _SINCE,
        "max_completions_per_user": None,
        "min_actions_required": 1,
        "hashtags": None,
        "question": None,
        "display_order": number,
        "default_email_body": "",
        "action_name": None,
        "ask_year": False,
        "admin_display_name": title,
        "extra_copy1": None,
        "extra_copy2": None,
        "unrendered_title": title,
        "unrendered_details": None,
        "title_with_multi_currency_template": None,
        "details_with_multi_currency_template": None,
        "include_audience_ids": None,
        "include_audience_names": None,
        "exclude_audience_ids": None,
        "exclude_audience_names": None,
    }
    row.update(own)
    return row


CAMPAIGNS: tuple[dict[str, Any], ...] = (
    _campaign(
        1,
        "Create an Account",
        "CustomActionCampaign",
        f"{SIGNUP_POINTS} Points",
        action_name="create_account",
        max_completions_per_user=1,
        icon="fa-user",
    ),
    _campaign(
        2,
        "Make a Purchase",
        "SpendBasedCampaign",
        f"{POINTS_PER_DOLLAR} Points per $1",
        cta_text="Shop now",
        icon="fa-shopping-cart",
    ),
    _campaign(
        3,
        "Happy Birthday",
        "BirthdayCampaign",
        f"{BIRTHDAY_POINTS} Points",
        ask_year=True,
        icon="fa-birthday-cake",
    ),
    _campaign(
        4,
        "Refer a Friend",
        "ReferralCampaign",
        f"{REFERRAL_POINTS} Points",
        cta_text="Share",
        share_text="I shop here, here is $5 for you.",
        icon="fa-users",
    ),
    _campaign(
        5,
        "Follow us on Instagram",
        "InstagramFollowCampaign",
        f"{FOLLOW_POINTS} Points",
        username="loyaltysandbox",
        url="https://instagram.com/loyaltysandbox",
        max_completions_per_user=1,
        icon="fa-instagram",
    ),
    _campaign(
        6,
        "Review three products",
        "CustomActionCampaign",
        f"{REVIEW_POINTS} Points",
        action_name="product_review",
        min_actions_required=3,
        icon="fa-pencil",
    ),
)
