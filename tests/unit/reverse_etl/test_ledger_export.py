"""What of the ledger is published: counts, times and states, and no payload."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from reverse_etl.arrow_schemas import DELIVERY_SCHEMA, OUTCOME_SCHEMA
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_export import EXPORTS
from reverse_etl.ledger_words import TABLES
from reverse_etl.results import OPERATIONS, OperationCounts

SCOPE = Scope("klaviyo", "profiles")
START = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.duckdb")
    found.start_run(SCOPE, "r1", START, {name: OperationCounts() for name in OPERATIONS})
    return found


@pytest.fixture
def published(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "published.duckdb")) as connection:
        yield connection


def send(ledger: Ledger, seconds: int, *emails: str) -> None:
    rows = [
        {
            "email": email,
            "operation": "add",
            "patch": '{"Loyalty Points Balance":455}',
            "payload_hash": "h",
            "attempt_count": 1,
        }
        for email in emails
    ]
    sent_at = START + timedelta(seconds=seconds)
    ledger.record_sent(SCOPE, "r1", sent_at, pa.Table.from_pylist(rows, schema=DELIVERY_SCHEMA))


def settle(ledger: Ledger, seconds: float, state: str, *emails: str) -> None:
    rows = [
        {
            "email": email,
            "state": state,
            "reason_code": None if state == "accepted" else "refused",
            "reason": None,
        }
        for email in emails
    ]
    now = START + timedelta(seconds=seconds)
    ledger.settle(SCOPE, now, pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA))


def ask(ledger: Ledger, published: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    ledger.export(published)
    return published.execute(query).fetchall()


def test_acceptance_is_timed_from_the_sending_across_folds(
    ledger: Ledger, published: duckdb.DuckDBPyConnection
) -> None:
    send(ledger, 0, "a@shop.se", "b@shop.se", "refused@shop.se")
    settle(ledger, 2.9, "accepted", "a@shop.se")
    settle(ledger, 2.9, "rejected", "refused@shop.se")
    ledger.fold(SCOPE, START)
    send(ledger, 10, "c@shop.se")
    ledger.record_job(SCOPE, "r1", START + timedelta(seconds=10), "job", ["c@shop.se"])
    settle(ledger, 12, "accepted", "c@shop.se")
    ledger.fold(SCOPE, START)
    query = "select run_id, destination, object, seconds, row_count from sync.acceptance_times"
    assert ask(ledger, published, query) == [("r1", "klaviyo", "profiles", 2, 2)]


def test_jobs_are_published_from_the_moment_the_vendor_named_them(
    ledger: Ledger, published: duckdb.DuckDBPyConnection
) -> None:
    send(ledger, 0, "a@shop.se")
    ledger.record_job(SCOPE, "r1", START, "job", ["a@shop.se"])
    query = "select job_id, run_id, status, settled_at, row_count, accepted_count from sync.jobs"
    assert ask(ledger, published, query) == [("job", "r1", "submitted", None, 1, None)]


def test_no_payload_is_published_but_one_person_can_be_asked_for(
    ledger: Ledger, published: duckdb.DuckDBPyConnection
) -> None:
    send(ledger, 0, "a@shop.se")
    settle(ledger, 1, "accepted", "a@shop.se")
    ledger.fold(SCOPE, START)
    columns = {name for (name, *_) in ask(ledger, published, "describe sync.profiles")}
    assert "quarantined_at" in columns
    assert "accepted_payload" not in columns
    (person,) = ledger.person(" A@shop.se ")
    assert person["accepted_payload"] == '{"Loyalty Points Balance":455}'


def test_every_published_column_is_put_into_words(
    ledger: Ledger, published: duckdb.DuckDBPyConnection
) -> None:
    silent = ask(
        ledger,
        published,
        "select table_name, column_name from duckdb_columns() "
        "where comment is null and not internal",
    )
    assert silent == []
    assert set(TABLES) == set(EXPORTS)
