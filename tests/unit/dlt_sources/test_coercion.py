"""Batches of records: drift of types, unknown fields, and what goes to quarantine."""

from datetime import UTC, datetime
from typing import Any

from dlt_sources import smile, yotpo
from dlt_sources.coercion import Coerced, to_arrow
from dlt_sources.declarations import Table

STAMPS = {"program": "smile", "extract_id": 1, "seen_at": datetime(2026, 11, 21, tzinfo=UTC)}
CUSTOMERS = smile.TABLES["customers"]
TRANSACTIONS = smile.TABLES["points_transactions"]
DETAILS = yotpo.TABLES["customer_details"]


def coerced(table: Table, *records: Any) -> Coerced:
    return to_arrow(records, table, STAMPS)


def test_a_value_that_does_not_fit_becomes_null_and_its_record_is_kept() -> None:
    bad = {"id": 1, "customer_id": 7, "points_change": "many"}
    result = coerced(TRANSACTIONS, bad, {"id": 2, "points_change": "40"})
    assert result.rows["points_change"].to_pylist() == [None, 40]
    assert result.rows["customer_id"].to_pylist() == ["7", None]
    (rejection,) = result.rejections
    assert (rejection.record_id, rejection.column_name) == ("1", "points_change")
    assert rejection.payload is bad


def test_a_record_without_key_is_only_in_quarantine() -> None:
    result = coerced(TRANSACTIONS, {"points_change": 5}, {"id": [1]}, {"id": 3})
    assert result.rows["id"].to_pylist() == ["3"]
    assert [each.column_name for each in result.rejections] == ["id", "id"]


def test_what_is_no_object_is_only_in_quarantine() -> None:
    result = coerced(TRANSACTIONS, None, "row", {"id": 3})
    assert result.rows.num_rows == 1
    assert [each.reason for each in result.rejections] == [
        "expected an object, got null",
        "expected an object, got text",
    ]


def test_unknown_fields_become_text_columns_at_every_declared_level() -> None:
    customer = {
        "id": 1,
        "has_vip_status": True,
        "loyaltyScore": 3,
        "tags": ["a"],
        "vip_status": {"vip_tier_id": 4, "newField": {"x": 1}},
    }
    rows = coerced(CUSTOMERS, customer, {"id": 2, "has_vip_status": False}).rows
    assert rows["loyalty_score"].to_pylist() == ["3", None]
    assert rows["tags"].to_pylist() == ['["a"]', None]
    assert rows["vip_status__new_field"].to_pylist() == ['{"x":1}', None]
    assert rows["vip_status__vip_tier_id"].to_pylist() == ["4", None]


def test_an_unknown_field_never_overwrites_a_column_of_ours() -> None:
    rows = coerced(TRANSACTIONS, {"id": 1, "program": "x", "Id": 9, "_dlt_load_id": "z"}).rows
    assert rows["program"].to_pylist() == ["smile"]
    assert rows["id"].to_pylist() == ["1"]
    assert rows["vendor_program"].to_pylist() == ["x"]
    assert rows["vendor_id"].to_pylist() == ["9"]
    assert rows["vendor_dlt_load_id"].to_pylist() == ["z"]


def test_a_parent_that_is_no_object_is_reported_and_its_children_are_null() -> None:
    result = coerced(CUSTOMERS, {"id": 1, "has_vip_status": True, "vip_status": "gold"})
    assert result.rows["vip_status__vip_tier_id"].to_pylist() == [None]
    assert [each.column_name for each in result.rejections] == ["vip_status"]


def test_a_null_parent_is_no_news() -> None:
    assert not coerced(CUSTOMERS, {"id": 1, "has_vip_status": False, "vip_status": None}).rejections


def test_the_misspelt_referral_link_is_read() -> None:
    rows = coerced(
        DETAILS,
        {"email_key": "a", "is_found": True, "referal_link": {"code": "x"}},
        {"email_key": "b", "is_found": True, "referral_link": {"code": "y"}},
    ).rows
    assert rows["referral_link"].to_pylist() == ['{"code":"x"}', '{"code":"y"}']
    assert "referal_link" not in rows.column_names


def test_one_odd_date_costs_no_other_row_its_date() -> None:
    times = ["2026-01-01T00:00:00Z", "2026-01-02", "", "2026-01-03T02:00:00+02:00", "never"]
    result = coerced(TRANSACTIONS, *({"id": n, "updated_at": t} for n, t in enumerate(times)))
    assert result.rows["updated_at"].to_pylist() == [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
        None,
        datetime(2026, 1, 3, tzinfo=UTC),
        None,
    ]
    assert len(result.rejections) == 1
