"""Runs started by the `loyalty` command: through Dagster, so that the UI shows them too.

Owns the start of a run and the reading of its events; steps report through Dagster's log only.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from orchestration.context import NOW_TAG
from orchestration.definitions import refresh_loyalty_job
from orchestration.home import Home
from orchestration.operations.overlap import refuse_beside
from orchestration.operations.schedules import REFRESH_JOB
from vendor_http import LoyaltyError

RUN = "run"
_POLL_SECONDS = 0.3
INVOCATION_TAG = "loyalty/invocation"
# Dagster's own error message, one name per asset, about a step whose predecessor failed.
_NOT_EXECUTED = "Dependencies for step "
# What Dagster raises for a step whose process is gone; without a message of its own.
_CRASH = "ChildProcessCrashException"

Report = Callable[[str, str, str], None]
"""Called with (step, state, text); state is started, progress, succeeded, warned (succeeded, with
something to read), failed or skipped."""


@dataclass
class RunOutcome:
    """What a run did: metadata by asset key, and what failed, in words.

    Attributes:
        failures: by step; under `RUN` why the run failed where no step did.
    """

    run_id: str = ""
    succeeded: bool = False
    metadata: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def run_assets(
    home: Home,
    report: Report,
    selection: Sequence[dg.AssetKey] | None = None,
    ops_config: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> RunOutcome:
    """Execute the refresh job, or the part of it that makes `selection`, and wait for its end.

    Dagster's folder is ready (`prepare_dagster`).

    Args:
        now: the product's clock for this run; None = the real time. Kept in the run's tags, so that
            the run, and a part of it that is executed again, stay at their moment.

    Raises:
        LoyaltyError: another run started by `loyalty` is going on in this home, or a whole refresh
            is wanted while Dagster executes one.
    """
    try:
        with FileLock(home.lock("run"), blocking=False):
            return _run(home, report, selection, ops_config, now)
    except Timeout:
        raise LoyaltyError(
            f"Another run is going on in {home.root}; wait for its end and run again"
        ) from None


def _run(
    home: Home,
    report: Report,
    selection: Sequence[dg.AssetKey] | None,
    ops_config: Mapping[str, Any] | None,
    now: datetime | None,
) -> RunOutcome:
    invocation = uuid.uuid4().hex[:8]  # short: people see it beside the run
    tags = {INVOCATION_TAG: invocation, **({NOW_TAG: now.isoformat()} if now else {})}
    outcome = RunOutcome()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        close_orphans(instance)
        if selection is None:
            refuse_beside(instance, home, REFRESH_JOB)
        follower = _Follower(instance, invocation, report, outcome)
        ended = threading.Event()
        thread = threading.Thread(target=follower.follow, args=(ended,), daemon=True)
        thread.start()
        try:
            with dg.execute_job(
                dg.reconstructable(refresh_loyalty_job),
                instance=instance,
                run_config={
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    **({"ops": dict(ops_config)} if ops_config else {}),
                },
                tags=tags,
                asset_selection=list(selection) if selection else None,
                raise_on_error=False,
            ) as result:
                outcome.run_id = result.run_id
                outcome.succeeded = result.success
        finally:
            ended.set()
            thread.join()
        follower.catch_up()
    return outcome


def close_orphans(instance: dg.DagsterInstance) -> int:
    """Runs of ours whose process was killed end here; the caller holds the lock, so none is alive.

    Otherwise they would stay "started" in the UI for ever, and those that were only written down
    would count as the refresh of their day.
    """
    alive = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    ours = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=alive))
        if INVOCATION_TAG in run.tags
    ]
    for run in ours:
        instance.report_run_failed(run, "The process of this run ended without a word.")
    return len(ours)


class _Follower:
    """Turns a run's event records into reports and an outcome, each record once."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        invocation: str,
        report: Report,
        outcome: RunOutcome,
    ) -> None:
        self._instance = instance
        self._invocation = invocation
        self._report = report
        self._outcome = outcome
        self._run_id: str | None = None
        self._cursor: str | None = None
        self._warned: set[str] = set()

    def follow(self, ended: threading.Event) -> None:
        while not ended.wait(_POLL_SECONDS):
            self.catch_up()

    def catch_up(self) -> None:
        """Read what has happened since the last call."""
        if self._run_id is None:
            runs = self._instance.get_runs(
                dg.RunsFilter(tags={INVOCATION_TAG: self._invocation}), limit=1
            )
            if not runs:
                return
            self._run_id = runs[0].run_id
        more = True
        while more:
            page = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, limit=500)
            for record in page.records:
                self._take(record.event_log_entry)
            self._cursor, more = page.cursor, page.has_more

    def _take(self, entry: dg.EventLogEntry) -> None:
        step = entry.step_key or ""
        event = entry.dagster_event
        if event is None:
            if entry.user_message.startswith(_NOT_EXECUTED):
                self._report(step, "skipped", "not started, for a step before it failed")
            elif step and entry.user_message:
                self._report(step, "progress", entry.user_message)
                if int(entry.level) >= logging.WARNING:
                    self._outcome.warnings.append(entry.user_message)
                    self._warned.add(step)
            return
        if event.is_step_start:
            self._report(step, "started", "")
        elif event.is_step_success:
            self._report(step, "warned" if step in self._warned else "succeeded", "")
        elif event.is_step_skipped:
            self._report(step, "skipped", "")
        elif event.is_step_failure:
            text = explain_failure(event)
            self._outcome.failures[step] = text
            self._report(step, "failed", text)
        elif event.is_job_failure and not self._outcome.failures:
            self._outcome.failures[RUN] = explain_run_failure(event) or str(event.message)
        elif event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            self._outcome.metadata[tuple(materialization.asset_key.path)] = {
                name: value.value for name, value in materialization.metadata.items()
            }


def explain_failure(event: dg.DagsterEvent) -> str:
    """Why a step failed, in words: of a step-failure event."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "interrupted before it ended; run it again, what was done stays done"
    if error is not None and error.cls_name == _CRASH:
        return (
            "its process ended without a word: killed, out of memory, or crashed (see the end of "
            "the run's log); run it again, what was done stays done"
        )
    return error.message.strip() if error else "failed without a message; see the run's log"


def explain_run_failure(event: dg.DagsterEvent) -> str | None:
    """Why a run failed of which no step says so; None = it ended without a word."""
    error = getattr(event.event_specific_data, "error", None)
    return error.message.partition("\n\nStack Trace")[0].strip() if error else None
