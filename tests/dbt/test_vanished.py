"""Ledger rows and coupons that a complete list no longer shows, alone and with their customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.dbt.test_shop import PROFILE
from tests.dbt.warehouse import Warehouse

SWEPT_AT = datetime.fromisoformat("2026-11-23 04:00:00")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A complete extraction on day 1, a quick one on day 2, and on day 3 all lists again."""
    warehouse = Warehouse(tmp_path_factory.mktemp("swept"))
    for day in (1, 3):
        warehouse.listed_in_full(
            "raw_smile", "customers", "points_transactions", "reward_fulfillments", extract_id=day
        )
    quick = {"extract_id": 2, "resource": "customers", "mode": "incremental"}
    warehouse.insert("raw_smile", "extracts", quick | {"started_at": "2026-11-22 04:00:00+00"})
    customer = {"state": "member", "has_vip_status": False}
    warehouse.insert(
        "raw_smile",
        "customers",
        customer | {"id": "1", "email": "ava@shop.test", "points_balance": 70, "extract_id": 3},
        customer | {"id": "2", "email": "gone@shop.test", "points_balance": 80, "extract_id": 2},
    )
    row = {"description": "Placed an order", "created_at": "2026-10-01 00:00:00+00"}
    spent = row | {"description": "Spent points on reward - $5 off"}
    warehouse.insert(
        "raw_smile",
        "points_transactions",
        row | {"id": "1", "customer_id": "1", "points_change": 100, "extract_id": 3},
        row | {"id": "2", "customer_id": "1", "points_change": 50},
        spent | {"id": "3", "customer_id": "1", "points_change": -30, "extract_id": 3},
        spent | {"id": "4", "customer_id": "1", "points_change": -50, "extract_id": 2},
        row | {"id": "5", "customer_id": "2", "points_change": 80},
    )
    coupon = {"customer_id": "1", "fulfillment_status": "issued", "usage_status": "unused"}
    warehouse.insert(
        "raw_smile",
        "reward_fulfillments",
        coupon | {"id": "1", "code": "TAKEN-BACK", "expires_at": "2026-11-30 00:00:00+00"},
        coupon | {"id": "2", "code": "USED", "usage_status": "used"},
        coupon | {"id": "3", "code": "STILL-THERE", "extract_id": 3},
        coupon | {"id": "4", "code": "OVER", "expires_at": "2026-11-22 00:00:00+00"},
        coupon | {"id": "5", "code": "GONE-WITH-HER", "customer_id": "2"},
    )
    warehouse.build(now="2026-11-23 06:00:00")
    return warehouse


def _listed(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in warehouse.rows(sql)]


def test_a_ledger_row_that_vanished_stays_and_is_marked(swept: Warehouse) -> None:
    assert _listed(
        swept,
        "select transaction_id, deleted_at from marts.fct_points_transactions "
        "order by transaction_id",
    ) == [("1", None), ("2", SWEPT_AT), ("3", None), ("4", SWEPT_AT), ("5", None)]


def test_it_counts_no_more_and_of_whoever_vanished_too_everything_does(swept: Warehouse) -> None:
    assert _listed(
        swept,
        "select member_id, lifetime_points_earned, lifetime_points_redeemed, deleted_at "
        "from marts.dim_members order by member_id",
    ) == [("1", 100, 30, None), ("2", 80, 0, SWEPT_AT)]
    assert swept.rows("select * from marts.audit_points_ledger") == []


def test_a_coupon_that_vanished_is_cancelled_unless_it_was_used_or_over(swept: Warehouse) -> None:
    assert _listed(
        swept, "select code, status, deleted_at from marts.fct_coupons order by coupon_id"
    ) == [
        ("TAKEN-BACK", "cancelled", SWEPT_AT),
        ("USED", "used", SWEPT_AT),
        ("STILL-THERE", "usable", None),
        ("OVER", "expired", SWEPT_AT),
        ("GONE-WITH-HER", "cancelled", SWEPT_AT),
    ]


def test_the_profile_offers_only_the_coupon_that_is_still_there(swept: Warehouse) -> None:
    profile = swept.row(PROFILE, "ava@shop.test")
    assert profile["loyalty_unused_coupons_count"] == 1
    assert profile["loyalty_unused_coupon_code"] == "STILL-THERE"
