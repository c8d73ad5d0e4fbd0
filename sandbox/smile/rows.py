"""Records of the programme as the JSON objects of the API (smile.md §5). Field order as documented.

Pure functions; what depends on a switch comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.shop.smile_catalogue import LANGUAGES, TEXTS
from sandbox.shop.smile_records import NO_VIP, Coupon, Customer, Transaction, VipStatus

Row = dict[str, Any]


def customer_row(
    customer: Customer,
    vip: VipStatus,
    tiers: Sequence[Mapping[str, Any]],
    habits: Mapping[str, Any],
) -> Row:
    """A customer without `vip_status`."""
    email = customer.email
    if email is None and habits["customer_without_email"] == "empty":
        email = ""
    moves = habits["updated_at_moves_with_points"]
    return {
        "id": customer.id,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "email": email,
        "state": customer.state,
        "date_of_birth": customer.date_of_birth,
        "points_balance": customer.points_balance,
        "referral_url": f"http://i.refs.cc/{customer.referral_code}",
        "vip_tier_id": None if vip.tier is None else tiers[vip.tier]["id"],
        "created_at": customer.created_at,
        "updated_at": customer.updated_at if moves else customer.touched_at,
    }


def vip_row(
    vip: VipStatus, tiers: Sequence[Mapping[str, Any]], habits: Mapping[str, Any]
) -> Row | None:
    """The object `vip_status`."""
    if vip.tier is None and habits["vip_status_without_tier"] == "null":
        return None
    if habits["vip_programme"] == "off":
        vip = NO_VIP
    return {
        "vip_tier_id": None if vip.tier is None else tiers[vip.tier]["id"],
        "vip_tier_expires_at": vip.expires_at,
        "progress_value": vip.progress,
        "current_vip_period_end": vip.period_end,
        "delta_to_retain_vip_tier": vip.to_retain,
        "next_vip_tier_id": None if vip.next_tier is None else tiers[vip.next_tier]["id"],
        "delta_to_next_vip_tier": vip.to_next,
    }


def tier_row(tier: Mapping[str, Any], milestone: float) -> Row:
    """A VIP tier without `perks` and `entry_rewards`."""
    return {
        "id": tier["id"],
        "name": tier["name"],
        "image_url": tier["image_url"],
        "milestone": milestone,
    }


def transaction_row(row: Transaction, habits: Mapping[str, Any]) -> Row:
    text = TEXTS[row.kind][LANGUAGES.index(habits["description_language"])]
    return {
        "id": row.id,
        "customer_id": _customer_id(row.customer_id, habits),
        "points_change": row.change,
        "description": text.format(row.detail),
        "internal_note": row.note,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def coupon_row(coupon: Coupon, habits: Mapping[str, Any]) -> Row:
    """A reward fulfilment; one without a code yet has `code` null."""
    terms = coupon.terms
    if coupon.expires_at is not None:
        terms = f"Reward expires on {coupon.expires_at[:10]}.{' ' + terms if terms else ''}"
    is_issued = coupon.code is not None
    return {
        "id": coupon.id,
        "name": coupon.name,
        "code": coupon.code,
        "customer_id": _customer_id(coupon.customer_id, habits),
        "fulfillment_status": coupon.status,
        "image_url": "https://platform-images.smilecdn.co/9283449.png",
        "action_text": "Shop now" if is_issued else None,
        "action_url": "https://shop.loyalty-sandbox.dev/" if is_issued else None,
        "usage_instructions": "Use this discount code on your next order!" if is_issued else None,
        "terms_and_conditions": terms,
        "expires_at": coupon.expires_at,
        "usage_status": coupon.usage_status,
        "used_at": coupon.used_at,
        "created_at": coupon.created_at,
        "updated_at": coupon.updated_at,
    }


def _customer_id(number: int, habits: Mapping[str, Any]) -> int | str:
    return str(number) if habits["customer_id_type"] == "string" else number
