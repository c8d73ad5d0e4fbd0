"""Which model goes to which destination, and with which account: the wiring of reverse ETL."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from orchestration.accounts import connect
from orchestration.dbt import read_manifest
from orchestration.home import Home, claim
from orchestration.operations.sources import stale_programs
from orchestration.publish import publish_deliveries, require_published
from orchestration.settings import Settings
from reverse_etl import engine, saved_plan
from reverse_etl.declarations import SyncSpec, sync_spec
from reverse_etl.guards import GuardLimits
from reverse_etl.job_watch import DEFAULT_SETTINGS
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan
from reverse_etl.results import Progress, SyncResult
from reverse_etl.review import Approval
from vendor_http import LoyaltyError

# Single failed rows are a day's work; more than a share and than this many rows is a fault.
ROWS_TOLERATED = 10
# Of properties; the vendor-named ones can be switched off.
FAMILIES = frozenset({"common", "vendor"})


@dataclass(frozen=True)
class DeclaredSync:
    """One sync: a dbt model and the destination it feeds."""

    destination: str
    object_name: str
    model: str

    @property
    def step(self) -> str:
        """Name of its step in a run."""
        return f"{self.destination}__{self.object_name}"


SYNCS = (
    DeclaredSync("klaviyo", "profiles", "sync_klaviyo__profiles"),
    DeclaredSync("rule", "subscribers", "sync_rule__subscribers"),
)

# Told after what is written about people: an automation is started only for whom Rule knows.
EVENT_SYNCS = (
    DeclaredSync("klaviyo", "events", "sync_klaviyo__events"),
    DeclaredSync("rule", "events", "sync_rule__events"),
)


def declared(destination: str) -> DeclaredSync:
    """The sync of a destination."""
    return next(sync for sync in SYNCS if sync.destination == destination)


def event_sync(destination: str) -> DeclaredSync:
    """The sync of events of a destination."""
    return next(sync for sync in EVENT_SYNCS if sync.destination == destination)


def plan(
    sync: DeclaredSync, settings: Settings, home: Home, now: datetime, *, is_kept: bool = False
) -> Plan:
    """What `sync` would send now; nothing is sent. Close the plan after use.

    `is_kept`: it is going to be saved.
    """
    require_published(home)
    return plan_sync(
        home.audited,
        Ledger(home.ledger),
        specification_today(sync, settings, home, now),
        now,
        uuid.uuid4().hex,
        has_fingerprint=is_kept,
    )


def guard_limits(settings: Settings) -> GuardLimits:
    """What the guards allow in this installation."""
    return GuardLimits(
        changed=settings.guard_changed,
        cleared=settings.guard_cleared,
        losing=settings.guard_losing,
        swing=settings.guard_swing,
        without_email=settings.guard_without_email,
    )


def approval(
    sync: DeclaredSync, settings: Settings, *, approve: bool, plan_file: Path | None
) -> Approval:
    """What was agreed to for this sync.

    Raises:
        LoyaltyError: the plan file cannot be used, or holds no plan of this destination.
    """
    saved = None
    if plan_file is not None:
        saved = saved_plan.load(plan_file).get(sync.destination)
        if saved is None:
            raise LoyaltyError(f"{plan_file.name} holds no plan of {sync.destination}")
    return Approval(guard_limits(settings), approve, saved)


def run_sync(
    sync: DeclaredSync,
    settings: Settings,
    home: Home,
    now: datetime,
    run_id: str,
    say: Callable[[str], None],
    agreed: Approval | None = None,
) -> SyncResult | None:
    """Send what changed, and publish the record of it; None when the destination has no key.

    `agreed`: None = the guards decide.

    Raises:
        GuardError, PlanChangedError: the plan was held, nothing was sent.
        LoyaltyError: the vendor or a setting stopped it; what was accepted is recorded.
    """
    connected = connect(sync.destination, settings)
    if connected is None:
        return None
    client, destination = connected
    with client:
        claim(home, sync.destination, settings.base_url(sync.destination))
        require_published(home)
        try:
            return engine.sync(
                home.audited,
                specification_today(sync, settings, home, now),
                destination,
                Ledger(home.ledger),
                now,
                run_id,
                lambda progress: say(_sentence(progress)),
                replace(DEFAULT_SETTINGS, attempts=settings.rejection_attempts),
                agreed or Approval(guard_limits(settings)),
            )
        finally:
            publish_deliveries(home)


def too_many_rejected(sync: DeclaredSync, result: SyncResult, tolerated: float) -> str | None:
    """What to tell when a vendor rejected more rows than single bad records explain; else None."""
    planned, rejected = result.total("planned"), result.total("rejected")
    if rejected <= max(ROWS_TOLERATED, tolerated * planned):
        return None
    return (
        f"{sync.destination} rejected {rejected:,} of {planned:,} rows; `loyalty "
        "rejections` and the table sync.rejections tell the reasons. Who is not set aside is "
        "tried again with fresh data next time"
    )


def not_delivered(sync: DeclaredSync, result: SyncResult, tolerated: float) -> str | None:
    """What to tell when a sync stopped early or got no answer about too many rows; else None."""
    planned, aborted = result.total("planned"), result.total("aborted")
    if result.status != "aborted" and aborted <= max(ROWS_TOLERATED, tolerated * planned):
        return None
    why = (result.stopped or "no answer about some rows").replace("_", " ")
    return (
        f"{sync.destination}: {aborted:,} of {planned:,} rows were not delivered ({why}) and "
        f"wait for the next run. Run again later; {sync.destination.upper()}_BASE_URL says "
        "where it was looked for"
    )


def specification(sync: DeclaredSync, settings: Settings, home: Home) -> SyncSpec:
    """The sync as dbt declares it and this installation's settings want it."""
    families = FAMILIES if settings.vendor_properties else {"common"}
    declared = sync_spec(read_manifest(home), sync.model, families)
    return replace(declared, clears=settings.clears(sync.destination))


def specification_today(
    sync: DeclaredSync, settings: Settings, home: Home, now: datetime
) -> SyncSpec:
    """The sync without the people of programmes that were read too long ago."""
    held = frozenset(stale_programs(home, settings, now))
    return replace(specification(sync, settings, home), held_programs=held)


def _sentence(progress: Progress) -> str:
    text = f"{progress.finished:,} of {progress.planned:,} rows, {progress.accepted:,} accepted"
    return f"{text}, {progress.rejected:,} rejected" if progress.rejected else text
