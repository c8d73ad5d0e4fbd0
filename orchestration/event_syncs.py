"""Telling events: with which account and settings, and what is published of it afterwards."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from orchestration.accounts import connect_events
from orchestration.activate import FAMILIES, DeclaredSync, declared
from orchestration.dbt import read_manifest
from orchestration.home import Home, claim
from orchestration.publish import publish_deliveries, require_published
from orchestration.settings import Settings, missing
from reverse_etl.declarations import sync_spec
from reverse_etl.events.contract import EventSync
from reverse_etl.events.engine import sync_events
from reverse_etl.events.guards import EventGuard
from reverse_etl.events.plan import EventPlan, plan_events
from reverse_etl.guards import GuardError
from reverse_etl.job_watch import DEFAULT_SETTINGS
from reverse_etl.ledger import Ledger
from reverse_etl.results import Progress, SyncResult

# A refresh and a sensor may tell events at the same time: the second waits and finds nothing new.
WAIT_SECONDS = 30 * 60.0


def specification(sync: DeclaredSync, settings: Settings, home: Home) -> EventSync:
    """The sync of events as this installation's settings want it."""
    return EventSync(
        destination=sync.destination,
        live_hours=settings.live_event_hours,
        is_triggering=settings.rule_events,
        sends_friends=settings.friend_events,
        present_fields=_present_fields(sync, home),
    )


def _present_fields(sync: DeclaredSync, home: Home) -> frozenset[str]:
    """Fields that say what is true now, whoever writes them: this product or the vendor's own."""
    if sync.destination != "rule":  # Klaviyo keeps an event's properties with the event
        return frozenset()
    people = sync_spec(read_manifest(home), declared(sync.destination).model, FAMILIES)
    return frozenset(each.name for each in people.properties)


def why_left_out(sync: DeclaredSync, settings: Settings) -> str:
    """Why a sync of events did nothing, in words."""
    if not settings.vendor_events:
        return "LOYALTY_VENDOR_EVENTS is off"
    return missing(sync.destination)


def plan_of_events(sync: DeclaredSync, settings: Settings, home: Home, now: datetime) -> EventPlan:
    """What `run_events` would tell now, by kind; nothing is told. Close it after use.

    Raises:
        LoyaltyError: nothing is published yet.
    """
    require_published(home)
    return plan_events(
        home.audited,
        Ledger(home.ledger),
        specification(sync, settings, home),
        now,
        uuid.uuid4().hex,
        has_kinds=True,
    )


def guard(settings: Settings) -> EventGuard:
    """What is held until somebody approves it."""
    return EventGuard(times=settings.guard_live_events)


def run_events(
    sync: DeclaredSync,
    settings: Settings,
    home: Home,
    now: datetime,
    run_id: str,
    say: Callable[[str], None],
    *,
    is_approved: bool = False,
) -> SyncResult | None:
    """Tell what nobody was told yet, and publish the record of it; None when it is left out.

    Args:
        is_approved: also more live events than the guard allows.

    Raises:
        GuardError: the plan was held, nothing was sent.
        LoyaltyError: the vendor or a setting stopped it; what was accepted is recorded.
    """
    connected = connect_events(sync.destination, settings) if settings.vendor_events else None
    if connected is None:
        return None
    client, destination = connected
    with client:
        claim(home, sync.destination, settings.base_url(sync.destination))
        require_published(home)
        has_news = True
        try:
            result = sync_events(
                home.audited,
                specification(sync, settings, home),
                destination,
                Ledger(home.ledger),
                now,
                run_id,
                lambda progress: say(_sentence(progress)),
                replace(DEFAULT_SETTINGS, attempts=settings.rejection_attempts),
                guard(settings),
                is_approved=is_approved,
                wait_seconds=WAIT_SECONDS,
            )
            has_news = bool(result.total("planned"))
        except GuardError as error:
            raise GuardError(
                f"{error}: `loyalty sync {sync.destination} --approve`", error.findings
            ) from None
        finally:
            if has_news:  # a run without any may come every minute
                publish_deliveries(home)
    return result


def _sentence(progress: Progress) -> str:
    text = f"{progress.finished:,} of {progress.planned:,} events, {progress.accepted:,} accepted"
    return f"{text}, {progress.rejected:,} rejected" if progress.rejected else text
