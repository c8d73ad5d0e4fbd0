"""Yotpo: who is asked for details, what becomes of the vanished, and history without ids."""

import logging
import time
from typing import Any

import pyarrow as pa
import pytest
from loyalty_fakes import Answer, Record, Warehouse

from dlt_sources.errors import UnexpectedAnswerError
from dlt_sources.history import MEMBERS_SCHEMA, History
from dlt_sources.yotpo import members
from vendor_http import VendorUnavailableError

WALK = "/yotpo/customers/recent"
DETAILS = "/yotpo/customers"
ITEM = {
    "created_at": "2026-01-01T10:00:00.000Z",
    "action": "Visit",
    "points": 5,
    "status": "Approved",
}


def shop(warehouse: Warehouse, *names: str, **history: list[Any]) -> None:
    """Members by name; what is in `history` becomes the member's history items."""
    warehouse.fake.records[WALK] = []
    for name in names:
        record: Record = {"email": f"{name}@Shop.invalid", "points_balance": 1}
        warehouse.fake.records[WALK].append(record)
        warehouse.fake.details[f"{name}@shop.invalid".lower()] = {
            **record,
            "history_items": history.get(name, []),
        }


def asked(warehouse: Warehouse) -> list[str]:
    """E-mails whose details were asked for since the last call."""
    found = sorted(entry["customer_email"] for entry in warehouse.fake.parameters(DETAILS))
    warehouse.fake.asked.clear()
    return found


def test_everybody_is_asked_for_once_and_then_only_the_changed(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava", "Bo", "Cy", "Di")
    warehouse.run("yotpo")
    assert len(asked(warehouse)) == 4
    warehouse.run("yotpo")
    assert asked(warehouse) == []
    warehouse.fake.records[WALK][1]["points_balance"] = 2
    warehouse.run("yotpo")
    assert asked(warehouse) == ["Bo@Shop.invalid"]


def test_history_and_referrals_are_asked_for_explicitly(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava")
    warehouse.run("yotpo")
    assert warehouse.fake.parameters(DETAILS) == [
        {
            "customer_email": "Ava@Shop.invalid",
            "with_history": "true",
            "with_referral_code": "true",
        }
    ]


def test_a_key_that_vanished_equals_one_that_is_null() -> None:
    assert members.record_hash({"a": 1, "b": None}) == members.record_hash({"a": 1})
    assert members.record_hash({"b": 2, "a": 1}) == members.record_hash({"a": 1, "b": 2})
    assert members.record_hash({"a": 0}) != members.record_hash({})


def test_a_vanished_member_is_asked_for_and_marked_when_the_vendor_does_not_know_it(
    warehouse: Warehouse,
) -> None:
    shop(warehouse, "Ava", "Bo")
    warehouse.run("yotpo")
    asked(warehouse)
    del warehouse.fake.records[WALK][0]
    del warehouse.fake.details["ava@shop.invalid"]
    warehouse.run("yotpo")
    assert asked(warehouse) == ["ava@shop.invalid"]
    found = "select email_key, is_found from raw_yotpo.customer_details order by 1"
    assert warehouse.rows(found) == [("ava@shop.invalid", False), ("bo@shop.invalid", True)]
    warehouse.run("yotpo")
    assert asked(warehouse) == [], "one who is known to be gone is not asked for each day"


def test_a_vanished_member_whom_the_vendor_still_knows_stays_found(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava", "Bo")
    warehouse.run("yotpo")
    del warehouse.fake.records[WALK][0]
    warehouse.run("yotpo")
    assert warehouse.rows("select bool_and(is_found) from raw_yotpo.customer_details") == [(True,)]


def test_a_member_who_comes_back_is_new(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava")
    member = warehouse.fake.records[WALK].pop()
    details = warehouse.fake.details.pop("ava@shop.invalid")
    known = pa.Table.from_pylist(
        [{"email_key": "ava@shop.invalid", "record_hash": "old"}], schema=MEMBERS_SCHEMA
    )
    warehouse.run("yotpo", history=History(members=known))
    warehouse.fake.records[WALK] = [member]
    warehouse.fake.details["ava@shop.invalid"] = details
    warehouse.run("yotpo")
    assert warehouse.rows("select is_found from raw_yotpo.customer_details") == [(True,)]


def test_two_identical_history_items_stay_two_and_a_second_read_adds_none(
    warehouse: Warehouse,
) -> None:
    shop(warehouse, "Ava", Ava=[ITEM, ITEM, {**ITEM, "points": 7}])
    warehouse.run("yotpo")
    query = "select history_item_id, occurrence, points from raw_yotpo.history_items order by all"
    before = warehouse.rows(query)
    assert sorted((row[1], row[2]) for row in before) == [(1, 5), (1, 7), (2, 5)]
    warehouse.run("yotpo", reach="full")
    assert warehouse.rows(query) == before


def test_a_members_history_is_replaced_as_a_whole(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava", "Bo", Ava=[ITEM, {**ITEM, "points": 7}], Bo=[ITEM])
    warehouse.run("yotpo")
    warehouse.fake.details["ava@shop.invalid"]["history_items"] = [{**ITEM, "points": 9}]
    warehouse.fake.records[WALK][0]["points_balance"] = 9
    warehouse.run("yotpo")
    assert warehouse.rows(
        "select email_key, points, extract_id from raw_yotpo.history_items order by 1"
    ) == [("ava@shop.invalid", 9, 2), ("bo@shop.invalid", 5, 1)]


def test_history_carries_the_extract_of_its_details(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava", Ava=[ITEM])
    warehouse.run("yotpo")
    warehouse.fake.details["ava@shop.invalid"]["history_items"] = []
    warehouse.fake.records[WALK][0]["points_balance"] = 0
    warehouse.run("yotpo")
    current = (
        "select count(*) from raw_yotpo.history_items "
        "join raw_yotpo.customer_details using (program, email_key, extract_id)"
    )
    assert warehouse.rows(current) == [(0,)], "items of an emptied history are recognisably old"


def test_the_same_time_in_another_format_is_the_same_history_item() -> None:
    other = {**ITEM, "created_at": "2026-01-01T12:00:00+02:00", "points": "5"}
    (one,) = members.history_rows("a", {"history_items": [ITEM]})
    (two,) = members.history_rows("a", {"history_items": [other]})
    assert one["history_item_id"] == two["history_item_id"]
    (someone_else,) = members.history_rows("b", {"history_items": [ITEM]})
    assert someone_else["history_item_id"] != one["history_item_id"]


def test_a_member_without_email_is_quarantined_and_never_asked_for(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava")
    warehouse.fake.records[WALK] += [{"email": None, "points_balance": 3}, {"email": "  "}]
    warehouse.run("yotpo")
    assert asked(warehouse) == ["Ava@Shop.invalid"]
    assert warehouse.rows("select column_name from raw_yotpo.quarantine") == [("email_key",)] * 2


def test_two_spellings_of_one_email_are_one_member(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava", "AVA")
    warehouse.run("yotpo")
    assert warehouse.rows("select email_key, email from raw_yotpo.customers") == [
        ("ava@shop.invalid", "Ava@Shop.invalid")
    ]


def test_the_walk_may_answer_a_bare_array(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava")
    records = warehouse.fake.records[WALK]
    warehouse.fake.answers[WALK] = lambda _: (200, records)
    warehouse.run("yotpo")
    assert warehouse.rows("select count(*) from raw_yotpo.customers") == [(1,)]


@pytest.mark.parametrize("name", ["redemption_options", "campaigns", "vip_tiers"])
def test_catalogues_come_bare_or_wrapped(warehouse: Warehouse, name: str) -> None:
    shop(warehouse)
    path = f"/yotpo/{name}"
    records: list[Record] = [{"id": 1}, {"id": 2}]
    answers: list[Answer] = [lambda _: (200, {name: records}), lambda _: (200, records)]
    for answer in answers:
        warehouse.fake.answers[path] = answer
        warehouse.run("yotpo")
        assert warehouse.rows(f"select count(*) from raw_yotpo.{name}") == [(2,)]


def test_tiers_keep_their_place_in_the_list(warehouse: Warehouse) -> None:
    warehouse.fake.records["/yotpo/vip_tiers"] = [{"id": 9, "points_multiplier": 1.5}, {"id": 4}]
    warehouse.run("yotpo")
    assert warehouse.rows(
        "select id, list_position, points_multiplier from raw_yotpo.vip_tiers order by 2"
    ) == [("9", 1, "1.5"), ("4", 2, None)]


def test_details_that_are_no_customer_stop_the_run(warehouse: Warehouse) -> None:
    shop(warehouse, "Ava")
    warehouse.fake.answers[DETAILS] = lambda _: (200, [1])
    with pytest.raises(UnexpectedAnswerError, match="customer_details"):
        warehouse.run("yotpo")
    assert not warehouse.file.exists()


def test_no_email_and_no_key_is_in_any_log_or_error(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pause = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    caplog.set_level(logging.DEBUG)
    shop(warehouse, "Ava", "Bo", Ava=["Ava@Shop.invalid"])  # a history item that is no object
    warehouse.run("yotpo")
    assert len(asked(warehouse)) == 2
    warehouse.fake.answers[DETAILS] = lambda _: (500, {"error": "ava@shop.invalid"})
    with pytest.raises(VendorUnavailableError) as failure:
        warehouse.extract("yotpo", reach="full")
    shown = f"{failure.value!s} {failure.value!r} {caplog.text}".lower()
    assert "shop.invalid" not in shown
    assert "x-api-key" not in shown
    assert "secret" not in shown
