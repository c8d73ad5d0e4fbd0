"""Near real time: a job that tells what webhooks brought, without a refresh, and its sensor.

    load the inbox -> build what events need -> publish these tables -> tell Klaviyo and Rule

Everything else stays as the last refresh published it. Events of people whom the vendor has from
us go out; those of somebody new wait for the refresh that writes the person. What a refresh takes
along anyway is left to it. Off until somebody switches the sensor on: it reaches real people.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.assets import inbox, syncs
from orchestration.assets.checks import check_keys
from orchestration.assets.publication import KEY as PUBLISHED
from orchestration.audit import EVENTS, untold_since, why_events_wait
from orchestration.event_models import models_of_events
from orchestration.home import Home
from orchestration.inbox import waiting
from orchestration.operations.overlap import GOING_ON, refresh_going_on
from orchestration.operations.schedules import REFRESH_JOB
from orchestration.programs import programs
from orchestration.settings import DESTINATIONS, SOURCES, load_settings

JOB_NAME = "tell_events_job"
# Of the two minutes from a delivery to Klaviyo's acceptance, an eighth at most is spent waiting.
SENSOR_SECONDS = 15
# How the operations of the job differ from those of the refresh.
CONFIG = {
    name: {"config": {"scope": EVENTS}} for name in ("build_models", "__".join(PUBLISHED.path))
}


def keys(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """What the job makes."""
    return [
        *inbox.keys(SOURCES),
        *(dg.AssetKey([node["schema"], node["name"]]) for node in models_of_events(manifest)),
        PUBLISHED,
        *syncs.event_keys(DESTINATIONS),
    ]


def telling_job(
    manifest: Mapping[str, Any], executor: dg.ExecutorDefinition
) -> "dg.UnresolvedAssetJobDefinition":
    """The job that the sensor starts."""
    return dg.define_asset_job(
        JOB_NAME,
        # Reading back is for the night; Dagster would add it to every job that tells.
        selection=dg.AssetSelection.assets(*keys(manifest))
        - dg.AssetSelection.checks(*check_keys()),
        config={"ops": CONFIG},
        description="Load the webhooks that arrived, build and publish the tables of events, and "
        "tell Klaviyo and Rule what is new. Writes no profile and builds nothing else.",
        executor_def=executor,
    )


def telling_sensor() -> dg.SensorDefinition:
    """Starts the job when webhooks wait, or were loaded and are not told."""

    @dg.sensor(
        name=inbox.TELLING_SENSOR_NAME,
        job_name=JOB_NAME,
        minimum_interval_seconds=SENSOR_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Tells Klaviyo and Rule within two minutes what webhooks bring. Off until "
        "somebody switches it on: it reaches real people. Leaves webhooks to a refresh that is "
        "going on.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settings = load_settings()
        home = Home(settings.home)
        state = _state(home)
        if not state:
            return dg.SkipReason("no webhooks wait")
        if not settings.vendor_events:
            return dg.SkipReason("LOYALTY_VENDOR_EVENTS is off: the daily refresh loads webhooks")
        if reason := _why_not(context.instance, home):
            return dg.SkipReason(reason)
        # The same webhooks are tried again only in the next hour, should a run have failed.
        return dg.RunRequest(run_key="|".join([*state, f"{datetime.now(UTC):%Y-%m-%dT%H}"]))

    return sensor


def _state(home: Home) -> list[str]:
    """What is to be told, as far as it can be seen from outside; empty when there is nothing."""
    found = {program.name: waiting(home, program) for program in programs()}
    state = [
        f"{name}:{each.oldest_ns}:{each.size_bytes}"
        for name, each in found.items()
        if each.segments
    ]
    loaded_at = untold_since(home)
    return state if loaded_at is None else [*state, f"loaded:{loaded_at.isoformat()}"]


def _why_not(instance: dg.DagsterInstance, home: Home) -> str | None:
    refresh = refresh_going_on(instance, home, REFRESH_JOB)
    if refresh is not None:
        return f"refresh {refresh.run_id} is going on and takes the webhooks along"
    if instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME, statuses=GOING_ON), limit=1):
        return "events are being told"
    return why_events_wait(home)
