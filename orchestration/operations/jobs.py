"""The jobs that people launch in the UI: one for each thing they want, so that nobody writes YAML.

Dagster's launchpad is a text field. What an operator chooses in it is how much is read, and whether
a plan beyond a guard may go out; each choice is a job of its own here, launched by one button.
Everything else about a run is a setting.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg

from orchestration.activate import EVENT_SYNCS, SYNCS
from orchestration.assets import syncs
from orchestration.assets.extraction import operation_name
from orchestration.operations.overlap import FULL_REFRESH_JOB, QUICK_REFRESH_JOB
from orchestration.programs import programs

APPROVED_SYNC_JOB = "approved_sync_job"


class Refresh(NamedTuple):
    """A way to refresh; `reach` as in `ExtractConfig`."""

    reach: str
    description: str


OTHER_REFRESHES = {
    QUICK_REFRESH_JOB: Refresh(
        "quick",
        "The refresh for between the daily ones: reads only what changed since the last run, so "
        "that the deleted are not seen; then builds, publishes and pushes as ever.",
    ),
    FULL_REFRESH_JOB: Refresh(
        "full",
        "The refresh that reads everything from the beginning: after a vendor changed something, "
        "or when the tables are in doubt. Takes as long as the first load.",
    ),
}


def jobs_to_choose(
    beside: Sequence[dg.AssetCheckKey], executor: dg.ExecutorDefinition
) -> "list[dg.UnresolvedAssetJobDefinition]":
    """All but the daily refresh.

    Args:
        beside: checks that belong to none of them.
    """
    others = dg.AssetSelection.checks(*beside)
    extractions = [operation_name(program) for program in programs()]
    told = [sync.step for sync in (*SYNCS, *EVENT_SYNCS)]
    made = syncs.keys({sync.destination for sync in SYNCS})
    return [
        *(
            dg.define_asset_job(
                name,
                selection=dg.AssetSelection.all() - others,
                description=refresh.description,
                config=_config(extractions, {"reach": refresh.reach}),
                executor_def=executor,
            )
            for name, refresh in OTHER_REFRESHES.items()
        ),
        dg.define_asset_job(
            APPROVED_SYNC_JOB,
            selection=dg.AssetSelection.assets(*made) - others,
            description="Send what a guard held back, to every destination: look at `loyalty "
            "plan` before, for this reaches real people. Reads and builds nothing.",
            config=_config(told, {"approve": True}),
            executor_def=executor,
        ),
    ]


def _config(operations: Sequence[str], config: Mapping[str, Any]) -> dict[str, Any]:
    return {"ops": {name: {"config": dict(config)} for name in operations}}
