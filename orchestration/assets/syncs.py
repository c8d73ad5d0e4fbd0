"""One asset per declared sync: the people and values a vendor has accepted from us."""

from collections.abc import Collection

import dagster as dg

from orchestration.activate import SYNCS, DeclaredSync, run_sync
from orchestration.assets.publication import KEY as PUBLISHED
from orchestration.context import LoyaltyResource, explained, throttled
from orchestration.settings import key_name
from reverse_etl.results import SyncResult

_COUNTERS = ("planned", "attempted", "accepted", "rejected", "invalid", "aborted")


def keys(destinations: Collection[str]) -> list[dg.AssetKey]:
    """Asset keys of the syncs to the named destinations."""
    return [_key(sync) for sync in SYNCS if sync.destination in destinations]


def sync_assets() -> list[dg.AssetsDefinition]:
    """All declared syncs."""
    return [_sync_asset(sync) for sync in SYNCS]


def _key(sync: DeclaredSync) -> dg.AssetKey:
    return dg.AssetKey([sync.destination, sync.object_name])


def _sync_asset(sync: DeclaredSync) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(sync),
        deps=[["activation", sync.model], PUBLISHED],
        group_name=f"activation_{sync.destination}",
        kinds={"python", sync.destination},
        tags={"cadence": "daily", "pii": "yes"},
        description=(
            f"{sync.model} at {sync.destination.title()}: only differences to what was accepted "
            "before are sent; values that ended are cleared; every row's outcome is in sync.*"
        ),
    )
    def synced(
        context: dg.AssetExecutionContext, loyalty: LoyaltyResource
    ) -> dg.MaterializeResult[None]:
        step = loyalty.step(context)
        with explained():
            result = run_sync(
                sync,
                step.settings,
                step.home,
                step.now,
                step.run_id,
                throttled(context.log.info),
            )
        if result is None:
            context.log.info(f"left out: {key_name(sync.destination)} not set")
            return dg.MaterializeResult(metadata={"left_out": True})
        _say_outcome(context, sync, result)
        return dg.MaterializeResult(metadata=_metadata(result))

    return synced


def _say_outcome(context: dg.AssetExecutionContext, sync: DeclaredSync, result: SyncResult) -> None:
    context.log.info(
        f"{result.total('planned'):,} planned, {result.total('accepted'):,} accepted, "
        f"{result.unchanged:,} unchanged, {sum(result.requests.values())} requests"
    )
    failed = result.total("rejected") + result.total("invalid")
    if failed:
        context.log.warning(
            f"{sync.destination}: {failed:,} of {result.total('planned'):,} rows were rejected or "
            "invalid; reasons in sync.rejections"
        )


def _metadata(result: SyncResult) -> dict[str, dg.MetadataValue]:
    head = f"| operation | {' | '.join(_COUNTERS)} |\n|{'---|' * (len(_COUNTERS) + 1)}\n"
    lines = [
        f"| {name} | {' | '.join(f'{getattr(counts, c):,}' for c in _COUNTERS)} |"
        for name, counts in result.counts.items()
    ]
    numbers = {name: dg.MetadataValue.int(result.total(name)) for name in _COUNTERS}
    return {
        **numbers,
        "unchanged": dg.MetadataValue.int(result.unchanged),
        "status": dg.MetadataValue.text(result.status),
        "requests": dg.MetadataValue.json(dict(result.requests)),
        "by_operation": dg.MetadataValue.md(head + "\n".join(lines)),
    }
