"""Which refresh is going on: the question that every tick asks before it starts another.

Parts of a refresh (`loyalty build`, an asset picked in the UI) are no refresh: they are short, and
the writer's slot keeps them apart. What counts is whatever replaces the published file.
"""

from datetime import datetime
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from orchestration.home import Home
from vendor_http import LoyaltyError

PUBLISHED_KEY = dg.AssetKey(["published", "loyalty"])
GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Refreshes that people choose in the UI, beside the daily one.
QUICK_REFRESH_JOB = "quick_refresh_job"
FULL_REFRESH_JOB = "full_refresh_job"
_LOOKED_AT = 50  # runs of the job, newest first; more than a week of any installation


def is_refresh(run: dg.DagsterRun) -> bool:
    """Whether a run of a refresh job replaces the published file."""
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

    refreshes = _refreshes(instance, job_name, statuses=GOING_ON)
    if any(INVOCATION_TAG in run.tags for run in refreshes):
        try:
            with FileLock(home.lock("run"), blocking=False):
                close_orphans(instance)
            refreshes = [run for run in refreshes if INVOCATION_TAG not in run.tags]
        except Timeout:
            pass  # it is alive
    return refreshes[0] if refreshes else None


def refuse_beside(instance: dg.DagsterInstance, home: Home, job_name: str) -> None:
    """Refuse a second refresh by the command while Dagster executes one.

    What looks as if it went on although neither `loyalty serve` nor `loyalty dev` is open was cut
    off with them: whichever of them is opened next closes it.

    Raises:
        LoyaltyError: names the run.
    """
    running = refresh_going_on(instance, home, job_name)
    if running is None:
        return
    try:
        with FileLock(home.lock("dev"), blocking=False):
            return
    except Timeout:
        raise LoyaltyError(
            f"Refresh {running.run_id}, which Dagster executes, is going on in {home.root}; wait "
            "for its end, or stop it in the UI, and run again"
        ) from None


def refresh_since(
    instance: dg.DagsterInstance, job_name: str, moment: datetime
) -> dg.DagsterRun | None:
    """The newest refresh that was begun at `moment` or later and did not fail."""
    statuses = [*GOING_ON, dg.DagsterRunStatus.SUCCESS]
    found = _refreshes(instance, job_name, statuses=statuses, created_after=moment)
    return next(iter(found), None)


def _refreshes(instance: dg.DagsterInstance, job_name: str, **chosen: Any) -> list[dg.DagsterRun]:
    """Refreshes by `job_name`, newest first, and then those by the jobs that people choose."""
    return [
        run
        for name in (job_name, QUICK_REFRESH_JOB, FULL_REFRESH_JOB)
        for run in instance.get_runs(dg.RunsFilter(job_name=name, **chosen), limit=_LOOKED_AT)
        if is_refresh(run)
    ]
