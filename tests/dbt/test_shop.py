"""What a small shop's rows become: marts and profiles, person by person."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from reverse_etl.ledger_export import EXPORTS
from tests.dbt.warehouse import PROJECT, Warehouse

PROFILE = "select * from activation.sync_klaviyo__profiles where email = ?"
SUBSCRIBER = "select * from activation.sync_rule__subscribers where email = ?"


AVAS_SEGMENTS = [
    "coupon-expiring-soon",
    "lapsed-with-balance",
    "no-second-order",
    "one-order-from-next-reward",
    "one-order-from-next-tier",
    "tier-at-risk",
    "unused-coupon",
]


def filled(row: dict[str, Any], *prefixes: str) -> dict[str, Any]:
    """The columns with one of the prefixes that have a value."""
    return {
        name: value
        for name, value in row.items()
        if name.startswith(prefixes) and value is not None
    }


def test_a_build_without_any_row_succeeds_and_makes_every_table(empty_warehouse: Warehouse) -> None:
    tables = empty_warehouse.rows(
        "select table_name as name from information_schema.tables "
        "where table_schema in ('marts', 'activation', 'sync')"
    )
    declared = {
        path.stem
        for folder in ("marts", "activation")
        for path in (PROJECT / "models" / folder).rglob("*.sql")
    }
    assert {table["name"] for table in tables} == declared | EXPORTS.keys()
    assert empty_warehouse.rows("select * from activation.sync_klaviyo__profiles") == []


def test_a_member_arrives_with_everything(shop: Warehouse) -> None:
    profile = shop.row(PROFILE, "ava@shop.test")
    assert filled(profile, "smile_", "loyalty_", "swell_", "may") == {
        "may_create_profile": True,
        "smile_points_balance": 512,
        "smile_referral_url": "https://i.refs.cc/100",
        "smile_vip_tier_name": "Silver",
        "smile_vip_tier_id": 2,
        "smile_state": "member",
        "loyalty_program": "smile",
        "loyalty_points_balance": 512,
        "loyalty_best_reward_name": "$5 off",
        "loyalty_best_reward_points": 500,
        "loyalty_next_reward_name": "Mystery box",
        "loyalty_next_reward_points": 1000,
        "loyalty_points_to_next_reward": 488,
        "loyalty_next_reward_progress": 51,
        "loyalty_available_rewards": ["$5 off", "Order discount", "Free shipping"],
        "loyalty_available_rewards_count": 3,
        "loyalty_headline": "Redeem 500 Coins for $5 off",
        "loyalty_tier_name": "Silver",
        "loyalty_next_tier_name": "Gold",
        "loyalty_points_to_next_tier": 200,
        "loyalty_tier_expires_at": datetime.fromisoformat("2026-12-31 23:59:59"),
        "loyalty_tier_at_risk": True,
        "loyalty_unused_coupons_count": 2,
        "loyalty_unused_coupon_code": "AVA-2",
        "loyalty_unused_coupon_expires_at": datetime.fromisoformat("2026-11-22 23:59:59"),
        "loyalty_referral_url": "https://i.refs.cc/100",
        "loyalty_segments": AVAS_SEGMENTS,
        "loyalty_synced_at": datetime.fromisoformat("2026-11-21 06:00:00"),
    }


def test_zero_is_a_value_and_an_empty_list_too(shop: Warehouse) -> None:
    profile = shop.row(PROFILE, "zero@shop.test")
    assert profile["loyalty_points_balance"] == 0
    assert profile["smile_points_balance"] == 0
    assert profile["loyalty_available_rewards"] == []
    assert profile["loyalty_available_rewards_count"] == 0
    assert profile["loyalty_unused_coupons_count"] == 0
    assert profile["loyalty_next_reward_progress"] == 0
    assert profile["loyalty_headline"] == "Earn 100 more Coins for Free shipping"


def test_a_balance_equal_to_the_price_is_eligible_with_nothing_needed(shop: Warehouse) -> None:
    row = shop.row(
        "select * from marts.fct_reward_eligibility where member_id = '111' and reward_id = '9'"
    )
    assert (row["is_eligible"], row["points_needed"], row["progress_ratio"]) == (
        True,
        0,
        Decimal("1.0000"),
    )
    assert row["affordable_value"] == Decimal("5.0000")


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        (
            "candidate@shop.test",
            {
                "smile_state": "candidate",
                "loyalty_unused_coupons_count": 1,
                "loyalty_unused_coupon_code": "CANDIDATE",
            },
        ),
        ("disabled@shop.test", {"smile_state": "disabled"}),
        ("paused@shop.test", {"smile_state": "paused"}),
        ("guest@shop.test", {"loyalty_opt_in": False}),
    ],
)
def test_whoever_is_no_member_keeps_the_state_and_at_most_the_coupons(
    shop: Warehouse, email: str, expected: dict[str, Any]
) -> None:
    profile = shop.row(PROFILE, email)
    assert filled(profile, "smile_", "loyalty_", "swell_") == expected
    assert profile["may_create_profile"] is False
    subscriber = shop.row(SUBSCRIBER, email)
    assert subscriber["tags"] == []
    assert filled(subscriber, "subscriber_") == {}


def test_a_member_without_an_email_is_counted_but_has_no_profile(shop: Warehouse) -> None:
    assert shop.row("select count(*) as n from marts.dim_members where email is null") == {"n": 2}
    assert shop.row(
        "select count(*) as n from activation.sync_klaviyo__profiles "
        "where email is null or email = ''"
    ) == {"n": 0}


def test_the_higher_balance_speaks_for_a_shared_email_and_the_other_is_listed(
    shop: Warehouse,
) -> None:
    assert shop.row(PROFILE, "shared@shop.test")["loyalty_points_balance"] == 900
    assert shop.rows("select * from sync.conflicts") == [
        {
            "program": "smile",
            "email": "shared@shop.test",
            "member_id": "107",
            "speaker_member_id": "108",
            "reason": "speaker_has_higher_balance",
        }
    ]


def test_both_programmes_fill_their_own_names_and_the_first_one_the_common_ones(
    shop: Warehouse,
) -> None:
    profile = shop.row(PROFILE, "both@shop.test")
    assert profile["loyalty_program"] == "smile"
    assert profile["loyalty_points_balance"] == 30
    assert filled(
        profile, "swell_", "loyalty_opt", "loyalty_nt", "loyalty_mt", "loyalty_next_points"
    ) == {
        "swell_point_balance": 455,
        "swell_points_earned": 850,
        "swell_points_expire_at": "2027-03-01T10:00:00Z",
        "swell_credit_balance": "$4.55",
        "swell_has_account": True,
        "swell_name": "Bo Berg",
        "swell_first_name": "Bo",
        "swell_last_name": "Berg",
        "swell_vip_tier_name": "Silver",
        "swell_vip_tier_ends_at": date(2026, 12, 31),
        "swell_vt_ends_at_date": date(2026, 12, 31),
        "swell_referral_link": "https://rwrd.io/abc123",
        "swell_tier_points_earned": 850,
        "swell_tier_points_needed": 0,
        "swell_tier_amount_spent_cents": 251200,
        "swell_tier_amount_spend_needed_cents": 10000,
        "swell_tier_amount_spent": "$2512.00",
        "swell_tier_amount_spend_needed": "$100.00",
        "swell_tier_purchases_made": 8,
        "swell_birth_month": 5,
        "loyalty_opt_in": True,
        "loyalty_opt_in_date": date(2025, 3, 24),
        "loyalty_next_points_expire_on": date(2027, 1, 31),
        "loyalty_next_points_expire_amount": 55,
        "loyalty_nt_points": 0,
        "loyalty_nt_amount_cents": 10000,
        "loyalty_mt_points": 0,
        "loyalty_mt_amount_cents": 1000,
    }


def test_the_common_names_come_from_a_programme_in_which_the_person_is_a_member(
    shop: Warehouse,
) -> None:
    profile = shop.row(PROFILE, "left@shop.test")
    assert profile["smile_state"] == "candidate"
    assert profile["smile_points_balance"] is None
    assert profile["loyalty_program"] == "yotpo"
    assert profile["loyalty_points_balance"] == 90
    # a member somewhere sees that programme's coupons only
    assert profile["loyalty_unused_coupons_count"] == 0
    assert profile["loyalty_unused_coupon_code"] is None


def test_rule_gets_tags_for_membership_and_tier(shop: Warehouse) -> None:
    assert shop.row(SUBSCRIBER, "ava@shop.test")["tags"] == [
        "loyalty-member",
        "loyalty-tier-silver",
        *(f"loyalty-segment-{name}" for name in AVAS_SEGMENTS),
    ]
    assert shop.row(SUBSCRIBER, "zero@shop.test")["tags"] == [
        "loyalty-member",
        "loyalty-segment-never-earned",
    ]
    assert shop.row(SUBSCRIBER, "élan@shop.test")["tags"] == [
        "loyalty-member",
        "loyalty-tier-élite-co",
        "loyalty-segment-active-members",
    ]


def test_whoever_is_no_member_is_in_no_segment_and_has_no_list(shop: Warehouse) -> None:
    for email in ("candidate@shop.test", "disabled@shop.test", "guest@shop.test"):
        assert shop.row(PROFILE, email)["loyalty_segments"] is None
        assert shop.row(SUBSCRIBER, email)["loyalty_segments"] is None
        assert shop.row(SUBSCRIBER, email)["tags"] == []


def test_the_segments_are_those_of_the_programme_that_speaks(shop: Warehouse) -> None:
    speaking = shop.rows(
        "select segment from marts.fct_member_segments "
        "where program = 'smile' and member_id = '109' order by segment"
    )
    profile = shop.row(PROFILE, "both@shop.test")
    assert profile["loyalty_program"] == "smile"
    assert profile["loyalty_segments"] == [row["segment"] for row in speaking]


def test_rule_gets_yotpo_fields_and_no_birthday_without_a_year(shop: Warehouse) -> None:
    both = shop.row(SUBSCRIBER, "both@shop.test")
    found = filled(both, "yotpo_")
    expected = {
        "yotpo_total_spend_cents": 251200,
        "yotpo_total_purchases": 8,
        "yotpo_perks_redeemed": 3,
        "yotpo_points_earned": 850,
        "yotpo_points_balance": 455,
        "yotpo_points_expire_at": datetime.fromisoformat("2027-03-01 10:00:00"),
        "yotpo_last_seen_at": datetime.fromisoformat("2026-11-10 18:41:13"),
        "yotpo_is_member": True,
        "yotpo_opt_in": True,
        "yotpo_opt_in_date": datetime.fromisoformat("2025-03-24 00:00:00"),
        "yotpo_tier_stats_current_points": 850,
        "yotpo_tier_stats_current_amount_cents": 251200,
    }
    assert {name: found[name] for name in expected} == expected
    assert all(name.startswith("yotpo_tier_stats_") for name in set(found) - set(expected))
    ava = shop.row(SUBSCRIBER, "ava@shop.test")
    assert filled(ava, "subscriber_") == {
        "subscriber_first_name": "Ava",
        "subscriber_last_name": "Chen",
    }
    assert shop.row(SUBSCRIBER, "guest@shop.test")["yotpo_is_member"] is False


def test_the_yotpo_ledger_is_the_history_of_the_latest_reading(shop: Warehouse) -> None:
    rows = shop.rows(
        "select transaction_id, points_change, transaction_kind, is_order_earn, coupon_code "
        "from marts.fct_points_transactions where program = 'yotpo' order by 1"
    )
    assert rows == [
        {
            "transaction_id": "a",
            "points_change": 605,
            "transaction_kind": "earn",
            "is_order_earn": True,
            "coupon_code": None,
        },
        {
            "transaction_id": "b",
            "points_change": -150,
            "transaction_kind": "redeem",
            "is_order_earn": False,
            "coupon_code": "CODE-15",
        },
    ]
    coupon = shop.row(
        "select code, status, value_amount from marts.fct_coupons where program = 'yotpo'"
    )
    assert coupon == {"code": "CODE-15", "status": "untracked", "value_amount": Decimal("15.00")}


def test_unknown_ledger_texts_go_by_sign_and_are_listed(shop: Warehouse) -> None:
    assert shop.rows("select * from marts.audit_points_descriptions order by description") == [
        {
            "program": "smile",
            "description": "Danced on a table",
            "transaction_kind": "earn",
            "transaction_count": 1,
            "net_points": 499,
        },
        {
            "program": "smile",
            "description": "Fell off it",
            "transaction_kind": "adjust",
            "transaction_count": 1,
            "net_points": -1,
        },
    ]


def test_the_ledger_audit_lists_members_whose_history_is_known_and_does_not_tie(
    shop: Warehouse,
) -> None:
    differences = {
        row["member_id"]: row["difference_points"]
        for row in shop.rows("select * from marts.audit_points_ledger where program = 'smile'")
    }
    assert "100" not in differences  # 700 - 200 + 12 = 512
    assert differences["111"] == 2
    # of the Yotpo members only one has had the details read, and that one ties
    assert shop.rows("select * from marts.audit_points_ledger where program = 'yotpo'") == []


def test_values_set_aside_are_counted_without_the_records_they_came_in(shop: Warehouse) -> None:
    assert shop.rows("select * from marts.audit_quarantined_values") == [
        {
            "program": "smile",
            "resource": "customers",
            "column_name": "points_balance",
            "reason": "expected a whole number, got text",
            "value_count": 3,
            "record_count": 2,
            "first_seen_at": datetime.fromisoformat("2026-11-01 05:00:00"),
            "last_seen_at": datetime.fromisoformat("2026-11-21 05:00:00"),
        }
    ]


@pytest.mark.parametrize(
    ("now", "said"), [("2026-11-29 04:59:59", "WARN 1"), ("2026-11-29 05:00:00", "PASS")]
)
def test_the_check_of_values_set_aside_falls_silent_when_a_week_brought_none(
    shop: Warehouse, now: str, said: str
) -> None:
    output = shop.dbt(
        "test", "--select", "audit_quarantined_values,test_name:assert_no_rows_since", now=now
    )
    assert f"{said} assert_no_rows_since_audit_quarantined_values" in output


def test_an_anniversary_is_known_where_the_vendor_was_asked_and_knew_one(shop: Warehouse) -> None:
    rows = shop.rows(
        "select email, anniversary_day, anniversary_month, anniversary_year from marts.dim_members "
        "where anniversary_day is not null or anniversary_month is not null"
    )
    assert [tuple(row.values()) for row in rows] == [("both@shop.test", 29, 2, 2020)]
    money = shop.row("select credit_balance_amount from staging.stg_yotpo__customer_details")
    assert money == {"credit_balance_amount": Decimal("4.55")}


def test_earning_rules_say_what_is_earned_and_end_with_their_date(shop: Warehouse) -> None:
    rules = {
        row["earning_rule_id"]: row for row in shop.rows("select * from marts.dim_earning_rules")
    }
    assert rules["7"]["reward_text"] == "5 Coins / 1 USD"
    assert rules["7"]["restricted_to_tier_ids"] == ["2", "3"]
    assert rules["8"]["reward_text"] == "1 Coin"
    assert rules["8"]["restricted_to_tier_ids"] == []
    assert rules["31"]["is_active"] is True
    assert rules["32"]["is_active"] is False


def test_rewards_that_cannot_be_bought_are_known_but_in_no_eligibility_row(shop: Warehouse) -> None:
    rewards = {row["reward_id"]: row for row in shop.rows("select * from marts.dim_rewards")}
    assert [identifier for identifier, row in sorted(rewards.items()) if not row["is_buyable"]] == [
        "12",
        "22",
    ]
    assert rewards["9"]["discount_type"] == "fixed_amount"
    assert rewards["9"]["discount_value"] == Decimal("5.00")
    assert rewards["10"]["discount_type"] == "free_shipping"
    assert rewards["11"]["discount_type"] == "unknown"
    assert rewards["23"]["variable_step_value"] == Decimal("0.005000")
    assert rewards["9"]["first_seen_at"] == datetime.fromisoformat("2026-11-21 05:00:00")
    listed = shop.rows("select distinct reward_id from marts.fct_reward_eligibility")
    assert {row["reward_id"] for row in listed} == {"9", "10", "11", "13", "21", "23"}


def test_headlines_are_written_in_the_language_and_money_of_the_shop(
    shop: Warehouse, tmp_path: Any
) -> None:
    del tmp_path
    shop.build("--select", "int_loyalty__labels_chosen", "fct_member_rewards", language="sv")
    row = shop.row(
        "select headline_text from marts.fct_member_rewards where member_id = 'both@shop.test'"
    )
    assert row["headline_text"] == "Byt 455 poäng mot Any amount"
    shop.build("--select", "int_loyalty__labels_chosen", "fct_member_rewards")
