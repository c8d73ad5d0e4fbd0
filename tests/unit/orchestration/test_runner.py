"""Runs of the command in Dagster's books."""

from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._utils.error import SerializableErrorInfo
from rich.console import Console

from orchestration.cli.screen import RunScreen
from orchestration.runner import (
    INVOCATION_TAG,
    RunOutcome,
    _Follower,
    close_orphans,
    explain_failure,
    explain_run_failure,
)


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    nothing()


@dg.op
def complains(context: dg.OpExecutionContext) -> None:
    """Succeeds, with something to read."""
    context.log.info("all is well")
    context.log.warning("smile was not read")


@dg.job
def complaining() -> None:
    nothing()
    complains()


def test_a_step_that_succeeds_with_a_warning_is_marked_as_such(tmp_path: Path) -> None:
    reports: list[tuple[str, str, str]] = []
    outcome = RunOutcome()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        complaining.execute_in_process(instance=instance, tags={INVOCATION_TAG: "a"})
        follower = _Follower(instance, "a", lambda *report: reports.append(report), outcome)
        follower.catch_up()
    ends = {step: state for step, state, _ in reports if state in ("succeeded", "warned")}
    assert ends == {"nothing": "succeeded", "complains": "warned"}
    assert outcome.warnings == ["smile was not read"]
    console = Console(file=StringIO(), force_terminal=False)
    with RunScreen(console) as screen:
        for report in reports:
            screen.report(*report)
    assert "! complains" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_a_killed_run_of_ours_is_closed_and_one_of_the_ui_is_left_alone(
    tmp_path: Path, status: str
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        cut_at = dg.DagsterRunStatus(status)
        ours = instance.create_run_for_job(idle, tags={INVOCATION_TAG: "a"}, status=cut_at)
        other = instance.create_run_for_job(idle, status=cut_at)
        assert close_orphans(instance) == 1
        statuses = {
            run_id: instance.get_run_by_id(run_id).status  # type: ignore[union-attr]
            for run_id in (ours.run_id, other.run_id)
        }
    assert statuses[ours.run_id] == dg.DagsterRunStatus.FAILURE
    assert statuses[other.run_id] == cut_at


def test_a_step_whose_process_was_killed_is_said_to_be_in_words() -> None:
    name = ChildProcessCrashException.__name__
    error = SerializableErrorInfo(f"dagster.{name}\n", stack=[], cls_name=name)
    event = dg.DagsterEvent(
        "STEP_FAILURE", "doomed", step_key="a", event_specific_data=StepFailureData(error, None)
    )
    assert explain_failure(event).startswith("its process ended without a word")


def test_a_run_whose_steps_could_not_begin_says_why_in_a_line() -> None:
    error = SerializableErrorInfo(
        "During multiprocess execution errors occurred in child processes:\n"
        "In process 7: ModuleNotFoundError: No module named 'psycopg'\n\nStack Trace:\n  File ...",
        stack=[],
        cls_name="DagsterSubprocessError",
    )
    reason = RunFailureReason.RUN_EXCEPTION
    event = dg.DagsterEvent.job_failure("refresh", "An exception was thrown.", reason, error)
    assert str(explain_run_failure(event)).endswith("No module named 'psycopg'")
    assert explain_run_failure(dg.DagsterEvent.job_failure("refresh", "It hung.", reason)) is None
