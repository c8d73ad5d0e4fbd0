"""Parts of Yotpo's webhooks: customer, perk, redemption, option, tier, code (yotpo.md §4.2).

Pure functions; field names, nesting and the odd ones (`thirty_party_id`) are as documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.shop.yotpo_catalogue import TIERS, Tier
from sandbox.shop.yotpo_programme import YotpoProgramme
from sandbox.shop.yotpo_records import HistoryItem, Member
from sandbox.yotpo.rows import Row, money, referral_code

SHOP: Row = {"website_url": "https://shop.loyalty-sandbox.dev", "store_name": "Loyalty Sandbox"}
_MERCHANT = 4711
_LONG_AGO = "2016-10-15T15:29:27.828Z"


@dataclass(frozen=True)
class Occasion:
    """Whom a webhook is about.

    Attributes:
        member: the customer; of a share the advocate.
        friend: somebody else of the shop, who was referred.
        serial: tells events of the same kind apart: part of the ids of perks and redemptions.
    """

    programme: YotpoProgramme
    member: Member
    friend: Member
    serial: int = 0


def customer(member: Member, programme: YotpoProgramme) -> Row:
    """`customer` as events have it, other than the REST API (yotpo.md §4.2)."""
    year, month, day = member.birthday or (None, None, None)
    ends = programme.tier_ends(member)
    row: Row = {
        "total_spend_cents": member.total_spend_cents,
        "total_purchases": member.total_purchases,
        "perks_redeemed": member.perks_redeemed,
        "last_purchase_at": member.last_purchase_at,
        "first_name": member.first_name,
        "last_name": member.last_name,
        "email": member.email,
        "points_balance": member.points_balance,
        "points_earned": member.points_earned,
        "last_seen_at": member.last_seen_at,
        "third_party_id": member.third_party_id,
        "thirty_party_id": member.third_party_id,
        "points_expire_at": programme.points_expire_at(member),
        "referred_by": None,
        "referred_by_customer": None,
        "is_member": member.opt_in,
        "accepts_marketing": False,
        "referral_link": f"http://rwrd.io/ref_{member.referral_code.upper()}",
        "referral_discount_code": None,
        "is_opt_in": member.opt_in,
        "loyalty_opt_in_date": member.opted_in_on[:10] if member.opted_in_on else None,
        "has_store_account": member.has_store_account,
        "credit_balance": money(member.credit_cents),
        "credit_balance_in_customer_currency": money(member.credit_cents),
        "is_affiliate": False,
        "vip_tier_name": TIERS[member.tier].name if member.tier >= 0 else None,
        "vip_tier_ends_at": ends[:10] if ends else None,
        "referral_code": referral_code(member),
    }
    if month is not None:
        row |= {"birth_day": day, "birth_month": month, "birth_year": year}
    return row


def base(occasion: Occasion) -> Row:
    return {
        "email": occasion.member.email,
        "customer": customer(occasion.member, occasion.programme),
    }


def latest_earning(member: Member) -> HistoryItem:
    """The latest earning of the member; one of 0 points of somebody who has none."""
    found = [item for item in member.history if item.counts and item.points > 0]
    return found[-1] if found else HistoryItem(_LONG_AGO, _LONG_AGO, "Create an account", 0, "")


def latest_spending(occasion: Occasion) -> tuple[HistoryItem, Mapping[str, Any]]:
    """The latest redemption of the member with its option; of nobody the first option, 0 points."""
    options = {option["name"]: option for option in occasion.programme.options}
    for item in reversed(occasion.member.history):
        if item.points < 0 and item.action in options:
            return item, options[item.action]
    option = occasion.programme.options[0]
    return HistoryItem(_LONG_AGO, _LONG_AGO, option["name"], 0, "WELCOME-0"), option


def perk_part(occasion: Occasion, title: str, points: int | None, moment: str, **more: Any) -> Row:
    return {
        "id": number_of(occasion, 1),
        "campaign_id": 12301,
        "merchant_id": _MERCHANT,
        "customer_id": occasion.member.id,
        "reward_points": points,
        "completed": True,
        "completed_at": moment,
        "awarded": True,
        "awarded_at": moment,
        "pending": False,
        "reversed": False,
        "reversed_at": None,
        "expired": False,
        "expired_at": None,
        "expires_at": None,
        "redemption_option_id": None,
        "history_title": title,
        "created_at": moment,
        **more,
    }


def redemption_part(occasion: Occasion, code: str, moment: str, **more: Any) -> Row:
    return {
        "id": number_of(occasion, 2),
        "created_at": moment,
        "updated_at": moment,
        "reward_text": code,
        "approved": True,
        "approved_at": moment,
        "is_admin": False,
        "is_pos": False,
        "at_checkout": False,
        **more,
    }


def number_of(occasion: Occasion, kind: int) -> int:
    return (occasion.serial * 1_000_000 + occasion.member.number) * 10 + kind


def option_part(option: Mapping[str, Any], *names: str) -> Row:
    plain = ("id", "name", "description", "icon", "cost_text", "amount")
    return {name: option.get(name) for name in (*plain, *names)}


def tier_part(tier: Tier) -> Row:
    return {
        "id": tier.id,
        "name": tier.name,
        "description": tier.description,
        "points_earned": tier.entry.points_earned,
        "amount_spent_cents": tier.entry.amount_spent_cents,
        "purchases_made": tier.entry.purchases_made,
        "points_multiplier": float(tier.multiplier),
        "rank": TIERS.index(tier) + 1,
        "reward_points": tier.reward_points,
    }


def new_referral_code(occasion: Occasion) -> Row:
    member, friend = occasion.member, occasion.friend
    zeros = (
        *("total_shares", "email_shares", "sms_shares", "whatsapp_shares", "copy_link_shares"),
        *("personal_email_shares", "links_clicked_from_email", "links_clicked_from_sms"),
        *("links_clicked_from_whatsapp", "links_clicked_from_personal_email"),
        *("links_clicked_from_copy_link", "friends_orders", "friends_amount_spent_cents"),
        *("friends_average_amount_cents", "unique_clicks", "total_clicks"),
    )
    return {
        "code": member.referral_code,
        "customer_id": member.id,
        **dict.fromkeys(zeros, 0),
        "expired": False,
        "customer": None,
        "completed_referral_customers": [
            {
                "email": friend.email,
                "first_name": friend.first_name,
                "last_name": friend.last_name,
                "reward_type": "REWARD_OPTION",
                "referral_status": "COMPLETED",
                "last_seen_at": friend.last_seen_at,
            }
        ],
        "email": member.email,
    }
