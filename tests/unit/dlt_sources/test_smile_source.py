"""Smile: walks that shift, filters, watermarks, and answers that are wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from loyalty_fakes import Record, Warehouse

from dlt_sources import smile
from dlt_sources.errors import UnexpectedAnswerError
from dlt_sources.history import read_history
from vendor_http import ConfigurationError

PATH = "/smile/points_transactions"


def transaction(number: int, updated_at: str = "2026-11-01T00:00:00.000Z") -> Record:
    return {"id": number, "customer_id": "7", "points_change": 1, "updated_at": updated_at}


def ids(warehouse: Warehouse) -> list[int]:
    rows = warehouse.rows("select id from raw_smile.points_transactions")
    return sorted(int(row[0]) for row in rows)


def test_every_page_is_asked_with_all_filters_and_the_documented_size(warehouse: Warehouse) -> None:
    warehouse.fake.records["/smile/customers"] = [{"id": n} for n in range(1, 8)]
    warehouse.run("smile")
    asked = warehouse.fake.parameters("/smile/customers")
    assert [entry.get("cursor") for entry in asked] == [None, "5", "2"]
    assert all((e["limit"], e["include"]) == ("250", "vip_status") for e in asked)
    assert warehouse.fake.parameters("/smile/vip_tiers") == [{"include": "perks,entry_rewards"}]


@pytest.mark.parametrize("end", [None, ""])
def test_null_and_the_empty_text_end_a_chain(warehouse: Warehouse, end: str | None) -> None:
    warehouse.fake.end_of_list = end
    warehouse.fake.records[PATH] = [transaction(n) for n in range(1, 5)]
    warehouse.run("smile")
    assert ids(warehouse) == [1, 2, 3, 4]


def test_points_products_are_read_until_a_short_page(warehouse: Warehouse) -> None:
    products = [{"id": n, "points_price": n} for n in range(1, 252)]
    warehouse.fake.records["/smile/points_products"] = products
    warehouse.run("smile")
    asked = warehouse.fake.parameters("/smile/points_products")
    assert asked == [{"page_size": "250", "page": "1"}, {"page_size": "250", "page": "2"}]
    assert warehouse.rows("select count(*) from raw_smile.points_products") == [(251,)]


def test_a_server_that_ignores_the_page_number_is_an_error_not_an_endless_run(
    warehouse: Warehouse,
) -> None:
    page = {"points_products": [{"id": n} for n in range(250)]}
    warehouse.fake.answers["/smile/points_products"] = lambda _: (200, page)
    with pytest.raises(UnexpectedAnswerError, match="pages 1 and 2 are the same"):
        warehouse.run("smile")


def test_a_cursor_that_comes_twice_is_an_error_not_an_endless_run(warehouse: Warehouse) -> None:
    page = {"points_transactions": [transaction(1)], "metadata": {"next_cursor": "again"}}
    warehouse.fake.answers[PATH] = lambda _: (200, page)
    with pytest.raises(UnexpectedAnswerError, match="cursor came twice"):
        warehouse.run("smile")


def test_rows_added_between_two_pages_are_neither_lost_nor_doubled(warehouse: Warehouse) -> None:
    fake = warehouse.fake
    fake.records[PATH] = [transaction(n) for n in range(1, 7)]

    def shifting(parameters: Mapping[str, str]) -> tuple[int, Any]:
        """Pages by position, as a vendor without keyset paging has them."""
        start = int(parameters.get("cursor", 0))
        newest_first = sorted(fake.records[PATH], key=lambda each: -each["id"])
        fake.records[PATH].append(transaction(len(newest_first) + 1))
        following = str(start + 3) if start + 3 < len(newest_first) else None
        page = newest_first[start : start + 3]
        return 200, {"points_transactions": page, "metadata": {"next_cursor": following}}

    fake.answers[PATH] = shifting
    warehouse.run("smile")
    assert ids(warehouse) == [1, 2, 3, 4, 5, 6]
    counted = warehouse.rows(
        "select row_count from raw_smile.extracts where resource = 'points_transactions'"
    )
    assert counted == [(6,)]


def test_a_second_run_asks_from_an_hour_before_the_newest_change(warehouse: Warehouse) -> None:
    warehouse.fake.records[PATH] = [
        transaction(1, "2026-11-01T10:00:00.250Z"),
        transaction(2, "2026-10-01T10:00:00.000Z"),
    ]
    warehouse.run("smile")
    warehouse.run("smile")
    first, second = warehouse.fake.parameters(PATH)
    assert "updated_at_min" not in first
    assert second["updated_at_min"] == "2026-11-01T09:00:00.250Z"


@pytest.mark.parametrize("path", [PATH, "/smile/reward_fulfillments"])
def test_a_row_changed_at_the_very_moment_of_the_watermark_is_not_lost(
    warehouse: Warehouse, path: str
) -> None:
    """One filter includes its moment, the other does not (smile.md §2)."""
    moment = "2026-11-01T10:00:00.000Z"
    warehouse.fake.records[path] = [{"id": 1, "updated_at": moment}]
    warehouse.run("smile")
    warehouse.fake.records[path].append({"id": 2, "updated_at": moment})
    warehouse.run("smile")
    table = path.rsplit("/", 1)[1]
    assert warehouse.rows(f"select count(*) from raw_smile.{table}") == [(2,)]


def test_the_watermark_is_never_later_than_the_start_of_the_walk(warehouse: Warehouse) -> None:
    """A row behind the walk may change while it is under way; the next run must still see it."""
    warehouse.fake.records[PATH] = [transaction(1, "2999-01-01T00:00:00.000Z")]
    warehouse.run("smile")
    watermark = read_history(warehouse.file, "smile", "smile").watermarks["points_transactions"]
    assert abs(watermark - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_full_run_sweeps_the_incremental_lists_too(warehouse: Warehouse) -> None:
    warehouse.fake.records[PATH] = [transaction(1)]
    warehouse.run("smile")
    warehouse.run("smile", reach="full")
    assert all("updated_at_min" not in entry for entry in warehouse.fake.parameters(PATH))
    modes = warehouse.rows(
        "select mode from raw_smile.extracts where resource = 'points_transactions'"
    )
    assert modes == [("full",), ("full",)]


def test_a_table_that_was_dropped_is_read_in_full_again(warehouse: Warehouse) -> None:
    import duckdb

    warehouse.fake.records[PATH] = [transaction(1)]
    warehouse.run("smile")
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("delete from raw_smile.points_transactions")
    warehouse.run("smile")
    assert ids(warehouse) == [1]


def test_no_points_programme_means_no_settings_row(warehouse: Warehouse) -> None:
    warehouse.run("smile")
    assert warehouse.rows("select * from raw_smile.points_settings") == []
    settings = {"points_label": {"one": "Coin", "other": "Coins"}}
    warehouse.fake.records["/smile/points_settings"] = [settings]
    warehouse.run("smile")
    assert warehouse.rows(
        "select id, points_label__one, points_label__other from raw_smile.points_settings"
    ) == [("points_settings", "Coin", "Coins")]


def test_vip_status_absent_null_or_all_null_is_told_apart(warehouse: Warehouse) -> None:
    warehouse.fake.records["/smile/customers"] = [
        {"id": 1},
        {"id": 2, "vip_status": None},
        {"id": 3, "vip_status": {"vip_tier_id": None}},
    ]
    warehouse.run("smile")
    rows = warehouse.rows("select id, has_vip_status from raw_smile.customers order by id")
    assert rows == [("1", False), ("2", False), ("3", True)]


def test_a_value_that_does_not_fit_is_quarantined_once_per_run_and_the_rest_loads(
    warehouse: Warehouse,
) -> None:
    bad = {**transaction(1), "points_change": "a lot"}
    warehouse.fake.records[PATH] = [bad, transaction(2)]
    warehouse.run("smile")
    assert ids(warehouse) == [1, 2]
    (row,) = warehouse.rows(
        "select resource, record_id, column_name, reason, payload->>'points_change' "
        "from raw_smile.quarantine"
    )
    reason = "expected a whole number, got other text"
    assert row == ("points_transactions", "1", "points_change", reason, "a lot")


def test_a_wrong_key_names_the_variable_and_nothing_is_loaded(warehouse: Warehouse) -> None:
    warehouse.fake.answers["/smile/earning_rules"] = lambda _: (401, {"error": {}})
    with pytest.raises(ConfigurationError, match="SMILE_API_KEY"):
        warehouse.run("smile")
    assert not warehouse.file.exists()


def test_progress_is_told_per_page_with_what_to_expect(warehouse: Warehouse) -> None:
    warehouse.fake.records[PATH] = [transaction(n) for n in range(1, 6)]
    heard: dict[str, list[tuple[int, int, int | None]]] = {}

    def hear(chain: str, rows: int, pages: int, expected: int | None) -> None:
        heard.setdefault(chain, []).append((rows, pages, expected))

    warehouse.run("smile", observer=hear)
    assert heard["points_transactions"] == [(3, 1, None), (5, 2, None)]
    warehouse.run("smile", observer=hear, reach="full")
    assert heard["points_transactions"][2:] == [(3, 1, 5), (5, 2, 5)]


def test_declared_tables_cover_what_dbt_reads() -> None:
    assert set(smile.TABLES) == {
        "customers", "points_transactions", "reward_fulfillments", "points_products", "vip_tiers",
        "earning_rules", "points_settings", "extracts", "quarantine",
    }  # fmt: skip
