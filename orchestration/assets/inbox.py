"""The webhook inbox in Dagster: one operation, a table per source, and the sensor that loads it.

The daily refresh loads what arrived before it builds; the sensor does the same within a minute, by
a job that loads the inbox and nothing else. Telling what arrived: `assets.telling`.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType

from dlt_sources.inbox.tables import NAME, TABLES
from orchestration.assets.extraction import column_schema
from orchestration.assets.owners import DATA
from orchestration.context import LoyaltyResource, explained, throttled
from orchestration.home import Home
from orchestration.inbox import LoadedInbox, load_inbox, waiting
from orchestration.programs import Program, programs
from orchestration.settings import load_settings

OPERATION = "load_inbox"
JOB_NAME = "load_inbox_job"
SENSOR_NAME = "webhook_inbox_sensor"
# Of `assets.telling`: where it is on, it loads what it tells, and a second load is in its way.
TELLING_SENSOR_NAME = "loyalty_events_sensor"
# Deliveries are loaded together: half a minute of them, so that what follows is done well within
# two minutes of the delivery and the warehouse is not taken all the time.
SENSOR_SECONDS = 30


def key(program: Program) -> dg.AssetKey:
    """Asset key of a programme's webhooks."""
    return dg.AssetKey([program.dataset, NAME])


def keys(sources: Iterable[str]) -> list[dg.AssetKey]:
    """Asset keys of the webhooks of the named sources."""
    wanted = set(sources)
    return [key(program) for program in programs() if program.source in wanted]


def inbox_assets() -> dg.AssetsDefinition:
    """The webhooks of all programmes, loaded one after the other."""
    by_key = {key(program): program for program in programs()}
    specs = [
        dg.AssetSpec(
            key=each,
            group_name=f"extract_{program.source}",
            kinds={"dlt", "duckdb", program.source},
            owners=DATA,
            tags={"cadence": "daily", "pii": "yes"},
            description=f"One row: {TABLES[program.source].grain}, as `loyalty webhooks` received "
            f"it. Documented at {TABLES[program.source].evidence}",
            metadata={
                "dagster/table_name": f"{program.dataset}.{NAME}",
                "dagster/column_schema": column_schema(TABLES[program.source]),
            },
        )
        for each, program in by_key.items()
    ]

    @dg.multi_asset(name=OPERATION, specs=specs, can_subset=True)
    def load(
        context: dg.AssetExecutionContext, loyalty: LoyaltyResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        step = loyalty.step(context)
        for each, program in by_key.items():
            if each not in context.selected_asset_keys:
                continue
            with explained():
                say = throttled(context.log.info)
                done = load_inbox(program, step.settings, step.home, step.now, say)
            context.log.info(in_words(program, done))
            yield dg.MaterializeResult(
                asset_key=each,
                metadata={
                    "rows_this_run": done.rows,
                    "segments": done.segments,
                    "erased_left_out": done.left_out,
                    "damaged_lines": done.damaged,
                    "values_quarantined": done.quarantined,
                },
            )

    return load


def in_words(program: Program, done: LoadedInbox) -> str:
    """What a load did, in one line."""
    if not done.segments:
        return f"{program.name}: no webhooks waited"
    noun = "webhook" if done.rows == 1 else "webhooks"
    text = f"{program.name}: {done.rows:,} {noun} loaded"
    if done.left_out:
        text += f"; {done.left_out:,} of erased people left out"
    if done.damaged:
        text += f"; lost because the disk damaged their lines: {done.damaged:,}"
    if done.quarantined:
        text += f"; values that did not fit: {done.quarantined:,}, in {program.dataset}.quarantine"
    return text


def inbox_job(executor: dg.ExecutorDefinition) -> "dg.UnresolvedAssetJobDefinition":
    """The job that the sensor starts."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.assets(*(key(program) for program in programs())),
        description="Load the webhooks that arrived. Reads no vendor and sends nothing.",
        executor_def=executor,
    )


def inbox_sensor() -> dg.SensorDefinition:
    """Starts the job when webhooks wait; on from the beginning, for it only loads what is here."""

    @dg.sensor(
        name=SENSOR_NAME,
        job_name=JOB_NAME,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads webhooks within a minute of their arrival. Idle while none arrive.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        home = Home(load_settings().home)
        found = {program.name: waiting(home, program) for program in programs()}
        if not any(each.segments for each in found.values()):
            return dg.SkipReason("no webhooks wait")
        if _is_telling(context.instance):
            return dg.SkipReason(f"left to {TELLING_SENSOR_NAME}, which is on")
        going_on = context.instance.get_run_records(
            dg.RunsFilter(job_name=JOB_NAME, statuses=_GOING_ON), limit=1
        )
        if going_on:
            return dg.SkipReason("webhooks are being loaded")
        # The same files are tried again only in the next hour, should a load have failed.
        state = [f"{name}:{each.oldest_ns}:{each.size_bytes}" for name, each in found.items()]
        return dg.RunRequest(run_key="|".join([*state, f"{datetime.now(UTC):%Y-%m-%dT%H}"]))

    return sensor


def _is_telling(instance: dg.DagsterInstance) -> bool:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return any(
        state.name == TELLING_SENSOR_NAME and state.status is InstigatorStatus.RUNNING
        for state in states
    )


_GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
