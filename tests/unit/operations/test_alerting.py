"""Rounds of alerting over a real Dagster instance: what is told of steps, checks and lateness."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from dagster._utils.error import SerializableErrorInfo

from orchestration.home import Home
from orchestration.operations import watching
from orchestration.operations.alerting import Round, look_and_tell
from orchestration.operations.schedules import REFRESH_JOB, REFRESH_SCHEDULE
from orchestration.operations.sensor import AlertsNotDeliveredError, alert_sensor
from orchestration.operations.watching import last_due
from orchestration.settings import load_settings
from tests.alert_servers import Hook, Mailbox, listening_hook, listening_mailbox

PERSON = "ava.lind@mail.loyalty-sandbox.dev"
PHONE = "+46 70 123 45 67"
CHECK = dg.AssetCheckKey(dg.AssetKey(["klaviyo", "profiles"]), "people_set_aside")


@dataclass
class World:
    """A home, its Dagster instance, and what goes wrong in its runs."""

    instance: dg.DagsterInstance
    home: Home
    step_fails: bool = False
    check_fails: bool = False
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    checks: list[dg.AssetCheckKey] = field(default_factory=lambda: [CHECK])

    def run(self) -> dg.ExecuteInProcessResult:
        """One run of a small product."""

        @dg.asset(
            key=["klaviyo", "profiles"],
            check_specs=[dg.AssetCheckSpec(CHECK.name, asset=CHECK.asset_key)],
        )
        def profiles() -> Iterator[object]:
            yield dg.AssetCheckResult(
                passed=not self.check_fails, severity=self.severity, description=f"of {PERSON}"
            )
            if self.step_fails:
                raise dg.Failure(f"{PERSON} ({PHONE}) could not be written\nat all")
            yield dg.MaterializeResult()

        return dg.materialize([profiles], instance=self.instance, raise_on_error=False)

    def round(self, now: datetime | None = None) -> Round:
        """One round of alerting."""
        return look_and_tell(self.instance, self.home, load_settings(), self.checks, now)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with listening_hook() as opened:
        monkeypatch.setenv("LOYALTY_ALERT_WEBHOOK", opened.address)
        monkeypatch.setenv("LOYALTY_LEAST_DISK_GIB", "0")
        yield opened


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with listening_mailbox() as opened:
        monkeypatch.setenv("LOYALTY_ALERT_EMAIL_TO", "ops@shop.test")
        monkeypatch.setenv("LOYALTY_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("LOYALTY_SMTP_PORT", str(opened.port))
        monkeypatch.setenv("LOYALTY_SMTP_SECURITY", "none")
        yield opened


@pytest.fixture
def world(tmp_path: Path, hook: Hook) -> Iterator[World]:
    home = Home(load_settings().home)
    home.prepare()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield World(instance, home)


def test_a_step_that_fails_again_and_again_is_one_alert_and_its_success_the_end(
    world: World, hook: Hook
) -> None:
    world.run()
    assert world.round().told == 0
    world.step_fails = world.check_fails = True
    first = world.run()
    world.round()
    world.run()
    world.round()
    (text,) = hook.texts
    assert "klaviyo__profiles" in text
    assert first.run_id in text
    assert "marketers" in text
    assert "docs/runbooks/alert-failed-step.md" in text
    world.step_fails = world.check_fails = False
    world.run()
    world.round()
    assert hook.subjects == [
        "*[loyalty] Alert: A step of a run failed*",
        "*[loyalty] Over: a step of a run failed*",
    ]
    assert world.round().book.incidents == {}


def test_an_alert_says_since_when_and_not_when_it_was_noticed(world: World, hook: Hook) -> None:
    world.step_fails = True
    world.run()
    world.step_fails = False
    world.run()
    world.step_fails = True
    first = world.run()
    world.run()
    later = datetime.now(UTC) + timedelta(hours=3)
    (incident,) = world.round(later).book.open
    record = world.instance.get_run_record_by_id(first.run_id)
    assert record is not None
    began_at = record.create_timestamp.astimezone(UTC)
    assert datetime.fromisoformat(incident.opened_at) == began_at
    assert f"Since: {began_at:%Y-%m-%d %H:%M} UTC" in hook.texts[0]
    world.run()
    (incident,) = world.round(later + timedelta(hours=1)).book.open
    assert datetime.fromisoformat(incident.opened_at) == began_at, "and stays so"


def test_a_check_is_red_since_it_failed_first(world: World, hook: Hook) -> None:
    world.run()
    world.check_fails = True
    before = datetime.now(UTC)
    world.run()
    after = datetime.now(UTC)
    world.run()
    (incident,) = world.round(after + timedelta(hours=3)).book.open
    assert before <= datetime.fromisoformat(incident.opened_at) <= after


def test_nobody_is_named_in_an_alert_or_in_the_book(world: World, hook: Hook) -> None:
    world.step_fails = True
    world.run()
    world.round()
    everything = "".join(hook.texts) + (world.home.root / "alerts.json").read_text()
    assert "could not be written at all" in everything
    for secret in (PERSON, "ava.lind", PHONE, "123 45"):
        assert secret not in everything


def test_a_check_that_fails_although_its_step_succeeds_is_told_with_its_own_runbook(
    world: World, hook: Hook
) -> None:
    world.check_fails = True
    world.run()
    world.round()
    (text,) = hook.texts
    assert "docs/runbooks/alert-set-aside.md" in text
    assert PERSON not in text
    world.severity = dg.AssetCheckSeverity.WARN
    world.run()
    world.round()
    assert hook.subjects[1:] == ["*[loyalty] Over: a vendor refuses too many people*"], (
        "a warning is no alert"
    )


@dg.job(name=REFRESH_JOB)
def refresh() -> None:
    """A refresh in Dagster's books; it is never executed."""


def test_a_run_whose_process_was_killed_is_told_and_its_successor_ends_it(
    world: World, hook: Hook
) -> None:
    killed = world.instance.create_run_for_job(refresh, status=dg.DagsterRunStatus.STARTED)
    assert world.round().told == 0, "it goes on"
    world.instance.report_run_failed(killed)
    world.round()
    assert "without a word" in hook.texts[0]
    world.instance.create_run_for_job(refresh, status=dg.DagsterRunStatus.SUCCESS)
    world.round()
    assert len(hook.texts) == 2


def test_a_run_of_which_no_step_could_begin_is_told_with_the_reason(
    world: World, hook: Hook
) -> None:
    failed = world.instance.create_run_for_job(refresh, status=dg.DagsterRunStatus.STARTED)
    error = SerializableErrorInfo("No module named 'psycopg'\n\nStack Trace:\n …", [], "Error")
    world.instance.report_run_failed(
        failed, job_failure_data=JobFailureData(error, failure_reason=RunFailureReason.UNKNOWN)
    )
    world.round()
    assert "No module named 'psycopg'" in hook.texts[0]
    assert "Stack" not in hook.texts[0]


def test_a_channel_that_fails_loses_nothing_and_is_told_to_the_other(
    world: World, hook: Hook, box: Mailbox
) -> None:
    hook.status = 500
    world.step_fails = True
    world.run()
    first = world.round()
    assert first.told == 1
    assert "500" in first.problems[0]
    world.round()
    world.round()
    assert box.subjects == [
        "[loyalty] Alert: A step of a run failed",
        "[loyalty] Alert: Alerts cannot be delivered",
    ]
    context = dg.build_sensor_context(instance=world.instance)
    with pytest.raises(AlertsNotDeliveredError, match="500"):
        alert_sensor()(context)
    hook.status = 200
    assert world.round().problems == ()
    world.round()
    assert hook.subjects == [  # of its own silence it hears once, when that is over
        "*[loyalty] Alert: A step of a run failed*",
        "*[loyalty] Over: alerts cannot be delivered*",
    ]
    assert box.subjects[2:] == ["[loyalty] Over: alerts cannot be delivered"]


def test_old_data_are_told_unless_a_failed_step_is_why(world: World, hook: Hook) -> None:
    world.run()
    later = datetime.now(UTC) + timedelta(hours=31)
    assert [i.trouble.kind for i in world.round(later).book.open] == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KLAVIYO_API_KEY", "pk_test")
        world.step_fails = True
        world.run()
        (incident,) = world.round(later).book.open
        assert incident.trouble.kind == "failed_step", "one trouble, one alert"
        world.step_fails = False
        world.run()
        (incident,) = world.round(datetime.now(UTC) + timedelta(hours=31)).book.open
        assert incident.trouble.key == "stale_data:synced_klaviyo"
        world.run()
        assert world.round().book.open == []


def test_a_programme_is_as_old_as_what_was_read_of_it(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(str(world.home.audited)) as db:
        db.execute("create schema marts")
        db.execute(
            "create table marts.audit_sources as "
            "select 'smile' as program, timestamp '2026-11-20 05:15:00' as read_at"
        )
    monkeypatch.setenv("SMILE_API_KEY", "key")
    monkeypatch.setenv("LOYALTY_NOW", "2026-11-21T11:15:00Z")
    assert world.round().book.open == []
    monkeypatch.setenv("LOYALTY_NOW", "2026-11-21T11:16:00Z")
    (incident,) = world.round().book.open
    assert incident.trouble.key == "stale_data:raw_smile"
    noticed = datetime.now(UTC) - datetime.fromisoformat(incident.opened_at)
    assert noticed >= timedelta(minutes=1), "it grew too old a minute before"
    assert "30 hours ago" in incident.trouble.what


def test_a_schedule_that_is_on_and_does_not_tick_is_missed(world: World, hook: Hook) -> None:
    due = last_due(load_settings(), datetime.now(UTC))
    switch_on(world, since=due - timedelta(hours=1))
    assert world.round(due + timedelta(minutes=50)).book.open == [], "it may still come"
    (incident,) = world.round(due + timedelta(minutes=61)).book.open
    assert incident.trouble.kind == "missed_schedule"
    assert f"{due:%Y-%m-%d %H:%M}" in incident.trouble.what
    assert datetime.fromisoformat(incident.opened_at) == due


def test_a_schedule_that_was_switched_on_later_or_is_off_misses_nothing(
    world: World, hook: Hook
) -> None:
    due = last_due(load_settings(), datetime.now(UTC))
    assert world.round(due + timedelta(hours=2)).book.open == []
    switch_on(world, since=due + timedelta(minutes=1))
    assert world.round(due + timedelta(hours=2)).book.open == []


def test_a_full_disk_is_seen_between_runs(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_LEAST_DISK_GIB", "99999999")
    (incident,) = world.round().book.open
    assert incident.trouble.key == "failed_check:published/loyalty:disk_space"
    monkeypatch.setenv("LOYALTY_LEAST_DISK_GIB", "0")
    assert world.round().book.open == []


def test_an_account_that_needs_attention_is_told_in_time(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        watching, "warnings", lambda name, _: ["the revision retires"] * (name == "klaviyo")
    )
    world.round()
    assert "the revision retires" in hook.texts[0]
    assert "alert-account-warning.md" in hook.texts[0]


def switch_on(world: World, since: datetime) -> None:
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(), "loyalty")
    repository = RemoteRepositoryOrigin(location, "__repository__")
    world.instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(repository, REFRESH_SCHEDULE),
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("15 5 * * *", start_timestamp=since.timestamp()),
        )
    )
