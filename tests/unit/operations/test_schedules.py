"""The daily refresh: one at a time, a late one made up for once, at the shop's own wall clock."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from filelock import FileLock

from orchestration.home import Home
from orchestration.operations.overlap import (
    FULL_REFRESH_JOB,
    PUBLISHED_KEY,
    QUICK_REFRESH_JOB,
    refuse_beside,
)
from orchestration.operations.schedules import REFRESH_JOB, refresh_schedule, why_not
from orchestration.runner import INVOCATION_TAG
from orchestration.settings import load_settings
from vendor_http import ConfigurationError, LoyaltyError

STARTED = dg.DagsterRunStatus.STARTED


Begin = Callable[..., dg.DagsterRun]
PROFILES_KEY = dg.AssetKey(["klaviyo", "profiles"])


@dg.asset(key=PUBLISHED_KEY)
def published() -> None:
    """Stands for a whole refresh."""


@dg.asset(key=PROFILES_KEY)
def profiles() -> None:
    """Stands for a part of one."""


@pytest.fixture(scope="module")
def refresh() -> dg.JobDefinition:
    job = dg.define_asset_job(REFRESH_JOB, selection=dg.AssetSelection.all())
    definitions = dg.Definitions(assets=[published, profiles], jobs=[job])
    return definitions.resolve_job_def(REFRESH_JOB)


@pytest.fixture
def home() -> Home:
    home = Home(load_settings().home)
    home.prepare()
    return home


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def begin(instance: dg.DagsterInstance, refresh: dg.JobDefinition) -> Begin:
    def create(
        status: dg.DagsterRunStatus = STARTED,
        selection: frozenset[dg.AssetKey] | None = None,
        **tags: str,
    ) -> dg.DagsterRun:
        return instance.create_run_for_job(
            refresh, tags=tags, status=status, asset_selection=selection
        )

    return create


@pytest.mark.parametrize("name", [QUICK_REFRESH_JOB, FULL_REFRESH_JOB])
def test_a_refresh_that_somebody_chose_is_a_refresh_too(
    name: str, instance: dg.DagsterInstance, home: Home
) -> None:
    job = dg.define_asset_job(name, selection=dg.AssetSelection.all())
    definitions = dg.Definitions(assets=[published, profiles], jobs=[job])
    chosen = instance.create_run_for_job(definitions.resolve_job_def(name), status=STARTED)
    assert chosen.run_id in (why_not(instance, home, just_now()) or "")


def just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=5)


def test_a_tick_with_nothing_in_its_way_starts_a_refresh(
    instance: dg.DagsterInstance, home: Home
) -> None:
    assert why_not(instance, home, just_now()) is None


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, STARTED])
def test_a_tick_during_a_refresh_is_skipped_and_names_the_run(
    instance: dg.DagsterInstance, home: Home, begin: Begin, status: dg.DagsterRunStatus
) -> None:
    running = begin(status)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert running.run_id in (why_not(instance, home, tomorrow) or "")
    instance.report_run_canceled(running)
    assert why_not(instance, home, tomorrow) is None


def test_the_schedule_says_so_in_the_ui(
    instance: dg.DagsterInstance, home: Home, begin: Begin
) -> None:
    running = begin()
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime.now(UTC)
    )
    outcome = refresh_schedule(load_settings()).evaluate_tick(context)
    assert not outcome.run_requests
    assert running.run_id in str(outcome.skip_message)


def test_a_late_tick_is_left_out_when_somebody_was_quicker(
    instance: dg.DagsterInstance, home: Home, begin: Begin
) -> None:
    due_at = datetime.now(UTC) - timedelta(hours=3)
    done = begin()
    instance.report_run_failed(done)
    assert why_not(instance, home, due_at) is None, "a refresh that failed made up for nothing"
    done = begin(dg.DagsterRunStatus.SUCCESS)
    reason = why_not(instance, home, due_at)
    assert reason is not None
    assert done.run_id in reason


def test_a_part_of_a_refresh_stands_in_nobodys_way_but_a_publication_does(
    instance: dg.DagsterInstance, home: Home, begin: Begin
) -> None:
    part = begin(selection=frozenset({PROFILES_KEY}))
    assert why_not(instance, home, just_now()) is None
    instance.report_run_canceled(part)
    whole = begin(selection=frozenset({PUBLISHED_KEY}))
    assert whole.run_id in (why_not(instance, home, just_now()) or "")


def test_a_killed_run_of_the_command_blocks_no_tick_and_a_living_one_does(
    instance: dg.DagsterInstance, home: Home, begin: Begin
) -> None:
    ours = begin(**{INVOCATION_TAG: "a"})
    with FileLock(home.lock("run")):
        assert ours.run_id in (why_not(instance, home, just_now()) or "")
    assert why_not(instance, home, just_now()) is None
    closed = instance.get_run_by_id(ours.run_id)
    assert closed is not None
    assert closed.status is dg.DagsterRunStatus.FAILURE


def test_the_command_starts_no_refresh_beside_one_of_a_living_server(
    instance: dg.DagsterInstance, home: Home, begin: Begin
) -> None:
    refuse_beside(instance, home, REFRESH_JOB)
    running = begin()
    with (
        FileLock(home.lock("dev")),
        pytest.raises(LoyaltyError, match=running.run_id),
    ):
        refuse_beside(instance, home, REFRESH_JOB)
    refuse_beside(instance, home, REFRESH_JOB)  # its server was cut off with it


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
def test_the_refresh_keeps_its_wall_clock_time_over_the_changes_of_the_clock(
    monkeypatch: pytest.MonkeyPatch, day: str
) -> None:
    monkeypatch.setenv("LOYALTY_REFRESH_AT", "02:30")
    monkeypatch.setenv("LOYALTY_TIMEZONE", "Europe/Stockholm")
    schedule = refresh_schedule(load_settings())
    assert schedule.execution_timezone == "Europe/Stockholm"
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    from dagster._utils.schedules import schedule_execution_time_iterator

    ticks = schedule_execution_time_iterator(
        start.timestamp(), str(schedule.cron_schedule), "Europe/Stockholm", ascending=True
    )
    local = [next(ticks).astimezone(ZoneInfo("Europe/Stockholm")) for _ in range(3)]
    assert len({tick.date() for tick in local}) == 3, "one refresh a day"
    assert {f"{tick:%H:%M}" for tick in local} <= {"02:30", "03:00"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOYALTY_REFRESH_AT", "25:00"), ("LOYALTY_REFRESH_AT", "5"), ("LOYALTY_TIMEZONE", "Mars")],
)
def test_a_time_or_zone_that_does_not_exist_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()
