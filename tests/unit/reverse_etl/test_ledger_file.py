"""Who may use the ledger when: a sync that stays in it lets others in, and folds as it goes."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from reverse_etl import ledger as ledger_module
from reverse_etl.arrow_schemas import DELIVERY_SCHEMA, OUTCOME_SCHEMA
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.results import OPERATIONS, OperationCounts

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
SCOPE = Scope("klaviyo", "profiles")


def send(ledger: Ledger, *emails: str) -> None:
    row = {"operation": "add", "patch": '{"a":1}', "payload_hash": "h", "attempt_count": 1}
    rows = [{"email": email, **row} for email in emails]
    ledger.record_sent(SCOPE, "run", NOW, pa.Table.from_pylist(rows, schema=DELIVERY_SCHEMA))


def settle(ledger: Ledger, state: str, *emails: str) -> None:
    rows = [{"email": email, "state": state} for email in emails]
    ledger.settle(SCOPE, NOW, pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA))


def test_a_sync_that_stays_in_the_ledger_lets_others_in(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    staying, other = Ledger(path), Ledger(path, lock_seconds=60)
    with staying.lingering():
        send(staying, "a@shop.se")
        with other.open() as db:
            assert db.execute("select count(*) from deliveries").fetchone() == (1,)
        send(staying, "b@shop.se")
        with other.locked(), duckdb.connect(str(path), read_only=True) as db:
            assert db.execute("select count(*) from deliveries").fetchone() == (2,)
    assert not Path(f"{path}.wanted").exists()


def test_two_who_wait_both_get_in(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    staying = Ledger(path)
    seen: list[int] = []

    def look() -> None:
        with Ledger(path, lock_seconds=60).open() as db:
            seen.append(len(db.execute("select email from deliveries").fetchall()))

    with staying.lingering():
        send(staying, "a@shop.se")
        waiting = [threading.Thread(target=look) for _ in range(2)]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join(timeout=60)
    assert seen == [1, 1]


def test_a_sync_without_anything_to_write_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.ledger_file._IDLE_SECONDS", 0.0)
    path = tmp_path / "ledger.duckdb"
    staying = Ledger(path)
    with staying.lingering():
        send(staying, "a@shop.se")
        deadline = time.monotonic() + 60
        while staying._connection is not None and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        with duckdb.connect(str(path)) as db:  # even without asking
            assert db.execute("select count(*) from deliveries").fetchone() == (1,)


def test_what_is_folded_while_a_run_goes_on_stays_counted_when_it_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "FOLD_ROWS", 2)
    ledger = Ledger(tmp_path / "ledger.duckdb")
    counts = {name: OperationCounts(planned=5 if name == "add" else 0) for name in OPERATIONS}
    ledger.start_run(SCOPE, "run", NOW, counts)
    send(ledger, "a@shop.se", "b@shop.se")
    settle(ledger, "accepted", "a@shop.se")
    settle(ledger, "rejected", "b@shop.se")
    with ledger.open() as db:
        folded = db.execute("select email, accepted from profiles order by email").fetchall()
        left = db.execute("select count(*) from deliveries").fetchone()
    assert folded == [("a@shop.se", '{"a":1}'), ("b@shop.se", "{}")]
    assert left == (0,)
    send(ledger, "c@shop.se", "d@shop.se")
    settle(ledger, "accepted", "c@shop.se")
    ledger.fold(SCOPE, NOW)  # as the next run does, after a kill
    with ledger.open() as db:
        found = db.execute(
            "select status, attempted_count, accepted_count, rejected_count, aborted_count "
            "from runs where operation = 'add'"
        ).fetchall()
    assert found == [("failed", 4, 2, 1, 2)]
