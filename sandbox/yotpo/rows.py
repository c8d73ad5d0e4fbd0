"""Records of the programme as the JSON objects of the API (yotpo.md §2). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sandbox.shop.yotpo_catalogue import TIERS, Threshold, Tier
from sandbox.shop.yotpo_programme import YotpoProgramme
from sandbox.shop.yotpo_records import HistoryItem, Member

Row = dict[str, Any]
Habits = Mapping[str, Any]

Missing = tuple[int, int, int, int]
NOTHING: Missing = (0, 0, 0, 0)


def tier_date(moment: str | None, style: str) -> str | None:
    """A tier's date in one of the formats seen in public samples (yotpo.md §6.5)."""
    if moment is None or style == "milliseconds":
        return moment
    if style == "seconds":
        return f"{moment[:19]}Z"
    if style == "naive":
        return moment[:19]
    if style == "microseconds":
        return f"{moment[:23]}507"
    shifted = datetime.fromisoformat(moment).astimezone(timezone(timedelta(hours=2)))
    return shifted.isoformat(timespec="milliseconds")


def _needed(missing: Missing, *, is_detailed: bool) -> Row:
    points, cents, purchases, referrals = missing
    row: Row = {"points_needed": points, "amount_cents_needed": cents}
    if is_detailed:
        row["amount_cents_needed_in_customer_currency"] = cents
    row["purchases_needed"] = purchases
    row["referrals_needed"] = referrals
    row["campaigns_needed"] = []
    return row


def _completed(member: Member, *, is_detailed: bool) -> Row:
    row: Row = {"points_earned": member.tier_points, "amount_spent_cents": member.tier_cents}
    if is_detailed:
        row["amount_spent_cents_in_customer_currency"] = member.tier_cents
    row["purchases_made"] = member.tier_purchases
    row["referrals_completed"] = member.tier_referrals
    row["campaigns_completed"] = []
    return row


def money(cents: int) -> str:
    """Yotpo's formatted credit: "$0", "$25.00", "$2,620.00"."""
    return "$0" if cents == 0 else f"${cents / 100:,.2f}"


def member_row(
    member: Member, programme: YotpoProgramme, habits: Habits, *, is_detailed: bool
) -> Row:
    """A customer as listed by /customers/recent, or as answered by /customers.

    Keys that vanish when unset (yotpo.md §2.2) are absent, or null by the switch.
    """
    year, month, day = member.birthday or (None, None, None)
    has_tier = member.tier >= 0
    upgrade = maintain = NOTHING
    if has_tier:
        maintain = member.missing(TIERS[member.tier].retain)
        if member.tier + 1 < len(TIERS):
            upgrade = member.missing(TIERS[member.tier + 1].entry)
    style = habits["tier_date_format"]
    row: Row = {
        "total_spend_cents": member.total_spend_cents,
        "total_purchases": member.total_purchases,
        "perks_redeemed": member.perks_redeemed,
        "last_purchase_at": member.last_purchase_at,
        "first_name": member.first_name,
        "last_name": member.last_name,
        "phone_number": member.phone,
        "email": member.email,
        "points_balance": member.points_balance,
        "points_earned": member.points_earned,
        "last_seen_at": member.last_seen_at,
        "thirty_party_id": member.third_party_id,
        "third_party_id": member.third_party_id,
        "pos_account_id": member.pos_account_id,
        "has_store_account": member.has_store_account,
        "opt_in": member.opt_in,
        "opted_in_at": member.opted_in_on,
        "points_expire_at": programme.points_expire_at(member),
        "vip_tier_actions_completed": _completed(member, is_detailed=is_detailed),
        "vip_tier_upgrade_requirements": _needed(upgrade, is_detailed=is_detailed),
    }
    vanishing: Row = {
        "birthday_month": month,
        "birth_day": day,
        "vip_tier_name": TIERS[member.tier].name if has_tier else None,
        "vip_tier_entry_date": tier_date(member.tier_entered_at, style),
        "vip_tier_expiration": tier_date(programme.tier_ends(member), style),
        "vip_tier_maintenance_requirements": (
            _needed(maintain, is_detailed=is_detailed) if has_tier else None
        ),
    }
    if is_detailed:
        credit = money(member.credit_cents)
        row["credit_balance"] = row["credit_balance_in_customer_currency"] = credit
        vanishing["birthday_year"] = year
        by_date = programme.points_method == "date_earned" and member.points_balance > 0
        batch = programme.next_batch(member) if by_date else (None, None)
        vanishing["next_points_expire_on"], vanishing["next_points_expire_amount"] = batch
    keeps_nulls = habits["empty_keys"] == "null"
    row.update((key, value) for key, value in vanishing.items() if keeps_nulls or value is not None)
    return row


def anniversary_row(member: Member) -> Row | None:
    """When the member joined, as a day that recurs; every third one told it, half of them a year.

    Who joined is known to the shop, but the anniversary is what the shopper or the shop entered.
    """
    if member.opted_in_on is None or member.number % 3:
        return None
    year, month, day = (int(part) for part in member.opted_in_on[:10].split("-"))
    return {"day": day, "month": month, "year": year if member.number % 2 else None}


def history_rows(member: Member, habits: Habits) -> list[Row]:
    """`history_items`."""
    items = sorted(member.history, key=_moment, reverse=habits["history_order"] == "newest_first")
    as_text = habits["order_ids_type"] == "string"
    return [
        {
            "created_at": item.created_at,
            "date": item.created_at[:10],
            "completed_at": item.completed_at,
            "action": item.action,
            "action_name": item.action_name,
            "points": item.points,
            "status": item.status,
            "order_ids": list(item.order_ids) if as_text else [int(one) for one in item.order_ids],
        }
        for item in items
    ]


def _moment(item: HistoryItem) -> str:
    return item.created_at


def referral_code(member: Member) -> Row:
    """The legacy programme's object with counters and completed referrals."""
    orders = len(member.referrals)
    return {
        "code": member.referral_code,
        "shares": orders,
        "facebook_shares": 0,
        "twitter_shares": 0,
        "email_shares": orders,
        "emails_sent": orders,
        "emails_viewed": orders,
        "links_clicked_from_email": orders,
        "links_clicked_from_twitter": 0,
        "links_clicked_from_facebook": 0,
        "orders": orders,
        "amount_cents": member.referral_cents,
        "average_amount_cents": member.referral_cents // orders if orders else 0,
        "expires_at": None,
        "expired": False,
        "completed_referral_customers": [
            {
                "email": one.friend.email,
                "first_name": one.friend.first_name,
                "last_name": one.friend.last_name,
                "referral_points_contributed": one.points,
                "last_seen_at": one.friend.last_seen_at,
            }
            for one in member.referrals
        ],
        "email": member.email,
        "unique_clicks": orders,
        "total_clicks": orders,
    }


def referral_link(member: Member) -> Row:
    """The newer programme's object; `link` has no scheme."""
    return {
        "link": f"rwrd.io/ref_{member.referral_code.upper()}",
        "code": member.referral_code,
        "expired": False,
        "customer_id": member.id,
    }


def _threshold(threshold: Threshold, habits: Habits) -> Row:
    row: Row = {
        "points_earned": threshold.points_earned,
        "amount_spent_cents": threshold.amount_spent_cents,
        "purchases_made": threshold.purchases_made,
        "referrals_completed": threshold.referrals_completed,
    }
    if habits["requirement_mode"] != "absent":
        row["requirement_mode"] = habits["requirement_mode"]
    return row


def tier_row(tier: Tier, habits: Habits) -> Row:
    is_text = habits["points_multiplier_type"] == "string"
    return {
        "id": tier.id,
        "name": tier.name,
        "description": tier.description,
        "type": "VipTier",
        "points_multiplier": tier.multiplier if is_text else float(tier.multiplier),
        "points_reward": tier.reward_points,
        "coupon_reward": tier.reward_coupon,
        "entry_threshold": _threshold(tier.entry, habits),
        "retain_threshold": _threshold(tier.retain, habits),
        "regain_threshold": _threshold(tier.regain, habits),
    }


def option_row(option: Mapping[str, Any], habits: Habits) -> Row:
    row = dict(option)
    if habits["option_amount_type"] == "string" and row["amount"] is not None:
        row["amount"] = str(row["amount"])
    return row
