"""Yotpo's webhooks of referrals, legacy and new (yotpo.md §4.3, §4.4). Pure functions."""

from __future__ import annotations

from sandbox.yotpo.rows import Row, referral_code
from sandbox.yotpo.webhook_parts import (
    SHOP,
    Occasion,
    base,
    customer,
    latest_earning,
    new_referral_code,
    number_of,
    option_part,
    perk_part,
    redemption_part,
)


def shared(occasion: Occasion) -> Row:
    """A legacy share: `email` is the friend's, `customer` the advocate."""
    row = customer(occasion.member, occasion.programme)
    return {
        "email": occasion.friend.email,
        "from": occasion.member.email,
        "referral_link": row["referral_link"],
        "customer": row,
    }


def shared_newly(occasion: Occasion) -> Row:
    option = dict.fromkeys(option_part(occasion.programme.options[0]))
    option |= {"id": 123451, "type": "shopify_fixed_amount_coupon", "name": "$5.00 Off"}
    return {
        **SHOP,
        **shared(occasion),
        "referral_code": new_referral_code(occasion),
        "redemption_option": option,
    }


def share_reminder(occasion: Occasion) -> Row:
    option = option_part(occasion.programme.options[0], "discount_with_currency")
    return {**shared(occasion), "redemption_option": option}


def product_shared(occasion: Occasion) -> Row:
    row = shared(occasion)
    return {
        "email": row["email"],
        "from": row["from"],
        "customer": row["customer"],
        "product_referral_link": f"{row['referral_link']}/p/39283712",
        "product_id": "39283712",
        "product_name": "Tote Bag",
        "image_url": f"{SHOP['website_url']}/tote.jpg",
    }


def referred(occasion: Occasion) -> Row:
    """The legacy programme: `referrer` stands where others have `customer`."""
    moment, code = latest_earning(occasion.member).created_at, referral_code(occasion.member)
    return {
        "email": occasion.member.email,
        "perk": perk_part(occasion, "Refer a Friend", 200, moment),
        "referrer": customer(occasion.member, occasion.programme),
        "referral_code": {"id": number_of(occasion, 4), **code, "customer_id": occasion.member.id},
        "referred_customer": customer(occasion.friend, occasion.programme),
    }


def referred_newly(occasion: Occasion) -> Row:
    moment, option = latest_earning(occasion.member).created_at, occasion.programme.options[0]
    redemption = redemption_part(occasion, f"FRIEND-{occasion.member.number}", moment)
    nested = {"redemption_option": option_part(option), "redemption": redemption}
    return {
        **SHOP,
        **base(occasion),
        "perk": perk_part(occasion, "Refer a Friend", None, moment, campaign_id=None, **nested),
        "referral_code": new_referral_code(occasion),
        "referred_customer": customer(occasion.friend, occasion.programme),
    }
