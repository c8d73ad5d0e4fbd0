"""Which refresh is going on: the question that every tick asks before it starts another.

Parts of a refresh (`loyalty build`, an asset picked in the UI) are no refresh: they are short, and
the writer's slot keeps them apart. What counts is whatever replaces the published file.
"""

from datetime import datetime

import dagster as dg
from filelock import FileLock, Timeout

from orchestration.home import Home

PUBLISHED_KEY = dg.AssetKey(["published", "loyalty"])
GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_LOOKED_AT = 50  # runs of the job, newest first; more than a week of any installation


def is_refresh(run: dg.DagsterRun) -> bool:
    """Whether a run of the refresh job replaces the published file."""
    return run.asset_selection is None or PUBLISHED_KEY in run.asset_selection


def refresh_going_on(
    instance: dg.DagsterInstance, home: Home, job_name: str
) -> dg.DagsterRun | None:
    """The refresh that is executed or waits to be, by the `loyalty` command or by Dagster.

    A run of the command whose process was killed is closed here: it would stand in the way until
    the command is typed again.
    """
    # The runner knows the code location, which knows the schedules.
    from orchestration.runner import INVOCATION_TAG, close_orphans

    found = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=GOING_ON), limit=_LOOKED_AT)
    refreshes = [run for run in found if is_refresh(run)]
    if any(INVOCATION_TAG in run.tags for run in refreshes):
        try:
            with FileLock(home.lock("run"), blocking=False):
                close_orphans(instance)
            refreshes = [run for run in refreshes if INVOCATION_TAG not in run.tags]
        except Timeout:
            pass  # it is alive
    return refreshes[0] if refreshes else None


def refresh_since(
    instance: dg.DagsterInstance, job_name: str, moment: datetime
) -> dg.DagsterRun | None:
    """The newest refresh that was begun at `moment` or later and did not fail."""
    found = instance.get_runs(
        dg.RunsFilter(
            job_name=job_name,
            statuses=[*GOING_ON, dg.DagsterRunStatus.SUCCESS],
            created_after=moment,
        ),
        limit=_LOOKED_AT,
    )
    return next((run for run in found if is_refresh(run)), None)
