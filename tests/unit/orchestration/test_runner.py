"""Runs of the command in Dagster's books."""

from pathlib import Path

import dagster as dg

from orchestration.runner import INVOCATION_TAG, close_orphans


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    nothing()


def test_a_killed_run_of_ours_is_closed_and_one_of_the_ui_is_left_alone(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        started = dg.DagsterRunStatus.STARTED
        ours = instance.create_run_for_job(idle, tags={INVOCATION_TAG: "a"}, status=started)
        other = instance.create_run_for_job(idle, status=started)
        close_orphans(instance)
        statuses = {
            run_id: instance.get_run_by_id(run_id).status  # type: ignore[union-attr]
            for run_id in (ours.run_id, other.run_id)
        }
    assert statuses[ours.run_id] == dg.DagsterRunStatus.FAILURE
    assert statuses[other.run_id] == started
