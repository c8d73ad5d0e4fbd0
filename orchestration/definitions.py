"""The Dagster code location: assets from each dlt resource to each sync, one job, its schedule.

Nothing is built at import; Dagster calls `defs`. The graph does not depend on which keys are set:
what is not configured is left out when a run reaches it, and says so.
"""

from collections.abc import Sequence
from functools import cache

import dagster as dg

from orchestration import dbt
from orchestration.assets.checks import (
    check_keys,
    read_back_checks,
    read_back_job,
    read_back_schedule,
)
from orchestration.assets.dbt_models import build_assets, delivery_specs
from orchestration.assets.extraction import extraction_assets
from orchestration.assets.inbox import inbox_assets, inbox_job, inbox_sensor
from orchestration.assets.publication import publication_asset
from orchestration.assets.retention import enforce_retention_job, retention_schedule
from orchestration.assets.source_checks import source_checks
from orchestration.assets.syncs import sync_assets
from orchestration.assets.telling import telling_job, telling_sensor
from orchestration.context import LoyaltyResource
from orchestration.home import Home
from orchestration.operations.freshness import with_freshness
from orchestration.operations.jobs import jobs_to_choose
from orchestration.operations.schedules import REFRESH_JOB, refresh_schedule
from orchestration.operations.sensor import alert_sensor
from orchestration.orphans import end_with_parent
from orchestration.programs import programs
from orchestration.settings import load_settings
from orchestration.step_server import PRELOADED

JOB_NAME = REFRESH_JOB
# Extraction of two programmes side by side, then two syncs side by side; more would only queue.
MAX_CONCURRENT_STEPS = 4


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster knows of this product."""
    end_with_parent()  # a run's own process: without its server nobody would watch it
    return dg.Definitions.merge(
        _refresh(check_keys()),
        dg.Definitions(
            asset_checks=read_back_checks(),
            # One step of a second; a process of its own for it took 25 s more on two busy cores.
            jobs=[
                *jobs_to_choose(check_keys(), executor()),
                read_back_job(executor()),
                inbox_job(dg.in_process_executor),
                telling_job(dbt.read_manifest(Home(load_settings().home)), dg.in_process_executor),
                enforce_retention_job,
            ],
            schedules=[
                read_back_schedule(load_settings().timezone),
                retention_schedule(load_settings().timezone),
            ],
            sensors=[inbox_sensor(), telling_sensor(), alert_sensor()],
        ),
    )


def _refresh(beside: Sequence[dg.AssetCheckKey]) -> dg.Definitions:
    """The daily refresh, without the checks `beside` it that the code location has as well."""
    settings = load_settings()
    home = Home(settings.home)
    manifest = dbt.read_manifest(home)
    models = build_assets(dbt.project(home), manifest)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        *(extraction_assets(program) for program in programs()),
        inbox_assets(),
        *delivery_specs(manifest),
        models,
        publication_asset(sorted(models.keys)),
        *sync_assets(),
    ]
    return dg.Definitions(
        assets=[with_freshness(asset, settings) for asset in assets],
        asset_checks=[source_checks(program) for program in programs()],
        jobs=[refresh_loyalty(beside)],
        schedules=[refresh_schedule(settings)],
        resources={"loyalty": LoyaltyResource()},
        executor=executor(),  # of whatever is materialized in the UI without the job
    )


def refresh_loyalty(beside: Sequence[dg.AssetCheckKey]) -> "dg.UnresolvedAssetJobDefinition":
    """The job that does it all: extract → build and test → publish → sync.

    No sync waits for a check that reads back; Dagster refuses to leave out what it does not know.
    """
    everything = dg.AssetSelection.all()
    return dg.define_asset_job(
        JOB_NAME,
        selection=everything - dg.AssetSelection.checks(*beside) if beside else everything,
        description="Extract both programmes, build and test the models, publish them, and push "
        "what changed to Klaviyo and Rule.",
        executor_def=executor(),
    )


def executor() -> dg.ExecutorDefinition:
    """Steps in processes of their own, forked from one that has imported everything already."""
    return dg.multiprocess_executor.configured(
        {
            "max_concurrent": MAX_CONCURRENT_STEPS,
            "start_method": {"forkserver": {"preload_modules": list(PRELOADED)}},
        }
    )


def model_keys() -> list[dg.AssetKey]:
    """Keys of everything that dbt builds."""
    home = Home(load_settings().home)
    return sorted(build_assets(dbt.project(home), dbt.read_manifest(home)).keys)


def refresh_loyalty_job() -> dg.JobDefinition:
    """The resolved job, for runs started by the `loyalty` command."""
    return _resolved_job()


@cache  # building the graph takes seconds; steps are forked from a process that has done it
def _resolved_job() -> dg.JobDefinition:
    # Without the read-backs, which Dagster would add to every part that includes a sync.
    return _refresh(()).resolve_job_def(JOB_NAME)
