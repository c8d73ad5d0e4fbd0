"""Which model goes to which destination, and with which account: the wiring of reverse ETL."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestration.accounts import connect
from orchestration.dbt import read_manifest
from orchestration.home import Home, claim
from orchestration.publish import publish_deliveries
from orchestration.settings import Settings
from reverse_etl import engine
from reverse_etl.declarations import SyncSpec, sync_spec
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan
from reverse_etl.results import Progress, SyncResult
from vendor_http import LoyaltyError

# Single rejected rows are a day's work; more than this share and this many rows is a fault.
REJECTED_ROWS_TOLERATED = 10


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


class TooManyRejectedError(LoyaltyError):
    """A vendor rejected more of a sync's rows than single bad records explain."""


def declared(destination: str) -> DeclaredSync:
    """The sync of a destination."""
    return next(sync for sync in SYNCS if sync.destination == destination)


def plan(sync: DeclaredSync, settings: Settings, home: Home, now: datetime) -> Plan:
    """What `sync` would send now; nothing is sent. Close the plan after use."""
    _require_published(home)
    return plan_sync(
        home.audited, Ledger(home.ledger), _spec(sync, settings, home), now, uuid.uuid4().hex
    )


def run_sync(
    sync: DeclaredSync,
    settings: Settings,
    home: Home,
    now: datetime,
    run_id: str,
    say: Callable[[str], None],
) -> SyncResult | None:
    """Send what changed, and publish the record of it; None when the destination has no key.

    Raises:
        TooManyRejectedError: after everything was sent and recorded.
        LoyaltyError: the vendor or a setting stopped it; what was accepted is recorded.
    """
    connected = connect(sync.destination, settings)
    if connected is None:
        return None
    client, destination = connected
    with client:
        claim(home, sync.destination, settings.base_url(sync.destination))
        _require_published(home)
        try:
            result = engine.sync(
                home.audited,
                _spec(sync, settings, home),
                destination,
                Ledger(home.ledger),
                now,
                run_id,
                lambda progress: say(_sentence(progress)),
            )
        finally:
            publish_deliveries(home)
    _judge(sync, result, settings.rejected_share)
    return result


def _spec(sync: DeclaredSync, settings: Settings, home: Home) -> SyncSpec:
    families = {"common", "vendor"} if settings.vendor_properties else {"common"}
    return sync_spec(read_manifest(home), sync.model, families)


def _require_published(home: Home) -> None:
    if not home.audited.exists():
        raise LoyaltyError("Nothing is published yet; run `loyalty run` first")


def _sentence(progress: Progress) -> str:
    text = f"{progress.finished:,} of {progress.planned:,} rows, {progress.accepted:,} accepted"
    return f"{text}, {progress.rejected:,} rejected" if progress.rejected else text


def _judge(sync: DeclaredSync, result: SyncResult, tolerated: float) -> None:
    planned, rejected = result.total("planned"), result.total("rejected")
    if rejected > max(REJECTED_ROWS_TOLERATED, tolerated * planned):
        raise TooManyRejectedError(
            f"{sync.destination} rejected {rejected:,} of {planned:,} rows; see sync.rejections "
            "for the reasons. They are tried again with fresh data next time"
        )
    aborted = result.total("aborted")
    if result.status == "aborted" or aborted > max(REJECTED_ROWS_TOLERATED, tolerated * planned):
        why = (result.stopped or "no answer about some rows").replace("_", " ")
        raise LoyaltyError(
            f"{sync.destination}: {aborted:,} of {planned:,} rows were not delivered ({why}) and "
            f"wait for the next run. Run again later; {sync.destination.upper()}_BASE_URL says "
            "where it was looked for"
        )
