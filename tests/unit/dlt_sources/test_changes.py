"""What a load is about to change, counted before it does."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from loyalty_fakes import NOW, Record, Warehouse

from dlt_sources.changes import Changes, foresee
from dlt_sources.coercion import to_arrow
from dlt_sources.declarations import Table
from dlt_sources.smile import TABLES as SMILE
from dlt_sources.spool import Spool
from dlt_sources.yotpo import TABLES as YOTPO

PRODUCTS = SMILE["points_products"]
TRANSACTIONS = SMILE["points_transactions"]
HISTORY = YOTPO["history_items"]


def hold(warehouse: Warehouse, vendor: str, table: Table, *records: Record) -> None:
    """Make the warehouse hold these rows of extract 1, read in full."""
    stamps = {"program": vendor, "extract_id": 1, "seen_at": NOW}
    extracts = (SMILE if vendor == "smile" else YOTPO)["extracts"]
    finished = {"resource": table.name, "mode": "full"}
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(f"create schema if not exists raw_{vendor}")
        for each, content in ((table, list(records)), (extracts, [finished])):
            connection.register("rows", to_arrow(content, each, stamps).rows)
            connection.execute(f"create table raw_{vendor}.{each.name} as from rows")


def foreseen(warehouse: Warehouse, vendor: str, table: Table, **options: Any) -> Changes:
    warehouse.extract(vendor, extract_id=2, **options)
    spool = Spool.find(warehouse.spool(vendor))
    assert spool is not None
    return foresee(warehouse.file, vendor, warehouse.tables(vendor), spool)[table.name]


def test_a_first_load_is_all_new(warehouse: Warehouse) -> None:
    warehouse.fake.records["/smile/points_products"] = [{"id": 1}, {"id": 2}]
    assert foreseen(warehouse, "smile", PRODUCTS) == Changes(new=2)


def test_a_full_list_tells_new_changed_unchanged_and_gone(warehouse: Warehouse) -> None:
    hold(
        warehouse, "smile", PRODUCTS,
        {"id": 1, "points_price": 1}, {"id": 2, "points_price": 2}, {"id": 3}, {"id": 4},
    )  # fmt: skip
    warehouse.fake.records["/smile/points_products"] = [
        {"id": 1, "points_price": 1}, {"id": 2, "points_price": 20},
        {"id": 5}, {"id": 6}, {"id": 7},
    ]  # fmt: skip
    found = foreseen(warehouse, "smile", PRODUCTS)
    assert found == Changes(new=3, changed=1, unchanged=1, deleted=2)


def test_null_and_a_value_differ_and_null_and_null_do_not(warehouse: Warehouse) -> None:
    hold(warehouse, "smile", PRODUCTS, {"id": 1, "points_price": None}, {"id": 2})
    warehouse.fake.records["/smile/points_products"] = [{"id": 1, "points_price": 0}, {"id": 2}]
    assert foreseen(warehouse, "smile", PRODUCTS) == Changes(changed=1, unchanged=1)


def test_an_incremental_list_calls_nobody_deleted(warehouse: Warehouse) -> None:
    old, new = "2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"
    hold(warehouse, "smile", TRANSACTIONS, {"id": 1, "updated_at": old})
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("update raw_smile.extracts set watermark = '2026-10-20'")
    warehouse.fake.records["/smile/points_transactions"] = [{"id": 2, "updated_at": new}]
    assert foreseen(warehouse, "smile", TRANSACTIONS) == Changes(new=1)


def test_a_group_that_comes_again_shows_what_it_lost(warehouse: Warehouse) -> None:
    def item(number: int, member: str = "ava@shop.invalid") -> Record:
        return {"email_key": member, "history_item_id": str(number), "occurrence": 1}

    hold(warehouse, "yotpo", HISTORY, item(1), item(2), item(3, "bo@shop.invalid"))
    warehouse.fake.records["/yotpo/customers/recent"] = [{"email": "ava@shop.invalid"}]
    warehouse.fake.details["ava@shop.invalid"] = {
        "email": "ava@shop.invalid",
        "history_items": [{"action": "Visit", "points": 5}],
    }
    assert foreseen(warehouse, "yotpo", HISTORY) == Changes(new=1, deleted=2)


def test_values_that_were_set_aside_are_counted_at_their_table(warehouse: Warehouse) -> None:
    warehouse.fake.records["/smile/points_products"] = [{"id": 1, "points_price": "much"}]
    assert foreseen(warehouse, "smile", PRODUCTS) == Changes(new=1, quarantined=1)


def test_a_column_that_was_declared_since_the_last_load_is_null_in_what_is_held(
    warehouse: Warehouse,
) -> None:
    hold(warehouse, "smile", PRODUCTS, {"id": 1}, {"id": 2})
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("alter table raw_smile.points_products drop column points_price")
    warehouse.fake.records["/smile/points_products"] = [{"id": 1}, {"id": 2, "points_price": 5}]
    assert foreseen(warehouse, "smile", PRODUCTS) == Changes(changed=1, unchanged=1)


@pytest.mark.parametrize("parts_of", [1, 2, 500_000])
def test_counting_in_parts_gives_the_same(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, parts_of: int, tmp_path: Path
) -> None:
    monkeypatch.setattr("dlt_sources.changes._PART_ROWS", parts_of)
    hold(warehouse, "smile", PRODUCTS, *({"id": number} for number in range(1, 8)))
    warehouse.fake.records["/smile/points_products"] = [{"id": number} for number in range(4, 12)]
    found = foreseen(warehouse, "smile", PRODUCTS)
    assert found == Changes(new=4, unchanged=4, deleted=3)


def test_changes_add_up() -> None:
    one = Changes(1, 2, 3, 4, 5)
    assert one + one == Changes(2, 4, 6, 8, 10)
