"""A shop with one vendor only, and rows that the documentation allows but nobody expects."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.dbt.test_shop import PROFILE, SUBSCRIBER
from tests.dbt.warehouse import Warehouse

NBSP = "\u00a0"


def _customer(identifier: str, **columns: Any) -> dict[str, Any]:
    row = {
        "id": identifier,
        "email": f"{identifier}@shop.test",
        "state": "member",
        "points_balance": 0,
        "has_vip_status": False,
        "created_at": "2025-01-01 00:00:00+00",
        "updated_at": "2026-11-01 00:00:00+00",
    }
    return row | columns


@pytest.fixture(scope="module")
def smile_only(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Smile without a points programme any more, VIP on, and odd ids, prices and states."""
    warehouse = Warehouse(tmp_path_factory.mktemp("smile_only"))
    warehouse.listed_in_full("raw_smile", "customers", "points_transactions", "points_settings")
    warehouse.listed_in_full("raw_smile", "points_settings", extract_id=2)
    label = {"points_label__one": "Coin", "points_label__other": "Coins"}
    warehouse.insert("raw_smile", "points_settings", {"id": "points_settings", **label})
    warehouse.insert(
        "raw_smile",
        "customers",
        _customer("9", email=f"{NBSP} Blank@Shop.test\t{NBSP}", points_balance=500),
        _customer("10", email="blank@shop.test", points_balance=500),
        _customer("abc", points_balance=None, state=None),
        _customer("blank", email=f" {NBSP} "),
        _customer(
            "top",
            has_vip_status=True,
            vip_status__vip_tier_id="t2",
            vip_status__delta_to_next_vip_tier=0.0,
            vip_status__vip_tier_expires_at="2027-06-01 00:00:00+00",
        ),
        _customer(
            "base",
            has_vip_status=True,
            vip_status__vip_tier_id="t1",
            vip_status__next_vip_tier_id="t2",
            vip_status__delta_to_next_vip_tier=10.2,
        ),
    )
    warehouse.insert(
        "raw_smile",
        "vip_tiers",
        {"id": "t2", "name": "Top", "milestone": 250.5},
        {"id": "t1", "name": "Base", "milestone": 0.0},
    )
    product = {"exchange_type": "variable", "variable_points_step_reward_value": 1}
    warehouse.insert(
        "raw_smile",
        "points_products",
        product
        | {"id": "1", "variable_points_step": 0, "variable_points_max": 400, "reward__name": "Any"},
        product
        | {
            "id": "2",
            "variable_points_step": 100,
            "variable_points_min": 150,
            "variable_points_max": 199,
            "reward__name": "Never",
        },
        {"id": "30", "exchange_type": "fixed", "points_price": 400, "reward__name": "12.5% off"},
        {"id": "4", "exchange_type": "fixed", "points_price": 400, "reward__name": "$7.50 off"},
        {"id": "5", "exchange_type": "fixed", "points_price": 0, "reward__name": None},
        {"id": "6", "exchange_type": "auction", "points_price": None, "reward__name": "Bid"},
    )
    warehouse.insert(
        "raw_smile",
        "points_transactions",
        {"id": "1", "customer_id": None, "points_change": 7, "created_at": "2026-01-01 00:00:00Z"},
        {"id": "2", "customer_id": "vanished", "points_change": None},
    )
    warehouse.insert(
        "raw_smile",
        "reward_fulfillments",
        {"id": "1", "customer_id": None, "fulfillment_status": "lost", "usage_status": None},
    )
    warehouse.build()
    return warehouse


def _yotpo_customer(name: str, **columns: Any) -> dict[str, Any]:
    row = {
        "email_key": f"{name}@shop.test",
        "email": f"{name}@shop.test",
        "points_balance": 0,
        "points_earned": 0,
        "opt_in": True,
        "record_hash": name,
    }
    return row | columns


@pytest.fixture(scope="module")
def yotpo_only(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Yotpo with tiers by different units, a rate of fractions of a cent and nameless friends."""
    warehouse = Warehouse(tmp_path_factory.mktemp("yotpo_only"))
    warehouse.listed_in_full("raw_yotpo", "customers", "redemption_options", "vip_tiers")
    needed = {"points_needed": 0, "amount_cents_needed": 250, "purchases_needed": 0}
    ava = _yotpo_customer(
        "ava",
        points_balance=1000,
        opted_in_at="2022-02-01T23:30:00-02:00",
        vip_tier_name="insider",
        vip_tier_upgrade_requirements=json.dumps(needed),
        vip_tier_maintenance_requirements=json.dumps(needed | {"amount_cents_needed": 0}),
        vip_tier_actions_completed=json.dumps({"points_earned": 5, "referrals_completed": None}),
    )
    warehouse.insert(
        "raw_yotpo",
        "customers",
        ava,
        _yotpo_customer("left", opt_in=False, opted_in_at="2022-02-01"),
        _yotpo_customer("lost", opt_in=None),
    )
    details = {name: value for name, value in ava.items() if name != "record_hash"}
    found = {"list_record_hash": "ava", "is_found": True, "referral_link": '{"link": ""}'}
    warehouse.insert("raw_yotpo", "customer_details", details | found)
    item = {"email_key": "ava@shop.test", "created_at": "2026-05-01 10:00:00+00"}
    for number, (points, status) in enumerate(
        [(1100, "Approved"), (40, "50% complete"), (30, "25%"), (-100, "10%OFF")]
    ):
        identity = {"history_item_id": str(number), "points": points, "status": status}
        warehouse.insert("raw_yotpo", "history_items", item | identity | {"action": "Something"})
    warehouse.insert(
        "raw_yotpo",
        "completed_referrals",
        *(
            {"email_key": "ava@shop.test", "friend_email": friend}
            for friend in (None, None, "", "Bo@Shop.test", "bo@shop.test ")
        ),
    )
    warehouse.insert(
        "raw_yotpo",
        "vip_tiers",
        {"id": "1", "name": "Member", "list_position": 1, "entry_threshold": "{}"},
        {
            "id": "2",
            "name": "Insider",
            "list_position": 2,
            "entry_threshold": '{"points_earned": 500}',
        },
        {
            "id": "3",
            "name": "Icon",
            "list_position": 3,
            "entry_threshold": '{"points_earned": 0, "amount_spent_cents": 20000}',
        },
    )
    warehouse.insert(
        "raw_yotpo",
        "redemption_options",
        {"id": "1", "name": "Any", "discount_type": "variable", "discount_rate_cents": 0.333333},
        {"id": "2", "name": "No rate", "discount_type": "variable", "discount_rate_cents": 0.0},
    )
    warehouse.build()
    return warehouse


def test_smile_alone_builds_and_publishes_nothing_of_yotpo(smile_only: Warehouse) -> None:
    assert smile_only.rows("select distinct program from marts.dim_members") == [
        {"program": "smile"}
    ]
    profile = smile_only.row(PROFILE, "blank@shop.test")
    assert profile["loyalty_program"] == "smile"
    assert profile["loyalty_opt_in"] is None
    assert smile_only.row(SUBSCRIBER, "blank@shop.test")["yotpo_is_member"] is None


def test_any_blank_around_an_email_is_trimmed_and_the_lower_number_speaks(
    smile_only: Warehouse,
) -> None:
    conflicts = smile_only.rows("select member_id, speaker_member_id from sync.conflicts")
    assert conflicts == [{"member_id": "10", "speaker_member_id": "9"}]
    nobody = smile_only.row("select email from marts.dim_members where member_id = 'blank'")
    assert nobody == {"email": None}


def test_a_points_label_that_is_gone_from_the_settings_is_not_used_any_more(
    smile_only: Warehouse,
) -> None:
    profile = smile_only.row(PROFILE, "blank@shop.test")
    assert profile["loyalty_headline"] == "Redeem 400 points for $7.50 off"
    assert profile["loyalty_available_rewards"] == ["$7.50 off", "12.5% off", "Any", None]


def test_in_the_highest_tier_nothing_is_left_to_reach(smile_only: Warehouse) -> None:
    query = "select points_to_next_tier, points_to_keep_tier from marts.fct_member_tiers"
    assert smile_only.row(f"{query} where member_id = 'top'") == {
        "points_to_next_tier": None,
        "points_to_keep_tier": 0,
    }
    assert smile_only.row(f"{query} where member_id = 'base'") == {
        "points_to_next_tier": 11,
        "points_to_keep_tier": None,
    }


def test_rewards_keep_decimals_of_percent_and_money_and_impossible_ranges_are_not_bought(
    smile_only: Warehouse,
) -> None:
    rows = smile_only.rows(
        "select reward_id, discount_type, discount_value, is_buyable from marts.dim_rewards "
        "order by cast(reward_id as integer)"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1", "variable_amount", None, True),
        ("2", "variable_amount", None, False),
        ("4", "fixed_amount", Decimal("7.50"), True),
        ("5", "unknown", None, True),
        ("6", "unknown", None, False),
        ("30", "percentage", Decimal("12.50"), True),
    ]
    value = smile_only.row(
        "select affordable_points, affordable_value, currency from marts.fct_reward_eligibility "
        "where member_id = '9' and reward_id = '1'"
    )
    assert value == {"affordable_points": 400, "affordable_value": 400, "currency": "USD"}


def test_ledger_rows_and_coupons_of_nobody_are_kept(smile_only: Warehouse) -> None:
    rows = smile_only.rows(
        "select transaction_id, member_id, transaction_kind from marts.fct_points_transactions "
        "order by transaction_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1", None, "earn"),
        ("2", "vanished", "adjust"),
    ]
    assert smile_only.row("select status from marts.fct_coupons") == {"status": "pending"}


def test_a_state_that_is_not_known_is_reported_and_stops_nothing(smile_only: Warehouse) -> None:
    member = smile_only.row(
        "select membership, hub_state from marts.dim_members where member_id = 'abc'"
    )
    assert member == {"membership": "unknown", "hub_state": "hidden"}
    said = smile_only.dbt("test", "--select", "dim_members_every_state_is_known")
    assert "WARN 1 dim_members_every_state_is_known" in said


def test_yotpo_alone_builds_and_fills_its_own_fields(yotpo_only: Warehouse) -> None:
    ava = yotpo_only.row(SUBSCRIBER, "ava@shop.test")
    assert ava["yotpo_is_member"] is True
    assert ava["yotpo_opt_in"] is True
    assert ava["yotpo_opt_in_date"] == datetime.fromisoformat("2022-02-02 01:30:00")
    assert ava["yotpo_tier_stats_current_points"] == 5
    assert ava["yotpo_tier_stats_current_referrals"] is None
    assert ava["yotpo_tier_stats_needed_next_amount_cents"] == 250
    assert ava["yotpo_tier_stats_needed_maintain_amount_cents"] == 0
    assert yotpo_only.row(PROFILE, "ava@shop.test")["smile_state"] is None


@pytest.mark.parametrize("who", ["left", "lost"])
def test_whoever_is_not_opted_in_is_no_member_and_has_no_other_yotpo_field(
    yotpo_only: Warehouse, who: str
) -> None:
    row = yotpo_only.row(SUBSCRIBER, f"{who}@shop.test")
    filled = {name: value for name, value in row.items() if value is not None}
    assert filled == {
        "email": f"{who}@shop.test",
        "may_create_profile": False,
        "yotpo_is_member": False,
        "tags": [],
    }


def test_tiers_that_count_different_things_rank_as_the_vendor_lists_them(
    yotpo_only: Warehouse,
) -> None:
    rows = yotpo_only.rows(
        "select tier_name, entry_basis, entry_threshold from marts.dim_tiers order by tier_rank"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("Member", "mixed", None),
        ("Insider", "points", Decimal("500.00")),
        ("Icon", "amount", Decimal("200.00")),
    ]
    progress = yotpo_only.row(
        "select next_tier_id, points_to_next_tier, amount_to_next_tier, amount_to_keep_tier "
        "from marts.fct_member_tiers where member_id = 'ava@shop.test'"
    )
    assert progress == {
        "next_tier_id": "3",
        "points_to_next_tier": None,
        "amount_to_next_tier": Decimal("2.50"),
        "amount_to_keep_tier": None,
    }


def test_a_percentage_of_completion_is_no_ledger_row_and_a_code_with_percent_is_one(
    yotpo_only: Warehouse,
) -> None:
    rows = yotpo_only.rows(
        "select transaction_id, transaction_kind, coupon_code from marts.fct_points_transactions "
        "order by transaction_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("0", "earn", None),
        ("3", "redeem", "10%OFF"),
    ]
    assert yotpo_only.rows("select * from marts.audit_points_ledger") == []


def test_the_value_of_points_worth_a_fraction_of_a_cent_is_not_rounded(
    yotpo_only: Warehouse,
) -> None:
    row = yotpo_only.row("select * from marts.fct_reward_eligibility where member_id like 'ava%'")
    assert (row["affordable_points"], row["affordable_value"]) == (1000, Decimal("3.33333000"))
    assert row["reward_id"] == "1"


def test_friends_without_a_name_and_an_empty_link_stop_nothing(yotpo_only: Warehouse) -> None:
    friends = yotpo_only.rows(
        "select friend_email, count(*) as n from staging.stg_yotpo__completed_referrals "
        "group by all order by all nulls last"
    )
    assert friends == [{"friend_email": "bo@shop.test", "n": 1}, {"friend_email": None, "n": 3}]
    link = yotpo_only.row("select referral_url from marts.dim_members where member_id like 'ava%'")
    assert link == {"referral_url": None}
