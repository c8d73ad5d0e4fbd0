"""Events of a small shop over two mornings, and what Yotpo's webhooks add to them."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from sandbox.yotpo.webhooks import TOPICS
from tests.dbt.shop import fill_shop
from tests.dbt.warehouse import PROJECT, Warehouse

pytestmark = pytest.mark.timeout(900)  # whoever asks first waits for three builds

EVENTS = ("--select", "+fct_loyalty_events", "--indirect-selection", "cautious")
TUESDAY, WEDNESDAY, THURSDAY = (f"2026-11-{day} 06:00:00" for day in (24, 25, 26))
Told = tuple[str, str, str, str]


def _yotpo(email: str, **columns: Any) -> dict[str, Any]:
    shared = {
        "email_key": email,
        "email": email,
        "opt_in": True,
        "opted_in_at": "2025-03-24",
        "points_balance": 0,
        "last_seen_at": "2026-11-10 18:41:13+00",
        "seen_at": "2026-11-24 05:00:00+00",
    }
    return shared | columns


def _fill(warehouse: Warehouse) -> None:
    fill_shop(warehouse)
    reading = "timestamptz '2026-11-24 05:00:00+00'"
    for table in ("raw_smile.customers", "raw_yotpo.customers", "raw_yotpo.customer_details"):
        warehouse.execute(f"update {table} set seen_at = {reading}")
    coupon = {"customer_id": "111", "fulfillment_status": "issued", "usage_status": "unused"}
    warehouse.insert(
        "raw_smile",
        "reward_fulfillments",
        coupon
        | {"id": "61", "name": "Happy Birthday reward", "created_at": "2026-06-01 00:00:00+00"},
        coupon
        | {
            "id": "62",
            "name": "Free shipping",
            "code": "FREE-62",
            "created_at": "2026-10-05 10:00:00.9+00",
            "expires_at": "2026-12-01 12:00:00+00",
        },
    )
    warehouse.insert(
        "raw_smile",
        "points_transactions",
        {
            "id": "63",
            "customer_id": "111",
            "points_change": -100,
            "description": "Spent points on reward - Free shipping",
            "created_at": "2026-10-05 10:00:00.1+00",
        },
    )
    warehouse.insert(
        "raw_yotpo",
        "customers",
        _yotpo("cake@shop.test", birthday_month=11, birth_day=24),
        _yotpo("tomorrow@shop.test", birthday_month=11, birth_day=25),
        _yotpo("ends@shop.test", points_balance=9, points_expire_at="2026-12-24 10:00:00+00"),
        _yotpo("idle@shop.test", points_balance=9, last_seen_at="2026-10-25 23:59:59+00"),
        _yotpo("poor@shop.test", points_balance=0, last_seen_at="2026-10-25 00:00:00+00"),
        _yotpo("falls@shop.test", vip_tier_name="Gold"),
        _yotpo("rises@shop.test", vip_tier_name="Silver"),
        _yotpo(
            "nears@shop.test",
            vip_tier_name="Silver",
            vip_tier_upgrade_requirements=json.dumps({"amount_cents_needed": 10000}),
        ),
        _yotpo("leaves@shop.test"),
    )
    warehouse.insert(
        "raw_yotpo",
        "customer_anniversaries",
        {"email_key": "cake@shop.test", "day": 24, "month": 11, "year": 2020, "is_found": True},
        {"email_key": "tomorrow@shop.test", "day": 24, "month": 11, "year": 2026, "is_found": True},
    )
    warehouse.insert(  # of any age, so without a date
        "raw_yotpo",
        "completed_referrals",
        {"email_key": "both@shop.test", "friend_email": "old@shop.test"},
    )
    item = {"email_key": "both@shop.test", "order_ids": "[]", "points": -50}
    warehouse.insert(
        "raw_yotpo",
        "history_items",
        item
        | {
            "history_item_id": "e",
            "action": "A mug",
            "status": "Redeemed",
            "created_at": "2026-06-01 10:00:00+00",
        },
        item
        | {
            "history_item_id": "f",
            "action": "A tree",
            "status": "Donation",
            "created_at": "2026-06-02 10:00:00+00",
        },
        *(
            item
            | {
                "history_item_id": f"twin{number}",
                "action": "Share",
                "status": "Approved",
                "points": 5,
                "created_at": f"2026-07-01 10:00:00.{number}+00",
            }
            for number in (1, 2)
        ),
    )


def _change(warehouse: Warehouse) -> None:
    """What the readings of Wednesday find."""
    changes = {
        "falls@shop.test": "vip_tier_name = 'Silver'",
        "rises@shop.test": "vip_tier_name = 'Gold'",
        "nears@shop.test": ("""vip_tier_upgrade_requirements = '{"amount_cents_needed": 2550}'"""),
        "leaves@shop.test": "opt_in = false",
        "guest@shop.test": "opt_in = true, opted_in_at = '2026-11-24'",
    }
    for email, change in changes.items():
        warehouse.execute(
            f"update raw_yotpo.customers set {change}, seen_at = '2026-11-25 05:00:00+00' "
            "where email_key = ?",
            email,
        )
    warehouse.execute(
        "update raw_smile.customers set vip_status__vip_tier_id = '3', "
        "seen_at = '2026-11-25 05:00:00+00' where id = '100'"
    )
    warehouse.insert(
        "raw_yotpo",
        "completed_referrals",
        {
            "email_key": "both@shop.test",
            "friend_email": "friend@shop.test",
            "first_name": "Fay",
            "seen_at": "2026-11-25 05:00:00+00",
        },
    )


def _deliver(warehouse: Warehouse, number: int, topic: str, **body: Any) -> None:
    """One webhook of Wednesday, 17:00 unless its perk or redemption says otherwise."""
    customer = {"email": "both@shop.test", "points_balance": 305} | body.pop("customer", {})
    email = body.pop("email", customer["email"])
    warehouse.insert(
        "raw_yotpo",
        "webhook_events",
        {
            "delivery_id": f"delivery-{number}",
            "topic": topic,
            "name": body.pop("name", None),
            "email": email,
            "customer_email": customer["email"],
            "friend_email": body.pop("friend_email", None),
            "received_at": f"2026-11-25 17:00:{number:02d}+00",
            "occurred_at": body.pop("occurred_at", None),
            "payload": json.dumps({"topic": topic, "email": email, "customer": customer} | body),
        },
    )


def _webhooks(warehouse: Warehouse) -> None:
    redemption = {"id": 2, "created_at": "2026-05-01T10:00:00.000Z", "reward_text": "CODE-15"}
    option = {"id": 21, "name": "$15 off", "amount": 150}
    created = "swell/redemption/created"
    _deliver(
        warehouse,
        1,
        created,
        redemption=redemption,
        redemption_option=option,
        occurred_at="2026-05-01 10:00:00+00",
    )
    _deliver(warehouse, 2, created, redemption=redemption, redemption_option=option)
    perk = {"id": 7, "reward_points": 605, "history_title": "Make a Purchase"}
    perk["created_at"] = "2026-05-01T10:00:00.828Z"
    _deliver(
        warehouse, 3, "swell/points/earned", perk=perk, occurred_at="2026-05-01 10:00:00.828+00"
    )
    gift = {"id": 3, "created_at": "2026-11-25T09:00:00Z", "reward_text": "TENPERCENT"}
    _deliver(warehouse, 4, created, redemption=gift, perk={"id": 8}, redemption_option=option)
    cake = {"email": "cake@shop.test", "birth_day": 24}
    _deliver(
        warehouse,
        5,
        "swell/customer/birthday",
        customer=cake,
        occurred_at="2026-11-24 13:00:00+00",
    )
    # said on Tuesday night, seen by Wednesday's reading
    _deliver(
        warehouse,
        6,
        "swell/tier/earned",
        customer={"email": "rises@shop.test"},
        new_tier={"id": 2, "name": "Gold", "points_multiplier": 1.5},
        occurred_at="2026-11-24 23:00:00+00",
    )
    share: dict[str, Any] = {"email": "friend@shop.test", "referral_link": "http://rwrd.io/both"}
    _deliver(warehouse, 7, "swell/referral/share", **share)
    born = {"birth_day": 8, "birth_month": 5, "birth_year": 1990}
    _deliver(warehouse, 8, "", name="Swell Birthday Captured", customer=born)
    _deliver(warehouse, 9, "swell/redemption_code/below_threshold", number_of_unused_codes=4)
    _deliver(
        warehouse,
        10,
        "swell/referral/completed",
        friend_email="friend@shop.test",
        referred_customer={"email": "friend@shop.test"},
    )


def _events(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.rows("select * from marts.fct_loyalty_events")


def _told(events: list[dict[str, Any]]) -> set[Told]:
    return {
        (row["event_type"], row["member_id"], f"{row['occurred_at']:%Y-%m-%d %H}", row["origin"])
        for row in events
    }


@pytest.fixture(scope="module")
def mornings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The events as each of three builds has them; the last has the webhooks of the day before."""
    warehouse = Warehouse(tmp_path_factory.mktemp("events"))
    _fill(warehouse)
    warehouse.build(*EVENTS, now=TUESDAY)
    built = {"tuesday": _events(warehouse)}
    _change(warehouse)
    warehouse.build(*EVENTS, now=WEDNESDAY)
    built["wednesday"] = _events(warehouse)
    _webhooks(warehouse)
    warehouse.build(*EVENTS, now=THURSDAY)
    built["thursday"] = _events(warehouse)
    return built


TUESDAYS_EVENTS = {
    ("points_earned_on_order", "100", "2026-01-01 00", "rest"),
    ("points_redeemed", "100", "2026-02-01 00", "rest"),
    ("points_redeemed", "111", "2026-10-05 10", "rest"),
    ("birthday_reward_issued", "111", "2026-06-01 00", "rest"),
    ("reward_expiring", "111", "2026-11-24 00", "calendar"),
    ("points_earned", "both@shop.test", "2026-05-01 10", "rest"),
    ("points_earned", "both@shop.test", "2026-07-01 10", "rest"),
    ("coupon_redeemed", "both@shop.test", "2026-05-01 10", "rest"),
    ("custom_reward_redeemed", "both@shop.test", "2026-06-01 10", "rest"),
    ("donation_created", "both@shop.test", "2026-06-02 10", "rest"),
    ("customer_birthday", "cake@shop.test", "2026-11-24 00", "calendar"),
    ("customer_anniversary", "cake@shop.test", "2026-11-24 00", "calendar"),
    ("loyalty_expiration_reminder", "ends@shop.test", "2026-11-24 00", "calendar"),
    ("redemption_reminder", "idle@shop.test", "2026-11-24 00", "calendar"),
    ("points_reminder", "poor@shop.test", "2026-11-24 00", "calendar"),
}
WEDNESDAYS_EVENTS = {
    ("vip_tier_achieved", "100", "2026-11-25 05", "snapshot"),
    ("vip_tier_earned", "rises@shop.test", "2026-11-25 05", "snapshot"),
    ("vip_tier_lost", "falls@shop.test", "2026-11-25 05", "snapshot"),
    ("vip_tier_status_change", "nears@shop.test", "2026-11-25 05", "snapshot"),
    ("loyalty_opt_in", "guest@shop.test", "2026-11-24 00", "rest"),
    ("loyalty_opt_out", "leaves@shop.test", "2026-11-25 05", "snapshot"),
    ("referral_completed", "both@shop.test", "2026-11-25 05", "rest"),
    ("customer_birthday", "tomorrow@shop.test", "2026-11-25 00", "calendar"),
}


def test_rest_and_the_calendar_tell_what_happened(
    mornings: dict[str, list[dict[str, Any]]],
) -> None:
    told = _told(mornings["tuesday"])
    first_opt_ins = {row for row in told if row[0] == "loyalty_opt_in"}
    assert {row[2:] for row in first_opt_ins} == {("2025-03-24 00", "rest")}
    assert told - first_opt_ins == TUESDAYS_EVENTS


def test_two_readings_tell_what_changed_between_them(
    mornings: dict[str, list[dict[str, Any]]],
) -> None:
    known = {row["event_id"] for row in mornings["tuesday"]}
    added = [row for row in mornings["wednesday"] if row["event_id"] not in known]
    assert _told(added) == WEDNESDAYS_EVENTS


@pytest.mark.parametrize("later", ["wednesday", "thursday"])
def test_a_later_build_tells_nothing_twice_and_renames_nothing(
    mornings: dict[str, list[dict[str, Any]]], later: str
) -> None:
    earlier = {"wednesday": "tuesday", "thursday": "wednesday"}[later]
    ids = [row["event_id"] for row in mornings[later]]
    assert len(ids) == len(set(ids))
    gone = [row for row in mornings[earlier] if row["event_id"] not in ids]
    # dated by the reading until Tuesday night's webhook was loaded at last, on Wednesday
    late = {("vip_tier_earned", "rises@shop.test")} if later == "thursday" else set()
    assert {(row["event_type"], row["member_id"]) for row in gone} == late


def test_what_a_webhook_and_another_origin_tell_is_one_event_in_the_words_of_the_webhook(
    mornings: dict[str, list[dict[str, Any]]],
) -> None:
    before = {row["event_id"]: row["origin"] for row in mornings["wednesday"]}
    told = [row for row in mornings["thursday"] if row["origin"] == "webhook"]
    also = {row["event_type"]: before.get(row["event_id"]) for row in told}
    assert also == {
        "coupon_redeemed": "rest",
        "points_earned": "rest",
        "customer_birthday": "calendar",
        "referral_completed": "rest",
        "vip_tier_earned": None,  # another day than the reading's, and yet not twice
        "coupon_awarded": None,
        "referral_link_share": None,
        "customer_birthday_captured": None,
    }
    counts = [row["event_type"] for row in mornings["thursday"]]
    for once in ("coupon_redeemed", "vip_tier_earned", "referral_completed"):
        assert counts.count(once) == 1, once
    (redeemed,) = (row for row in told if row["event_type"] == "coupon_redeemed")
    assert json.loads(redeemed["properties"])["customer"]["points_balance"] == 305
    assert f"{redeemed['occurred_at']:%Y-%m-%d}" == "2026-05-01"


def test_an_event_about_a_friend_is_addressed_to_the_friend(
    mornings: dict[str, list[dict[str, Any]]],
) -> None:
    (share,) = (row for row in mornings["thursday"] if row["is_about_friend"])
    assert (share["event_type"], share["member_id"], share["email"]) == (
        "referral_link_share",
        "both@shop.test",
        "friend@shop.test",
    )


def test_history_is_marked_as_belonging_to_the_first_load(
    mornings: dict[str, list[dict[str, Any]]],
) -> None:
    assert {
        row["is_first_load"] == (f"{row['occurred_at']}" <= "2026-11-24 05:00:00")
        for row in mornings["thursday"]
    } == {True}


def test_properties_are_the_vendors_fields(mornings: dict[str, list[dict[str, Any]]]) -> None:
    properties = {
        (row["event_type"], row["member_id"]): json.loads(row["properties"])
        for row in mornings["wednesday"]
    }
    redeemed = properties["points_redeemed", "111"]
    assert (redeemed["points_spent"], redeemed["points_product_id"]) == (100, 10)
    assert redeemed["reward_fulfillment"]["code"] == "FREE-62"
    assert properties["points_redeemed", "100"]["reward_fulfillment"] is None
    achieved = properties["vip_tier_achieved", "100"]
    assert achieved["previous_vip_tier"]["name"] == "Silver"
    assert achieved["current_vip_tier"] == {"id": 3, "name": "Gold", "image_url": None}
    coupon = properties["coupon_redeemed", "both@shop.test"]
    assert coupon["redemption"]["reward_text"] == "CODE-15"
    assert (coupon["redemption_option"]["id"], coupon["points"]) == (21, -150)
    # of June: who it was, and nothing of today
    assert coupon["customer"]["email"] == "both@shop.test"
    assert "points_balance" not in coupon["customer"]
    earned = properties["vip_tier_earned", "rises@shop.test"]
    # of this morning: the row says what was true then
    assert earned["customer"]["email"] == "rises@shop.test"
    assert earned["customer"]["points_balance"] == 0
    assert earned["customer"]["last_seen_at"].startswith("2026-11-10T18:41:13")
    assert properties["vip_tier_status_change", "nears@shop.test"]["customer"]["is_opt_in"] is True
    assert earned["new_tier"]["amount_spent_cents"] == 20000
    assert earned["old_tier"]["name"] == "Silver"
    nears = properties["vip_tier_status_change", "nears@shop.test"]
    assert nears["vip_stats_needed_next"] == {"amount_cents_needed": 2550}
    ends = properties["loyalty_expiration_reminder", "ends@shop.test"]
    assert ends["days_to_point_expiration"] == 30
    assert ends["loyalty_next_points_expire_on"] == "2026-12-24"
    assert ends["customer"]["points_balance"] == 9
    assert properties["redemption_reminder", "idle@shop.test"]["redemption_option"]["id"] == 23
    assert properties["points_reminder", "poor@shop.test"]["points_needed"] == 1
    referred = properties["referral_completed", "both@shop.test"]["referred_customer"]
    assert (referred["email"], referred["first_name"]) == ("friend@shop.test", "Fay")


def test_every_documented_topic_is_an_event_type_but_the_one_that_is_about_nobody() -> None:
    with (PROJECT / "seeds" / "loyalty_event_types.csv").open(newline="") as file:
        types = list(csv.DictReader(file))
    known = {topic for row in types for topic in row["webhook_topics"].split("|") if topic}
    assert known == set(TOPICS) - {"swell/redemption_code/below_threshold"}
    of_yotpo = {row["vendor_event_name"] for row in types if row["vendor"] == "yotpo"}
    beyond_rule = {"Loyalty Expiration Reminder", "Swell Points Changed"}
    assert len(of_yotpo - beyond_rule) == 20
    assert sum(row["vendor"] == "smile" for row in types) == 8
