"""Steps that failed and have not succeeded since, read from Dagster's own record of runs.

A step counts, not a run: `loyalty sync klaviyo` mends what the nightly refresh could not do, and an
incident about one step says more than one about a run. A run that ended without any failed step
(its process was killed) counts as a step of its own, named after its job.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.execution.stats import StepEventStatus

# The newest failed runs that are looked at, and the runs after them in which a step may have
# succeeded; whatever is further back keeps the state it had.
_FAILED_RUNS, _LATER_RUNS = 20, 40
RUN_OF = "run_of_"
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


@dataclass(frozen=True)
class FailedStep:
    """A step and its newest failure: `why` may hold whatever the program at fault has said."""

    step: str
    run_id: str
    failed_at: datetime
    why: str


def newest_failures(instance: dg.DagsterInstance) -> dict[str, FailedStep]:
    """The newest failure of each step, whether or not it has succeeded since."""
    found: dict[str, FailedStep] = {}
    for record in _failed_runs(instance):
        for failed in _failed_steps(instance, record):
            found.setdefault(failed.step, failed)
    return found


def first_failure(instance: dg.DagsterInstance, newest: FailedStep) -> datetime:
    """When the run was made since which a step has not succeeded; of the runs that are looked at.

    Args:
        newest: its newest failure, after which it has not succeeded.
    """
    began_at = newest.failed_at
    for record in _failed_runs(instance):
        if record.create_timestamp.astimezone(UTC) >= began_at:
            continue
        if any(failed.step == newest.step for failed in _failed_steps(instance, record)):
            failed_at = record.create_timestamp.astimezone(UTC)
            if has_succeeded_since(instance, newest.step, failed_at):
                break
            began_at = failed_at
    return began_at


def has_succeeded_since(instance: dg.DagsterInstance, step: str, moment: datetime) -> bool:
    """Whether a step succeeded in a run that was made after `moment`."""
    is_run = step.startswith(RUN_OF)
    runs = instance.get_runs(
        dg.RunsFilter(
            job_name=step.removeprefix(RUN_OF) if is_run else None,
            statuses=[dg.DagsterRunStatus.SUCCESS] if is_run else _FINISHED,
            created_after=moment,
        ),
        limit=_LATER_RUNS,
    )
    if is_run:
        return bool(runs)
    return any(
        stats.status is StepEventStatus.SUCCESS
        for run in runs
        for stats in instance.get_run_step_stats(run.run_id, step_keys=[step])
    )


def _failed_runs(instance: dg.DagsterInstance) -> Sequence[dg.RunRecord]:
    """Newest first."""
    return instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_FAILED_RUNS
    )


def _failed_steps(instance: dg.DagsterInstance, record: dg.RunRecord) -> Iterator[FailedStep]:
    # It knows the code location, which knows us.
    from orchestration.runner import explain_failure, explain_run_failure

    run = record.dagster_run
    made_at = record.create_timestamp.astimezone(UTC)
    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failures:
        if entry.dagster_event is not None and entry.step_key:
            yield FailedStep(
                entry.step_key, run.run_id, made_at, explain_failure(entry.dagster_event)
            )
    if not failures:
        why = "the run ended without a word; its process was killed, or the machine went down"
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE):
            why = (entry.dagster_event and explain_run_failure(entry.dagster_event)) or why
        yield FailedStep(f"{RUN_OF}{run.job_name}", run.run_id, made_at, why)
