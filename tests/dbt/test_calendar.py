"""What a day changes without any member acting, and what a vanished record leaves behind."""

from __future__ import annotations

import shutil
from datetime import datetime

import pytest

from tests.dbt.test_shop import PROFILE, SUBSCRIBER, filled
from tests.dbt.warehouse import Warehouse


@pytest.fixture(scope="module")
def next_day(shop: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two days later: one member has reached Gold, one is gone, one reward has ended."""
    folder = tmp_path_factory.mktemp("next_day") / "home"
    shutil.copytree(shop.folder, folder)
    warehouse = Warehouse(folder)
    warehouse.listed_in_full("raw_smile", "customers", "points_products", extract_id=2)
    warehouse.execute(
        "update raw_smile.customers set extract_id = 2, "
        "seen_at = '2026-11-23 05:00:00+00' where id <> '111'"
    )
    warehouse.execute(
        "update raw_smile.customers set vip_status__vip_tier_id = '3' where id = '100'"
    )
    warehouse.execute(
        "update raw_smile.points_products set extract_id = 2, "
        "seen_at = '2026-11-23 05:00:00+00' where id <> '10'"
    )
    warehouse.build(now="2026-11-23 06:00:00")
    return warehouse


def test_a_coupon_past_its_date_expires_and_leaves_the_profile(next_day: Warehouse) -> None:
    assert next_day.row("select status from marts.fct_coupons where code = 'AVA-2'") == {
        "status": "expired"
    }
    profile = next_day.row(PROFILE, "ava@shop.test")
    assert profile["loyalty_unused_coupon_code"] == "AVA-1"
    assert profile["loyalty_unused_coupon_expires_at"] is None
    assert profile["loyalty_unused_coupons_count"] == 1


def test_a_vanished_customer_is_hidden_and_every_property_is_cleared(next_day: Warehouse) -> None:
    member = next_day.row("select * from marts.dim_members where member_id = '111'")
    assert member["is_deleted"] is True
    assert member["deleted_at"] == datetime.fromisoformat("2026-11-22 04:00:00")
    assert member["hub_state"] == "hidden"
    for table in ("fct_reward_eligibility", "fct_member_rewards", "fct_member_tiers"):
        assert next_day.rows(f"select * from marts.{table} where member_id = '111'") == []
    profile = next_day.row(PROFILE, "exact@shop.test")
    assert profile["may_create_profile"] is False
    assert filled(profile, "smile_", "loyalty_", "swell_") == {}
    assert next_day.row(SUBSCRIBER, "exact@shop.test")["tags"] == []
    history = next_day.rows("select * from marts.fct_points_transactions where member_id = '111'")
    assert len(history) == 2


def test_a_reward_that_ended_stays_known_but_nobody_can_have_it(next_day: Warehouse) -> None:
    reward = next_day.row("select * from marts.dim_rewards where reward_id = '10'")
    assert reward["is_active"] is False
    assert reward["first_seen_at"] == datetime.fromisoformat("2026-11-21 05:00:00")
    assert reward["last_seen_at"] == datetime.fromisoformat("2026-11-21 05:00:00")
    assert next_day.rows("select * from marts.fct_reward_eligibility where reward_id = '10'") == []


def test_a_tier_is_entered_with_the_first_snapshot_that_showed_it(next_day: Warehouse) -> None:
    member = next_day.row(
        "select tier_name, tier_entered_at from marts.dim_members where member_id = '100'"
    )
    assert member == {
        "tier_name": "Gold",
        "tier_entered_at": datetime.fromisoformat("2026-11-23 05:00:00"),
    }
    history = next_day.rows(
        "select tier_id, dbt_valid_from, dbt_valid_to from snapshots.smile_member_tiers "
        "where member_id = '100' order by dbt_valid_from"
    )
    assert [(row["tier_id"], row["dbt_valid_to"]) for row in history] == [
        ("2", datetime.fromisoformat("2026-11-23 05:00:00")),
        ("3", None),
    ]
