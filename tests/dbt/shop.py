"""The rows of a small shop: one person for each rule.

Owns raw rows about membership, profiles, coupons and tiers; what they must
become is said in the tests.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.dbt.warehouse import Warehouse


def _smile(identifier: str, email: str | None, **columns: Any) -> dict[str, Any]:
    row = {
        "id": identifier,
        "email": email,
        "state": "member",
        "points_balance": 0,
        "referral_url": f"https://i.refs.cc/{identifier}",
        "has_vip_status": True,
        "created_at": "2025-01-01 00:00:00+00",
        "updated_at": "2026-11-01 00:00:00+00",
    }
    return row | columns


def _yotpo(email: str, **columns: Any) -> dict[str, Any]:
    row = {
        "email_key": email.strip().lower(),
        "email": email,
        "points_balance": 0,
        "points_earned": 0,
        "opt_in": True,
        "opted_in_at": "2025-03-24",
        "has_store_account": True,
        "total_purchases": 0,
        "total_spend_cents": 0,
        "perks_redeemed": 0,
        "last_seen_at": "2026-11-10 18:41:13+00",
        "vip_tier_upgrade_requirements": json.dumps({"points_needed": 0, "amount_cents_needed": 0}),
    }
    return row | columns


SMILE_CUSTOMERS = [
    _smile(
        "100",
        " Ava@Shop.test ",
        first_name="Ava",
        last_name="Chen",
        points_balance=512,
        date_of_birth="1004-02-29",
        vip_status__vip_tier_id="2",
        vip_status__next_vip_tier_id="3",
        vip_status__delta_to_next_vip_tier=200.0,
        vip_status__delta_to_retain_vip_tier=40.0,
        vip_status__vip_tier_expires_at="2026-12-31 23:59:59+00",
    ),
    _smile("101", "zero@shop.test", points_balance=0),
    _smile("102", "candidate@shop.test", state="candidate", points_balance=700),
    _smile("103", "disabled@shop.test", state="disabled", points_balance=700),
    _smile("104", "paused@shop.test", state="paused", points_balance=700),
    _smile("105", None, points_balance=50),
    _smile("106", "", points_balance=50),
    _smile("107", "shared@shop.test", points_balance=10),
    _smile("108", "SHARED@shop.test", points_balance=900),
    _smile("109", "both@shop.test", points_balance=30),
    _smile("110", "left@shop.test", state="candidate", points_balance=0),
    _smile("111", "exact@shop.test", points_balance=500),
]

YOTPO_CUSTOMERS = [
    _yotpo(
        "Both@Shop.test",
        first_name="Bo",
        last_name="Berg",
        points_balance=455,
        points_earned=850,
        points_expire_at="2027-03-01 10:00:00+00",
        vip_tier_name="Silver",
        vip_tier_entry_date="2025-01-07 16:05:03+00",
        vip_tier_expiration="2026-12-31 23:59:59+00",
        total_purchases=8,
        total_spend_cents=251200,
        perks_redeemed=3,
        vip_tier_actions_completed=json.dumps(
            {"points_earned": 850, "amount_spent_cents": 251200, "purchases_made": 8}
        ),
        vip_tier_maintenance_requirements=json.dumps(
            {"points_needed": 0, "amount_cents_needed": 1000}
        ),
        vip_tier_upgrade_requirements=json.dumps(
            {"points_needed": 0, "amount_cents_needed": 10000}
        ),
        record_hash="h1",
    ),
    _yotpo("left@shop.test", points_balance=90, vip_tier_name="Gold"),
    _yotpo("guest@shop.test", opt_in=False, opted_in_at=None),
    _yotpo("élan@shop.test", points_balance=1, vip_tier_name="Élite & Co."),
]


def fill_shop(warehouse: Warehouse) -> None:
    """Put the shop's rows into the raw tables, as one complete extraction of everything."""
    warehouse.listed_in_full(
        "raw_smile",
        "customers",
        "points_transactions",
        "reward_fulfillments",
        "points_products",
        "vip_tiers",
        "earning_rules",
        "points_settings",
    )
    warehouse.listed_in_full(
        "raw_yotpo", "customers", "redemption_options", "campaigns", "vip_tiers"
    )
    warehouse.insert("raw_smile", "customers", *SMILE_CUSTOMERS)
    warehouse.insert("raw_yotpo", "customers", *YOTPO_CUSTOMERS)
    warehouse.insert(
        "raw_smile",
        "points_settings",
        {"id": "points_settings", "points_label__one": "Coin", "points_label__other": "Coins"},
    )
    warehouse.insert(
        "raw_smile",
        "vip_tiers",
        {"id": "2", "name": "Silver", "milestone": 250.0, "perks": "[]", "entry_rewards": "[]"},
        {
            "id": "3",
            "name": "Gold",
            "milestone": 500.0,
            "perks": '[{"name": "Early access"}]',
            "entry_rewards": "[]",
        },
        {"id": "1", "name": "Bronze", "milestone": 0.0, "perks": "[]", "entry_rewards": "[]"},
    )
    warehouse.insert(
        "raw_smile",
        "points_products",
        {"id": "9", "exchange_type": "fixed", "points_price": 500, "reward__name": "$5 off"},
        {
            "id": "10",
            "exchange_type": "fixed",
            "points_price": 100,
            "reward__name": "Free shipping",
        },
        {"id": "11", "exchange_type": "fixed", "points_price": 1000, "reward__name": "Mystery box"},
        {
            "id": "12",
            "exchange_type": "fixed",
            "points_price": None,
            "reward__name": "Not for sale",
        },
        {
            "id": "13",
            "exchange_type": "variable",
            "variable_points_step": 100,
            "variable_points_min": 150,
            "variable_points_step_reward_value": 1,
            "reward__name": "Order discount",
        },
    )
    warehouse.insert(
        "raw_smile",
        "earning_rules",
        {
            "id": "7",
            "name": "Place an order",
            "restricted_to_vip_tier_ids": "[2, 3]",
            "reward_value": '{"type": "variable", "variable": {"value": 5.0, "per_amount": 1.0}}',
        },
        {
            "id": "8",
            "name": "Sign up",
            "restricted_to_vip_tier_ids": "[]",
            "reward_value": '{"type": "fixed", "fixed": {"value": 1.0}}',
        },
    )
    warehouse.insert(
        "raw_smile",
        "points_transactions",
        {
            "id": "1",
            "customer_id": "100",
            "points_change": 700,
            "description": "Placed an order",
            "created_at": "2026-01-01 00:00:00+00",
        },
        {
            "id": "2",
            "customer_id": "100",
            "points_change": -200,
            "created_at": "2026-02-01 00:00:00+00",
            "description": "Spent points on reward - $5 off",
        },
        {
            "id": "3",
            "customer_id": "100",
            "points_change": 12,
            "description": "Points correction",
            "created_at": "2026-03-01 00:00:00+00",
        },
        {
            "id": "4",
            "customer_id": "111",
            "points_change": 499,
            "description": "Danced on a table",
            "created_at": "2026-03-01 00:00:00+00",
        },
        {
            "id": "5",
            "customer_id": "111",
            "points_change": -1,
            "description": "Fell off it",
            "created_at": "2026-03-02 00:00:00+00",
        },
    )
    coupon = {
        "fulfillment_status": "issued",
        "usage_status": "unused",
        "created_at": "2026-10-01 00:00:00+00",
    }
    warehouse.insert(
        "raw_smile",
        "reward_fulfillments",
        coupon | {"id": "1", "customer_id": "100", "name": "$5 off coupon", "code": "AVA-1"},
        coupon
        | {
            "id": "2",
            "customer_id": "100",
            "name": "Free shipping",
            "code": "AVA-2",
            "expires_at": "2026-11-22 23:59:59+00",
        },
        coupon | {"id": "3", "customer_id": "102", "name": "$5 off coupon", "code": "CANDIDATE"},
        coupon | {"id": "4", "customer_id": "103", "name": "$5 off coupon", "code": "DISABLED"},
        coupon | {"id": "5", "customer_id": "110", "name": "$5 off coupon", "code": "LEFT"},
    )
    warehouse.insert(
        "raw_yotpo",
        "vip_tiers",
        {
            "id": "1",
            "name": "Silver",
            "entry_threshold": '{"amount_spent_cents": 0}',
            "list_position": 1,
            "retain_threshold": '{"amount_spent_cents": 5000}',
        },
        {
            "id": "2",
            "name": "Gold",
            "entry_threshold": '{"amount_spent_cents": 20000}',
            "list_position": 2,
        },
    )
    warehouse.insert(
        "raw_yotpo",
        "redemption_options",
        {
            "id": "21",
            "name": "$15 off",
            "amount": 150,
            "discount_type": "fixed_amount",
            "discount_amount_cents": 1500,
        },
        {
            "id": "22",
            "name": "Welcome coupon",
            "amount": 0,
            "discount_type": "percentage",
            "discount_percentage": 10.0,
        },
        {
            "id": "23",
            "name": "Any amount",
            "amount": 0,
            "discount_type": "variable",
            "discount_rate_cents": 0.5,
        },
    )
    warehouse.insert(
        "raw_yotpo",
        "campaigns",
        {
            "id": "31",
            "title": "Make a Purchase",
            "details": "Earn 1 point per $1.",
            "reward_text": "1 Point per $1",
        },
        {"id": "32", "title": "Gone", "ends_at": "2026-11-21 06:00:00+00"},
    )
    details = {key: value for key, value in YOTPO_CUSTOMERS[0].items() if key != "record_hash"}
    warehouse.insert(
        "raw_yotpo",
        "customer_details",
        details
        | {
            "list_record_hash": "h1",
            "is_found": True,
            "credit_balance": "$4.55",
            "credit_balance_amount": Decimal("4.55"),
            "birthday_month": 5,
            "birth_day": 8,
            "birthday_year": 1990,
            "referral_link": '{"link": "rwrd.io/abc123"}',
            "next_points_expire_on": "2027-01-31",
            "next_points_expire_amount": 55,
        },
    )
    warehouse.insert(
        "raw_yotpo",
        "customer_anniversaries",
        {"email_key": "both@shop.test", "day": 29, "month": 2, "year": 2020, "is_found": True},
        {"email_key": "left@shop.test", "day": None, "is_found": False},
    )
    unreadable = {
        "resource": "customers",
        "record_id": "101",
        "column_name": "points_balance",
        "reason": "expected a whole number, got text",
        "payload": '{"id": 101, "email": "zero@shop.test", "points_balance": "many"}',
    }
    warehouse.insert(
        "raw_smile",
        "quarantine",
        unreadable | {"position": 0, "extract_id": 0, "seen_at": "2026-11-01 05:00:00+00"},
        unreadable | {"position": 0},
        unreadable | {"position": 1, "record_id": "102"},
    )
    item = {
        "email_key": "both@shop.test",
        "created_at": "2026-05-01 10:00:00+00",
        "order_ids": "[]",
    }
    warehouse.insert(
        "raw_yotpo",
        "history_items",
        item
        | {
            "history_item_id": "a",
            "action": "Make a Purchase",
            "points": 605,
            "status": "Approved",
        },
        item | {"history_item_id": "b", "action": "$15 off", "points": -150, "status": "CODE-15"},
        item
        | {"history_item_id": "c", "action": "Make a Purchase", "points": 99, "status": "Pending"},
        # brought by an older reading of the details: no longer part of the history
        item
        | {
            "history_item_id": "d",
            "action": "Old",
            "points": 1,
            "status": "Approved",
            "extract_id": 0,
        },
    )
