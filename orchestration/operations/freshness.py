"""How old each layer may be, and which is older: in the UI, and for alerts.

The UI shows Dagster's freshness policies, which count from an asset's last materialization. Alerts
ask the audited tables when each programme was read, because a materialization proves only that a
step ran; of the layers behind, the materialization is all there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from dlt_sources.inbox.tables import NAME as WEBHOOKS
from orchestration.activate import SYNCS
from orchestration.home import Home
from orchestration.operations.overlap import PUBLISHED_KEY
from orchestration.operations.sources import read_times
from orchestration.programs import clock, programs
from orchestration.settings import Settings

# Refreshed by every run. Others are older for good reasons: seeds change with a release, webhooks
# are loaded when some arrive, quarantine fills when something is wrong.
LAYERS = ("raw_smile", "raw_yotpo", "marts", "activation", "published", "klaviyo", "rule")
_WHOLE_LAYERS = {"marts": dg.AssetKey(["marts", "dim_members"]), "published": PUBLISHED_KEY}
_NOT_DAILY = {WEBHOOKS, "quarantine"}


def with_freshness(
    asset: dg.AssetsDefinition | dg.AssetSpec, settings: Settings
) -> dg.AssetsDefinition | dg.AssetSpec:
    """The same asset, with a policy where its layer has one."""
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=settings.fresh_hours))

    def apply(spec: dg.AssetSpec) -> dg.AssetSpec:
        layer, *name = spec.key.path
        if layer not in LAYERS or _NOT_DAILY & set(name):
            return spec
        applied: dg.AssetSpec = dg.apply_freshness_policy(spec, policy)
        return applied

    if isinstance(asset, dg.AssetSpec):
        return apply(asset)
    return asset.map_asset_specs(apply)


@dataclass(frozen=True)
class OldLayer:
    """A layer that is older than it may be; `step` makes it, "" = the build or the publication."""

    layer: str
    made_at: datetime
    hours: float
    step: str = ""


def old_layers(
    instance: dg.DagsterInstance, home: Home, settings: Settings, now: datetime
) -> Iterator[OldLayer]:
    """Layers older than LOYALTY_FRESH_HOURS; one that was never made is none.

    Args:
        now: the real time; programmes are read by the product's clock, which may differ.
    """
    read, product_now = read_times(home.audited), clock(settings, now)()
    found: list[tuple[str, datetime | None, datetime, str]] = [
        (f"raw_{program.name}", read.get(program.name), product_now, f"extract_{program.name}")
        for program in programs()
        if settings.has_key(program.source)
    ]
    found += [(layer, _made_at(instance, key), now, "") for layer, key in _WHOLE_LAYERS.items()]
    for sync in SYNCS:
        if settings.has_key(sync.destination):
            key = dg.AssetKey([sync.destination, sync.object_name])
            found.append((f"synced_{sync.destination}", _made_at(instance, key), now, sync.step))
    for layer, made_at, until, step in found:
        if made_at is not None and until - made_at > timedelta(hours=settings.fresh_hours):
            yield OldLayer(layer, made_at, (until - made_at) / timedelta(hours=1), step)


def _made_at(instance: dg.DagsterInstance, key: dg.AssetKey) -> datetime | None:
    event = instance.get_latest_materialization_event(key)
    return datetime.fromtimestamp(event.timestamp, UTC) if event else None
