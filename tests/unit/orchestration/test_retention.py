"""What was kept long enough ends, what is younger stays, and what is needed never goes."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from filelock import FileLock

from dlt_sources.inbox.segments import LOADED, SEALED, make_folders
from orchestration.home import Home
from orchestration.retention import KINDS, enforce
from orchestration.settings import load_settings, variable_names
from orchestration.tombstones import Tombstones
from reverse_etl.ledger import Ledger
from reverse_etl.ledger_retention import delete_records

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
OF_THE_LEDGER = ("rejections", "jobs", "acceptance_times", "plan_sizes", "read_back_drift")
NEEDED = ("profiles", "deliveries", "events", "event_deliveries")


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    nothing()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(home.dagster)) as instance:
        yield instance


def after(home: Home, instance: dg.DagsterInstance, days: float) -> dict[str, int]:
    """Enforce, so many days from now."""
    later = NOW + timedelta(days=days)
    return enforce(load_settings(), home, instance, later, lambda _line: None)


def age(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text("something")
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (moment, moment))
    return path


def test_runs_end_with_their_logs_and_only_when_they_are_over(
    home: Home, instance: dg.DagsterInstance
) -> None:
    done = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.SUCCESS).run_id
    going_on = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED).run_id
    instance.report_engine_event("somebody's name", run_id=done, job_name="idle")
    log = age(home.dagster / "storage" / done / "compute_logs" / "a.err", 0)
    kept = load_settings().keep_run_days
    assert after(home, instance, kept - 1)["runs of Dagster with their logs"] == 0
    assert after(home, instance, kept + 1)["runs of Dagster with their logs"] == 1
    assert instance.get_run_by_id(done) is None
    assert instance.get_run_by_id(going_on) is not None
    assert not log.exists()
    books = [path.read_bytes() for path in home.dagster.rglob("*.db")]
    assert not any(done.encode() in book and b"somebody's name" in book for book in books)


def test_records_of_deliveries_end_and_what_vendors_hold_stays(
    home: Home, instance: dg.DagsterInstance
) -> None:
    old, young = (NOW - timedelta(days=days) for days in (740, 20))
    with Ledger(home.ledger).open() as db:
        for name, moment in (("old", old), ("young", young)):
            at = moment.replace(tzinfo=None)
            for table in (*OF_THE_LEDGER, *NEEDED, "runs", "read_backs"):
                row = {}
                for column, kind, null in db.execute(
                    f"select column_name, data_type, is_nullable from information_schema.columns "
                    f"where table_name = '{table}'"
                ).fetchall():
                    if column in ("run_id", "read_back_id", "email", "event_id"):
                        row[column] = name
                    elif kind == "TIMESTAMP":
                        row[column] = at
                    elif null == "NO" or column == "status":
                        row[column] = {"VARCHAR": "{}", "BOOLEAN": False}.get(kind, 0)
                marks = ", ".join("?" for _ in row)
                db.execute(
                    f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values())
                )
    assert after(home, instance, 0)["records of deliveries"] == len(OF_THE_LEDGER) + 2
    with Ledger(home.ledger).open() as db:
        for table in (*OF_THE_LEDGER, "runs", "read_backs"):
            key = "read_back_id" if table.startswith("read_back") else "run_id"
            if table == "jobs":
                key = "run_id"
            assert db.execute(f"select {key} from {table}").fetchall() == [("young",)], table
        for table in NEEDED:
            count = db.execute(f"select count(*) from {table}").fetchone()
            assert count == (2,), f"{table} keeps vendors from being written to twice"
    assert delete_records(Ledger(home.ledger), old) == {}


def test_values_set_aside_end(home: Home, instance: dg.DagsterInstance) -> None:
    with duckdb.connect(str(home.warehouse)) as db:
        db.execute("create schema raw_smile; create schema staging")
        for schema in ("raw_smile", "staging"):
            db.execute(
                f"create table {schema}.quarantine as select * from (values "
                "('old', now() - interval 200 day), ('young', now() - interval 100 day)"
                ") as t (payload, seen_at)"
            )
    assert after(home, instance, 0)["values set aside"] == 1
    with duckdb.connect(str(home.warehouse)) as db:
        assert db.execute("select payload from raw_smile.quarantine").fetchall() == [("young",)]
        count = db.execute("select count(*) from staging.quarantine").fetchone()
    assert count == (2,), "only what extraction set aside is its business"


def test_webhooks_as_they_came_end_when_loaded_and_wait_otherwise(
    home: Home, instance: dg.DagsterInstance
) -> None:
    inbox = home.inbox("yotpo")
    make_folders(inbox)
    old = int((NOW - timedelta(days=31)).timestamp() * 1e9)
    young = int((NOW - timedelta(days=29)).timestamp() * 1e9)
    for folder in (SEALED, LOADED):
        for moment in (old, young):
            (inbox / folder / f"{moment:020d}.jsonl").touch()
    assert after(home, instance, 0)["webhooks as they came"] == 1
    left = [path.relative_to(inbox).parts[0] for path in inbox.rglob("*.jsonl")]
    assert sorted(left) == [LOADED, SEALED, SEALED]


def test_leftovers_end(home: Home, instance: dg.DagsterInstance) -> None:
    days = load_settings().keep_leftover_days
    old = [
        age(home.root / "simulations" / "a.duckdb", days + 1),
        age(home.spool("smile") / "1" / "chunk.arrow", days + 1),
        age(home.root / "replaced-20260101T000000Z" / "ledger.duckdb", days + 1),
        age(home.run_log.parent / "last_error.log", load_settings().keep_run_days + 1),
    ]
    age(home.root / "replaced-20260101T000000Z", days + 1)
    young = [
        age(home.root / "simulations" / "b.duckdb", days - 1),
        age(home.spool("yotpo") / "1" / "chunk.arrow", days - 1),
        age(home.root / "replaced-20260102T000000Z" / "ledger.duckdb", days + 1),
        age(home.run_log, 1),
    ]
    after(home, instance, 0)
    assert [path.exists() for path in (*old, *young)] == [False] * 4 + [True] * 4


def test_an_extraction_that_is_at_work_keeps_its_files(
    home: Home, instance: dg.DagsterInstance
) -> None:
    chunk = age(home.spool("smile") / "1" / "chunk.arrow", 100)
    with FileLock(home.lock("extract_smile")):
        after(home, instance, 0)
    assert chunk.exists()


def test_tombstones_never_end(home: Home, instance: dg.DagsterInstance) -> None:
    with Tombstones.changing(home) as tombstones:
        tombstones.add(tombstones.name("a@shop.test"), ["a@shop.test"], [], NOW)
    age(home.tombstones, 9_000)
    after(home, instance, 9_000)
    assert Tombstones.read(home).of_email("a@shop.test")


def test_a_clock_that_looks_ahead_deletes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.assets.retention import enforce_retention_job

    monkeypatch.setenv("LOYALTY_HOME", str(home.root))
    monkeypatch.setenv("LOYALTY_NOW", "2099-01-01T00:00:00Z")
    kept = age(home.root / "simulations" / "a.duckdb", 1)
    result = enforce_retention_job.execute_in_process()
    assert result.success
    assert kept.exists()


def test_every_kind_and_its_setting_are_written_down_for_people() -> None:
    page = (ROOT / "docs" / "personal_data.md").read_text()
    for kind, (field, _) in KINDS.items():
        assert kind in page, f"docs/personal_data.md does not name: {kind}"
        assert variable_names()[field] in page
