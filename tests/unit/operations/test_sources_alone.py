"""A source fails alone: the rest goes on, nothing is shown as made, the run is red."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dlt_sources.errors import WarehouseLoadError
from orchestration.assets import extraction
from orchestration.assets.source_checks import ANSWERED, NOT_EMPTY, source_checks
from orchestration.context import LoyaltyResource
from orchestration.extract import Extracted
from orchestration.home import Home
from orchestration.operations.sources import (
    Attempt,
    in_words,
    recall,
    remember,
    stale_programs,
)
from orchestration.programs import Program
from orchestration.settings import load_settings
from vendor_http import VendorUnavailableError

# Dagster reads pydantic's old attribute.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
SMILE = Program("smile", "smile")
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
SECRET_PERSON = "ava.lind@mail.loyalty-sandbox.dev"


@dg.asset(deps=[["raw_smile", "customers"]])
def behind() -> None:
    """Stands for the build."""


@pytest.fixture
def home() -> Home:
    home = Home(load_settings().home)
    home.prepare()
    return home


def was_read_before(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as db:
        db.execute("create schema raw_smile")
        db.execute("create table raw_smile.extracts as select 'smile' as program")


def run(
    monkeypatch: pytest.MonkeyPatch, outcome: Extracted | Exception
) -> dg.ExecuteInProcessResult:
    def extract(*_: Any, **__: Any) -> Extracted:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(extraction, "extract", extract)
    return dg.materialize(
        [extraction.extraction_assets(SMILE), source_checks(SMILE), behind],
        resources={"loyalty": LoyaltyResource()},
        raise_on_error=False,
    )


def made(done: dg.ExecuteInProcessResult) -> set[str]:
    return {
        "/".join(event.materialization.asset_key.path)
        for event in done.get_asset_materialization_events()
    }


def checks(done: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in done.get_asset_check_evaluations()}


def failed_steps(done: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {
        str(event.step_key): str(event.step_failure_data.user_failure_data.description)  # type: ignore[union-attr]
        for event in done.all_events
        if event.is_step_failure
    }


def test_a_source_that_answers_makes_its_tables_and_turns_both_checks_green(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    done = run(monkeypatch, Extracted(rows={"customers": 3}))
    assert done.success
    assert {"raw_smile/customers", "behind"} <= made(done)
    assert checks(done) == {ANSWERED: True, NOT_EMPTY: True}


@pytest.mark.parametrize(
    "error",
    [VendorUnavailableError("Smile answers 503"), KeyError(SECRET_PERSON)],
    ids=["vendor", "bug"],
)
def test_a_source_that_fails_lets_the_rest_go_on_and_the_run_is_red(
    monkeypatch: pytest.MonkeyPatch, home: Home, error: Exception
) -> None:
    was_read_before(home)
    done = run(monkeypatch, error)
    assert made(done) == {"behind"}, "no raw table is shown as made"
    assert not done.success
    assert checks(done) == {ANSWERED: False, NOT_EMPTY: True}
    (text,) = failed_steps(done).values()
    assert "smile was not read" in text
    assert "held back" in text
    everything = repr(done.all_events) + (home.root / "sources" / "smile.json").read_text()
    assert SECRET_PERSON not in everything


@pytest.mark.parametrize("error", [WarehouseLoadError("disk full"), VendorUnavailableError("503")])
def test_trouble_with_the_warehouse_or_before_the_first_reading_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, home: Home, error: Exception
) -> None:
    if isinstance(error, WarehouseLoadError):
        was_read_before(home)
    done = run(monkeypatch, error)
    assert made(done) == set()
    assert list(failed_steps(done)) == ["extract_smile"]


def test_an_answer_without_a_single_row_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    done = run(monkeypatch, Extracted())
    assert done.success
    (check,) = [c for c in done.get_asset_check_evaluations() if c.check_name == NOT_EMPTY]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    left_out = run(monkeypatch, Extracted(left_out=True))
    assert checks(left_out) == {ANSWERED: True, NOT_EMPTY: True}


def test_the_last_attempt_survives_and_a_new_one_replaces_it(home: Home) -> None:
    assert recall(home, SMILE) is None
    for attempt in (Attempt("a", NOW.isoformat(), "503"), Attempt("b", NOW.isoformat(), rows=2)):
        remember(home, SMILE, attempt)
        assert recall(home, SMILE) == attempt


def test_a_programme_is_stale_by_the_age_of_the_audited_tables_alone(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    monkeypatch.setenv("LOYALTY_MAX_STALE_HOURS", "20")
    settings = load_settings()
    assert stale_programs(home, settings, NOW) == {}
    audit(home.audited, smile=NOW - timedelta(hours=20, seconds=1), yotpo=NOW - timedelta(hours=20))
    stale = stale_programs(home, settings, NOW)
    assert list(stale) == ["smile"]
    assert in_words(stale) == "smile (last read 2026-11-20 09:59 UTC)"
    assert stale_programs(home, settings, NOW - timedelta(days=9)) == {}, "a day that is run again"


def audit(file: Path, **read_at: datetime) -> None:
    with duckdb.connect(str(file)) as db:
        db.execute("create schema marts")
        db.execute("create table marts.audit_sources (program varchar, read_at timestamp)")
        for program, at in read_at.items():
            db.execute(
                "insert into marts.audit_sources values (?, ?)", [program, at.replace(tzinfo=None)]
            )
