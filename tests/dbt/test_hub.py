"""Customer Hub cards of the small shop against a calculation from its raw rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dbt.oracle import Reward, decide
from tests.dbt.shop import SMILE_CUSTOMERS, YOTPO_CUSTOMERS
from tests.dbt.warehouse import NOW, Warehouse

MEMBERSHIP = {"member": "member", "candidate": "non_member", "disabled": "excluded"}
NOTHING_SHOWN = {
    "hub_state": "hidden",
    "tier_id": None,
    "tier_name": None,
    "tier_expires_at": None,
    "next_tier_name": None,
    "points_balance": None,
    "headline_text": None,
    "headline_points_needed": None,
    "next_reward_progress": None,
    "available_reward_count": 0,
    "referral_url": None,
}
CATALOGUES = {
    "smile": [
        Reward("9", variable=False, price=500),
        Reward("10", variable=False, price=100),
        Reward("11", variable=False, price=1000),
        Reward("13", variable=True, minimum=150, step=100),
    ],
    "yotpo": [
        Reward("21", variable=False, price=150),
        Reward("23", variable=True, minimum=1, step=1),
    ],
}


def _people() -> dict[tuple[str, str], tuple[str, int]]:
    """Programme and member -> membership and balance."""
    people = {
        ("smile", row["id"]): (MEMBERSHIP.get(row["state"], "unknown"), row["points_balance"])
        for row in SMILE_CUSTOMERS
    }
    for row in YOTPO_CUSTOMERS:
        membership = "member" if row["opt_in"] else "non_member"
        people["yotpo", row["email_key"]] = (membership, row["points_balance"])
    return people


def _usable_codes(shop: Warehouse) -> dict[str, list[str]]:
    """Smile's customer -> codes, soonest expiry first; Yotpo never tells whether one was used."""
    rows = shop.rows("select *, expires_at::varchar as ends from raw_smile.reward_fulfillments")
    usable = [
        row
        for row in rows
        if row["fulfillment_status"] == "issued"
        and row["usage_status"] == "unused"
        and (row["ends"] is None or row["ends"] > NOW)
    ]
    usable.sort(key=lambda row: (row["ends"] or "9999", int(row["id"])))
    codes: dict[str, list[str]] = {}
    for row in usable:
        codes.setdefault(row["customer_id"], []).append(row["code"])
    return codes


def _cards(shop: Warehouse) -> dict[tuple[str, str], dict[str, Any]]:
    cards = {}
    for row in shop.rows("select * from marts.hub_cards"):
        for column in ("available_rewards", "coupons", "ways_to_earn"):
            row[column] = json.loads(row[column])
        cards[row["program"], row["member_id"]] = row
    return cards


def test_everybody_has_a_card_with_rewards_and_coupons_as_calculated(shop: Warehouse) -> None:
    people, codes, cards = _people(), _usable_codes(shop), _cards(shop)
    assert cards.keys() == people.keys()
    for (program, member), (membership, balance) in people.items():
        card = cards[program, member]
        _, best, upcoming = decide(balance, CATALOGUES[program])
        is_member = membership == "member"
        expected = {
            "membership": membership,
            "hub_state": ("with_points" if balance >= 1 else "no_points")
            if is_member
            else "hidden",
            "points_balance": balance if is_member else None,
            "available_rewards": [one.reward.reward_id for one in best] if is_member else [],
            "points": [one.affordable_points for one in best] if is_member else [],
            "next_reward_progress": upcoming[0].ratio if is_member and upcoming else None,
            "coupons": [] if membership == "excluded" else codes.get(member, []),
        }
        actual = card | {
            "points": [one["points"] for one in card["available_rewards"]],
            "available_rewards": [one["reward_id"] for one in card["available_rewards"]],
            "coupons": [one["code"] for one in card["coupons"]],
        }
        assert {name: actual[name] for name in expected} == expected, member
        assert card["coupon_count"] == len(card["coupons"])
        assert card["available_reward_count"] == len(card["available_rewards"])


@pytest.mark.parametrize(
    ("member", "coupons"),
    [("102", ["CANDIDATE"]), ("110", ["LEFT"]), ("103", []), ("104", [])],
)
def test_whoever_is_no_member_sees_unused_coupons_at_most(
    shop: Warehouse, member: str, coupons: list[str]
) -> None:
    card = _cards(shop)["smile", member]
    assert [one["code"] for one in card["coupons"]] == coupons
    assert {name: card[name] for name in NOTHING_SHOWN} == NOTHING_SHOWN
    assert (card["available_rewards"], card["ways_to_earn"]) == ([], [])


def test_a_card_holds_all_that_the_hub_shows_to_a_member(shop: Warehouse) -> None:
    card = _cards(shop)["smile", "100"]
    assert card["tier_name"] == "Silver"
    assert card["next_tier_name"] == "Gold"
    assert card["points_to_next_tier"] == 200
    assert card["headline_text"] == "Redeem 500 Coins for $5 off"
    assert card["available_rewards"][0] == {
        "reward_id": "9",
        "name": "$5 off",
        "exchange_type": "fixed",
        "points": 500,
        "value": 5.0,
    }
    assert card["coupons"][0] == {
        "code": "AVA-2",
        "name": "Free shipping",
        "expires_at": "2026-11-22T23:59:59Z",
        "value": None,
    }
    assert card["referral_url"] == "https://i.refs.cc/100"
    assert [one["earning_rule_id"] for one in card["ways_to_earn"]] == ["7", "8"]


def test_ways_to_earn_of_other_tiers_are_not_shown(shop: Warehouse) -> None:
    card = _cards(shop)["smile", "101"]
    assert [one["earning_rule_id"] for one in card["ways_to_earn"]] == ["8"]
