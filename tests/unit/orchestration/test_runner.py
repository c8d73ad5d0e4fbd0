"""Runs of the command in Dagster's books."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._utils.error import SerializableErrorInfo

from orchestration.runner import (
    INVOCATION_TAG,
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
