"""One asset per declared sync: the people and values a vendor has accepted from us."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import dagster as dg
from pydantic import Field

from orchestration.accounts import warnings
from orchestration.activate import (
    EVENT_SYNCS,
    SYNCS,
    DeclaredSync,
    approval,
    not_delivered,
    run_sync,
    too_many_rejected,
)
from orchestration.assets import delivery_checks
from orchestration.assets.owners import MARKETING
from orchestration.assets.publication import KEY as PUBLISHED
from orchestration.context import LoyaltyResource, Step, explained, throttled
from orchestration.event_syncs import run_events, why_left_out
from orchestration.operations.runbooks import runbook
from orchestration.settings import missing
from reverse_etl.guards import GuardError
from reverse_etl.results import SyncResult
from vendor_http import LoyaltyError

GUARDS = "within_guards"
REJECTED = "rejected_rows"
_COUNTERS = ("planned", "attempted", "accepted", "rejected", "invalid", "aborted")


class SyncConfig(dg.Config):
    """How a sync is launched from the UI."""

    approve: bool = Field(
        default=False,
        description="Send the plan even where it goes beyond a guard; look at `loyalty plan` "
        "before.",
    )
    plan_file: str | None = Field(
        default=None,
        description="Send exactly the plan that `loyalty plan --save` wrote to this file, or "
        "nothing.",
    )


def keys(destinations: Collection[str]) -> list[dg.AssetKey]:
    """Asset keys of the syncs to the named destinations."""
    return [*people_keys(destinations), *event_keys(destinations)]


def people_keys(destinations: Collection[str]) -> list[dg.AssetKey]:
    """Of these, what is written about people."""
    return [_key(sync) for sync in SYNCS if sync.destination in destinations]


def event_keys(destinations: Collection[str]) -> list[dg.AssetKey]:
    """Of these, the events that are told."""
    return [_key(sync) for sync in EVENT_SYNCS if sync.destination in destinations]


def sync_assets() -> list[dg.AssetsDefinition]:
    """All declared syncs."""
    return [_sync_asset(sync) for sync in (*SYNCS, *EVENT_SYNCS)]


def _key(sync: DeclaredSync) -> dg.AssetKey:
    return dg.AssetKey([sync.destination, sync.object_name])


def _deps(sync: DeclaredSync) -> list[Sequence[str] | dg.AssetKey]:
    """Its model as it is published; events also wait for what is written about people."""
    people = [_key(other) for other in SYNCS if other.destination == sync.destination]
    return [["activation", sync.model], PUBLISHED, *(people if sync in EVENT_SYNCS else ())]


def _description(sync: DeclaredSync) -> str:
    name = sync.destination.title()
    if sync in EVENT_SYNCS:
        return (
            f"{sync.model} told to {name}: every event once, whatever happens; history starts no "
            "flow; each one's outcome is in sync.events"
        )
    return (
        f"{sync.model} at {name}: only differences to what was accepted before are sent; values "
        "that ended are cleared; every row's outcome is in sync.*"
    )


def _sync_asset(sync: DeclaredSync) -> dg.AssetsDefinition:
    key = _key(sync)

    @dg.asset(
        key=key,
        deps=_deps(sync),
        group_name=f"activation_{sync.destination}",
        kinds={"python", sync.destination},
        owners=MARKETING,
        tags={"cadence": "daily", "pii": "yes"},
        description=_description(sync),
        check_specs=[
            dg.AssetCheckSpec(
                GUARDS,
                asset=key,
                description="The plan is plausible (LOYALTY_GUARD_*); beyond a guard nothing is "
                f"sent until somebody approves. Look at: activation.{sync.model}. Runbook: "
                f"{runbook('check', GUARDS)}",
            ),
            dg.AssetCheckSpec(
                REJECTED,
                asset=key,
                description="The vendor rejected no more rows than LOYALTY_REJECTED_SHARE allows; "
                f"the reasons are in sync.rejections. Runbook: {runbook('check', REJECTED)}",
            ),
            *(delivery_checks.specs(key) if sync in SYNCS else ()),
        ],
    )
    def synced(
        context: dg.AssetExecutionContext, config: SyncConfig, loyalty: LoyaltyResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        step = loyalty.step(context)
        with explained():
            # Once a run: the account's people say it for its events too.
            for line in warnings(sync.destination, step.settings) if sync in SYNCS else ():
                context.log.warning(line)
            try:
                result = _run(sync, config, step, throttled(context.log.info))
            except GuardError as error:
                yield _check(key, GUARDS, problem=str(error))
                raise
            yield _check(key, GUARDS, problem=None)
            if sync in SYNCS:
                yield from delivery_checks.results(key, sync, step, result)
            if result is None:
                context.log.info(f"left out: {_why_left_out(sync, config, step)}")
                yield _check(key, REJECTED, problem=None)
                yield dg.MaterializeResult(metadata={"left_out": True})
                return
            _say_outcome(context, sync, result)
            tolerated = step.settings.rejected_share
            rejected = too_many_rejected(sync, result, tolerated)
            yield _check(key, REJECTED, problem=rejected, result=result)
            if problem := rejected or not_delivered(sync, result, tolerated):
                raise LoyaltyError(problem)
        picture = _picture(step, sync) if sync in SYNCS else {}
        yield dg.MaterializeResult(metadata={**_metadata(sync, result), **picture})

    return synced


def _run(
    sync: DeclaredSync, config: SyncConfig, step: Step, say: Callable[[str], None]
) -> SyncResult | None:
    if sync in EVENT_SYNCS:
        if config.plan_file:  # exactly that plan, which is about people
            return None
        return run_events(
            sync, step.settings, step.home, step.now, step.run_id, say, is_approved=config.approve
        )
    agreed = approval(
        sync,
        step.settings,
        approve=config.approve,
        plan_file=Path(config.plan_file) if config.plan_file else None,
    )
    return run_sync(sync, step.settings, step.home, step.now, step.run_id, say, agreed)


def _why_left_out(sync: DeclaredSync, config: SyncConfig, step: Step) -> str:
    if sync in EVENT_SYNCS and config.plan_file:
        return "a saved plan holds no events"
    if sync in EVENT_SYNCS:
        return why_left_out(sync, step.settings)
    return missing(sync.destination)


def _check(
    key: dg.AssetKey, name: str, *, problem: str | None, result: SyncResult | None = None
) -> dg.AssetCheckResult:
    counts = {
        counter: dg.MetadataValue.int(result.total(counter))
        for counter in ("planned", "rejected", "invalid")
        if result is not None
    }
    return dg.AssetCheckResult(
        passed=problem is None,
        asset_key=key,
        check_name=name,
        description=problem,
        metadata={"look_at": dg.MetadataValue.text("sync.rejections"), **counts},
    )


def _say_outcome(context: dg.AssetExecutionContext, sync: DeclaredSync, result: SyncResult) -> None:
    context.log.info(
        f"{result.total('planned'):,} planned, {result.total('accepted'):,} accepted, "
        f"{result.unchanged:,} {_needed_nothing(sync)}, {sum(result.requests.values())} requests"
    )
    failed = result.total("rejected") + result.total("invalid")
    if failed:
        context.log.warning(
            f"{sync.destination}: {failed:,} of {result.total('planned'):,} rows were rejected or "
            "invalid; reasons in sync.rejections"
        )
    if result.quarantined:
        context.log.warning(
            f"{sync.destination}: {result.quarantined:,} people were refused too often and are "
            "tried no more; `loyalty rejections` lists and releases them"
        )
    if result.held_back:
        context.log.warning(
            f"{sync.destination}: {result.held_back:,} people are held back, for their programme "
            "was last read longer ago than LOYALTY_MAX_STALE_HOURS"
        )
    waiting = sum(count.unfinished for count in result.counts.values())
    if waiting:
        context.log.warning(
            f"{sync.destination} still works on jobs with {waiting:,} rows; the next run asks for "
            "their outcome"
        )


def _needed_nothing(sync: DeclaredSync) -> str:
    """What `SyncResult.unchanged` counts.

    Of people also those of whom the vendor need hold nothing: at a first load nobody is unchanged.
    """
    return "told before" if sync in EVENT_SYNCS else "with nothing to send"


def _metadata(sync: DeclaredSync, result: SyncResult) -> dict[str, dg.MetadataValue]:
    head = f"| operation | {' | '.join(_COUNTERS)} |\n|{'---|' * (len(_COUNTERS) + 1)}\n"
    lines = [
        f"| {name} | {' | '.join(f'{getattr(counts, c):,}' for c in _COUNTERS)} |"
        for name, counts in result.counts.items()
    ]
    numbers = {name: dg.MetadataValue.int(result.total(name)) for name in _COUNTERS}
    return {
        **numbers,
        _needed_nothing(sync).replace(" ", "_"): dg.MetadataValue.int(result.unchanged),
        "held_back": dg.MetadataValue.int(result.held_back),
        "status": dg.MetadataValue.text(result.status),
        "requests": dg.MetadataValue.json(dict(result.requests)),
        "by_operation": dg.MetadataValue.md(head + "\n".join(lines)),
    }


def _picture(step: Step, sync: DeclaredSync) -> dict[str, dg.MetadataValue]:
    from orchestration.plots import profiles_by_day  # slow to import, needed here only

    if not step.home.published.exists():  # moved away meanwhile; what was sent, was sent
        return {}
    drawn = profiles_by_day(step.home.published, sync.destination)
    return {"profiles_by_day": dg.MetadataValue.md(drawn)}
