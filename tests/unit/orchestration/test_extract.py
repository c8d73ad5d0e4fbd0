"""A programme's extraction as a run sees it: continued, caught up, counted, and left out."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from loyalty_fakes import NOW, FakeVendors, running_fake

from dlt_sources.errors import ImplausibleListingError
from orchestration.assets.extraction import _figures, summary
from orchestration.extract import Extracted, extract
from orchestration.home import Home
from orchestration.programs import Program
from orchestration.settings import load_settings
from vendor_http import VendorUnavailableError

SMILE = Program("smile", "smile")
LEDGER = "/smile/points_transactions"
CUSTOMERS = "/smile/customers"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeVendors]:
    with running_fake() as server:
        monkeypatch.setenv("LOYALTY_HOME", str(tmp_path))
        monkeypatch.setenv("SMILE_API_KEY", "api_secret")
        monkeypatch.setenv("SMILE_BASE_URL", f"{server.base_url}/smile")
        monkeypatch.setenv("SMILE_REQUESTS_PER_SECOND", "100000")
        server.records[CUSTOMERS] = [
            {"id": n, "points_balance": n, "updated_at": "2026-11-01T00:00:00.000Z"}
            for n in range(1, 8)
        ]
        server.records[LEDGER] = [
            {"id": n, "points_change": n, "updated_at": "2026-11-01T00:00:00.000Z"}
            for n in range(1, 8)
        ]
        yield server


def run(now: datetime = NOW, **options: Any) -> Extracted:
    settings = load_settings()
    return extract(SMILE, settings, Home(settings.home), now, lambda _: None, **options)


def rows(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(Home(load_settings().home).warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def fail_on_page(fake: FakeVendors, number: int) -> None:
    """The ledger's page `number` and all later ones answer 500."""
    asked = 0

    def answer(parameters: Any) -> tuple[int, Any]:
        nonlocal asked
        asked += 1
        if asked >= number:
            return 500, {}
        del fake.answers[LEDGER]
        try:
            return fake.answer(LEDGER, dict(parameters))
        finally:
            fake.answers[LEDGER] = answer

    fake.answers[LEDGER] = answer


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


@pytest.mark.usefixtures("no_pauses")
def test_a_run_after_a_failure_asks_only_for_what_is_missing(fake: FakeVendors) -> None:
    fail_on_page(fake, 2)
    with pytest.raises(VendorUnavailableError, match="GET /points_transactions"):
        run()
    fake.answers.clear()
    fake.asked.clear()
    done = run()
    assert done.is_continued
    assert [entry.get("cursor") for entry in fake.parameters(LEDGER)] == ["5", "2"]
    assert fake.parameters(CUSTOMERS) == [], "it was read completely the first time"
    assert rows("select count(*), count(distinct id) from raw_smile.points_transactions") == [
        (7, 7)
    ]


@pytest.mark.usefixtures("no_pauses")
def test_what_was_interrupted_yesterday_is_finished_and_then_caught_up(fake: FakeVendors) -> None:
    fail_on_page(fake, 2)
    with pytest.raises(VendorUnavailableError):
        run()
    fake.answers.clear()
    fake.records[CUSTOMERS][0] |= {"points_balance": 99, "updated_at": "2026-11-21T20:00:00.000Z"}
    done = run(NOW + timedelta(hours=20))
    assert done.is_continued
    assert rows("select points_balance from raw_smile.customers where id = '1'") == [(99,)]
    modes = "select mode from raw_smile.extracts where resource = 'customers' order by extract_id"
    assert rows(modes) == [("full",), ("incremental",)]


def test_each_table_tells_what_changed_and_what_it_cost(fake: FakeVendors) -> None:
    first = run()
    assert first.changes["customers"].new == 7
    fake.records[CUSTOMERS][0]["points_balance"] = 50
    fake.records[CUSTOMERS][1]["points_balance"] = "many"
    del fake.records[CUSTOMERS][6]
    fake.records[CUSTOMERS].append({"id": 9, "points_balance": 9})
    done = run()
    figures = _figures(done, "customers")
    assert {name: figures[name] for name in figures if name.startswith(("rows_", "values_"))} == {
        "rows_this_run": 7,
        "rows_new": 1,
        "rows_changed": 2,
        "rows_unchanged": 4,
        "rows_deleted": 1,
        "values_quarantined": 1,
    }
    assert figures["requests"] == len(fake.parameters(CUSTOMERS)) / 2
    assert (figures["retries"], figures["answers_429"]) == (0, 0)
    assert figures["bytes_received"] > 100
    assert "requests" not in _figures(done, "quarantine")
    told = summary(done, "raw_smile")
    assert "1 new, 2 changed, 1 deleted" in told
    assert "did not fit and are in raw_smile.quarantine: 1" in told


def test_a_shop_that_comes_back_nearly_empty_stops_until_somebody_says_so(
    fake: FakeVendors,
) -> None:
    run()
    del fake.records[CUSTOMERS][2:]
    with pytest.raises(ImplausibleListingError, match=r"2 rows, where 7 were known.*allow-shrink"):
        run()
    assert rows("select max(extract_id) = min(extract_id) from raw_smile.customers") == [(True,)]
    done = run(allow_shrink=True)
    assert done.changes["customers"].deleted == 5


def test_a_sweep_is_due_by_the_products_clock(
    fake: FakeVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_SWEEP_DAYS", "3")
    for day in (0, 1, 2, 3, 4):
        run(NOW + timedelta(days=day))
    ledger = "select mode from raw_smile.extracts where resource = 'points_transactions'"
    assert rows(f"{ledger} order by extract_id") == [
        ("full",), ("incremental",), ("incremental",), ("full",), ("incremental",),
    ]  # fmt: skip


def test_a_vendor_without_key_is_left_out_and_its_tables_exist(
    fake: FakeVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMILE_API_KEY")
    done = run()
    assert done.left_out
    assert fake.asked == []
    assert rows("select count(*) from raw_smile.customers") == [(0,)]
