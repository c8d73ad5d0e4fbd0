"""How old each layer may be, as Dagster's freshness policies: what the UI shows beside each asset.

Dagster counts from an asset's last materialization; alerts look at the data themselves
(`watching`), because a materialization proves only that a step ran.
"""

from datetime import timedelta

import dagster as dg

from dlt_sources.inbox.tables import NAME as WEBHOOKS
from orchestration.settings import Settings

# Refreshed by every run. Others are older for good reasons: seeds change with a release, webhooks
# are loaded when some arrive, quarantine fills when something is wrong.
LAYERS = ("raw_smile", "raw_yotpo", "marts", "activation", "published", "klaviyo", "rule")
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
