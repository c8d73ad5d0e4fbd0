"""The marts over the record of deliveries, counted by hand from tests/dbt/deliveries.py."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.dbt.warehouse import Warehouse

FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)


def test_a_day_sums_its_runs_and_says_what_still_waits(shop: Warehouse) -> None:
    row = shop.row(
        "select * from marts.kpi_sync_profiles_daily where day_on = ? and operation = 'add'", SECOND
    )
    assert row == {
        "day_on": SECOND,
        "destination": "klaviyo",
        "object": "profiles",
        "operation": "add",
        "run_count": 2,
        "planned_count": 10,
        "attempted_count": 8,
        "accepted_count": 4,
        "rejected_count": 1,
        "invalid_count": 2,
        "aborted_count": 1,
        "waiting_count": 2,
        "rejected_share": Decimal("0.1000"),
        "invalid_share": Decimal("0.2000"),
    }


def test_a_sync_that_found_nothing_to_do_has_no_shares(shop: Warehouse) -> None:
    row = shop.row("select * from marts.kpi_sync_profiles_daily where operation = 'change'")
    assert (row["run_count"], row["planned_count"]) == (1, 0)
    assert (row["rejected_share"], row["invalid_share"]) == (None, None)


def test_errors_count_on_the_day_they_were_noted_by_rows_and_by_people(shop: Warehouse) -> None:
    rows = shop.rows(
        "select day_on, state, reason_code, row_count, people_count "
        "from marts.kpi_sync_errors_daily order by all"
    )
    assert [tuple(row.values()) for row in rows] == [
        (FIRST, "invalid", "malformed_email", 1, 1),
        (FIRST, "rejected", "invalid", 1, 1),
        (SECOND, "invalid", "malformed_email", 2, 1),
        (SECOND, "invalid", "missing_email", 1, 0),
    ]


def test_half_and_95_percent_are_the_smallest_times_that_so_many_rows_kept(shop: Warehouse) -> None:
    rows = shop.rows(
        "select day_on, accepted_count, median_seconds, p95_seconds, max_seconds "
        "from marts.kpi_sync_acceptance_daily order by day_on"
    )
    # 50 of 99 rows took 1 second; 95 of 99 (96.0 %) at most 2. A run that nobody knows has no day.
    assert [tuple(row.values()) for row in rows] == [(FIRST, 99, 1, 2, 9), (SECOND, 4, 30, 30, 30)]


def test_states_tell_who_is_set_aside(shop: Warehouse) -> None:
    rows = shop.rows("select * from marts.kpi_sync_states order by all")
    assert [tuple(row.values()) for row in rows] == [
        ("klaviyo", "profiles", "accepted", "none", 2, 0),
        ("klaviyo", "profiles", "rejected", "invalid", 1, 1),
        ("rule", "subscribers", "sent", "none", 1, 0),
    ]


def test_nothing_sent_yet_gives_empty_tables(empty_warehouse: Warehouse) -> None:
    for table in ("profiles_daily", "errors_daily", "acceptance_daily", "states"):
        assert empty_warehouse.rows(f"select * from marts.kpi_sync_{table}") == []
