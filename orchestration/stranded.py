"""Closes runs that nobody executes any more: `python -m orchestration.stranded`.

Dagster's own launcher keeps no watch over its processes, so a run whose process was killed stays
"started" in the UI for ever. Called where it is certain that no code server of this home is alive:
before `loyalty serve` or `loyalty dev` starts one, and after one has crashed. A process of its own,
so that the supervisor need not import Dagster.
"""

import sys
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from orchestration.home import Home
from orchestration.runner import INVOCATION_TAG, close_orphans

_ALIVE = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def close_stranded_runs(home: Home) -> int:
    """Mark as failed whatever a dead code server was executing; runs closed.

    Runs that the `loyalty` command executes are left alone while one of them is alive.
    """
    closed = 0
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=_ALIVE)):
            if INVOCATION_TAG not in run.tags:
                instance.report_run_failed(run, "The server that executed this run ended.")
                closed += 1
        try:
            with FileLock(home.lock("run"), blocking=False):
                closed += close_orphans(instance)
        except Timeout:
            pass
    return closed


if __name__ == "__main__":
    count = close_stranded_runs(Home(Path(sys.argv[1])))
    if count:
        sys.stdout.write(f"{count} runs whose process had ended were closed as failed\n")
