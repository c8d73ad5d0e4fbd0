"""The raw tables as extraction leaves them, for tests that start from rows.

Owns one declaration (`RAW_TABLES`: schema -> table -> column -> DuckDB type) and the two
functions that use it. It must not know any model. `create_raw_tables` makes all of them empty;
`insert` adds rows given as dicts, absent columns null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

TEXT, INTEGER, MOMENT, NUMBER, FLAG = "varchar", "bigint", "timestamptz", "double", "boolean"
MONEY = "decimal(18,2)"


def _columns(text: str = "", **others: str) -> dict[str, str]:
    """Columns of type text from a blank-separated list, followed by `name=type` ones."""
    return dict.fromkeys(text.split(), TEXT) | others


def _moments(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, MOMENT)


_EXTRACTS = {
    "resource": TEXT,
    "mode": TEXT,
    **_moments("started_at", "finished_at"),
    "row_count": INTEGER,
}
_QUARANTINE = {
    "resource": TEXT,
    "position": INTEGER,
    **_columns("record_id column_name reason"),
    "payload": "json",
}
_WEBHOOK = {
    **_columns("delivery_id topic name email event_header segment"),
    **_moments("received_at", "occurred_at"),
    "payload": "json",
}
_YOTPO_CUSTOMER = {
    **_columns("email_key email first_name last_name phone_number"),
    "points_balance": INTEGER,
    "points_earned": INTEGER,
    "points_expire_at": MOMENT,
    "perks_redeemed": INTEGER,
    "total_purchases": INTEGER,
    "total_spend_cents": INTEGER,
    **_moments("last_purchase_at", "last_seen_at"),
    **_columns("third_party_id thirty_party_id pos_account_id"),
    "has_store_account": FLAG,
    "opt_in": FLAG,
    "opted_in_at": TEXT,
    "birth_day": INTEGER,
    "birthday_month": INTEGER,
    "vip_tier_name": TEXT,
    **_moments("vip_tier_entry_date", "vip_tier_expiration"),
    "vip_tier_actions_completed": "json",
    "vip_tier_maintenance_requirements": "json",
    "vip_tier_upgrade_requirements": "json",
}

RAW_TABLES: dict[str, dict[str, dict[str, str]]] = {
    "raw_smile": {
        "customers": {
            **_columns("id first_name last_name email state date_of_birth"),
            "points_balance": INTEGER,
            **_columns("referral_url vip_tier_id"),
            "has_vip_status": FLAG,
            "vip_status__vip_tier_id": TEXT,
            "vip_status__vip_tier_expires_at": MOMENT,
            "vip_status__progress_value": NUMBER,
            "vip_status__current_vip_period_end": MOMENT,
            "vip_status__delta_to_retain_vip_tier": NUMBER,
            "vip_status__next_vip_tier_id": TEXT,
            "vip_status__delta_to_next_vip_tier": NUMBER,
            **_moments("created_at", "updated_at"),
        },
        "points_transactions": {
            **_columns("id customer_id"),
            "points_change": INTEGER,
            **_columns("description internal_note"),
            **_moments("created_at", "updated_at"),
        },
        "reward_fulfillments": {
            **_columns(
                "id name code customer_id fulfillment_status image_url action_text action_url "
                "usage_instructions terms_and_conditions usage_status"
            ),
            **_moments("expires_at", "used_at", "created_at", "updated_at"),
        },
        "points_products": {
            **_columns("id exchange_type exchange_description"),
            "points_price": INTEGER,
            "variable_points_step": INTEGER,
            "variable_points_step_reward_value": INTEGER,
            "variable_points_min": INTEGER,
            "variable_points_max": INTEGER,
            **_columns("reward__id reward__name reward__description reward__image_url"),
            **_moments("reward__created_at", "reward__updated_at", "created_at", "updated_at"),
        },
        "vip_tiers": {
            **_columns("id name image_url"),
            "milestone": NUMBER,
            "perks": "json",
            "entry_rewards": "json",
        },
        "earning_rules": {
            **_columns("id name image_url action_text action_url"),
            "restricted_to_vip_tier_ids": "json",
            "reward": "json",
            "reward_value": "json",
            "earning_limit": "json",
        },
        "points_settings": _columns("id points_label__one points_label__other"),
        "extracts": _EXTRACTS,
        "quarantine": _QUARANTINE,
        "webhook_events": {**_WEBHOOK, "customer_id": TEXT},
    },
    "raw_yotpo": {
        "customers": {**_YOTPO_CUSTOMER, "record_hash": TEXT},
        "customer_details": {
            **_YOTPO_CUSTOMER,
            **_columns("list_record_hash credit_balance credit_balance_in_customer_currency"),
            "next_points_expire_on": "date",
            "next_points_expire_amount": INTEGER,
            "birthday_year": INTEGER,
            "referral_code": "json",
            "referral_link": "json",
            "is_found": FLAG,
            "credit_balance_amount": MONEY,
        },
        "customer_anniversaries": {
            "email_key": TEXT,
            **dict.fromkeys(("day", "month", "year"), INTEGER),
            "is_found": FLAG,
        },
        "history_items": {
            **_columns("email_key history_item_id"),
            "occurrence": INTEGER,
            "created_at": MOMENT,
            "date": "date",
            "completed_at": MOMENT,
            **_columns("action action_name"),
            "points": INTEGER,
            **_columns("credits status"),
            "order_ids": "json",
        },
        "completed_referrals": {
            **_columns("email_key friend_email first_name last_name"),
            "referral_points_contributed": INTEGER,
            "last_seen_at": MOMENT,
            **_columns("reward_type referral_status"),
        },
        "redemption_options": {
            **_columns("id name description unrendered_name unrendered_description icon cost_text"),
            "amount": INTEGER,
            **_columns("type discount_type"),
            "discount_amount_cents": INTEGER,
            "discount_percentage": NUMBER,
            "discount_rate_cents": NUMBER,
            "discount_value_cents": INTEGER,
            **_columns("applies_to_product_type duration cart_greater_than discount_with_currency"),
            "variant_id": TEXT,
            "quantity": INTEGER,
        },
        "campaigns": {
            **_columns("id title details type cta_text icon reward_text url"),
            **_moments("expires_at", "ends_at"),
            "max_completions_per_user": INTEGER,
            "min_actions_required": INTEGER,
            "display_order": INTEGER,
            "action_name": TEXT,
            **_moments("created_at", "updated_at"),
        },
        "vip_tiers": {
            **_columns("id name description type points_multiplier"),
            "points_reward": INTEGER,
            "coupon_reward": TEXT,
            "entry_threshold": "json",
            "retain_threshold": "json",
            "regain_threshold": "json",
            "list_position": INTEGER,
        },
        "extracts": _EXTRACTS,
        "quarantine": _QUARANTINE,
        "webhook_events": {**_WEBHOOK, **_columns("customer_email friend_email")},
    },
}

_EVERY_TABLE = {"program": TEXT, "extract_id": INTEGER, "seen_at": MOMENT}


def columns_of(schema: str, table: str) -> dict[str, str]:
    """Column -> DuckDB type of one raw table, the columns that all of them share included."""
    shared = dict(_EVERY_TABLE)
    if table == "extracts":
        del shared["seen_at"]
    return shared | RAW_TABLES[schema][table]


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every raw table, empty."""
    for schema, tables in RAW_TABLES.items():
        connection.execute(f"create schema if not exists {schema}")
        for table in tables:
            columns = ", ".join(
                f'"{name}" {kind}' for name, kind in columns_of(schema, table).items()
            )
            connection.execute(f"create table {schema}.{table} ({columns})")


def insert(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    rows: Iterable[Mapping[str, Any]],
) -> None:
    """Add rows; an unknown column is an error, an absent one is null."""
    known = columns_of(schema, table)
    for row in rows:
        unknown = set(row) - set(known)
        if unknown:
            raise ValueError(f"{schema}.{table} has no column {sorted(unknown)}")
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        connection.execute(
            f"insert into {schema}.{table} ({names}) values ({marks})", list(row.values())
        )
