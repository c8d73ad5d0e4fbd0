"""Runs a sync of events: what a killed run left, then the plan, its guard, and its delivery.

Owns who may run at the same time and what is asked before anything is sent. Knows no vendor.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reverse_etl.events.base import EventDestination
from reverse_etl.events.contract import OBJECT, EventSync
from reverse_etl.events.delivery import EventDelivery, Report
from reverse_etl.events.guards import DEFAULT_GUARD, EventGuard, objection, remember
from reverse_etl.events.ledger import OPERATION, EventLedger
from reverse_etl.events.plan import EventPlan, plan_events
from reverse_etl.job_watch import DEFAULT_SETTINGS, EngineSettings
from reverse_etl.ledger_file import LedgerFile
from reverse_etl.results import OperationCounts, Progress, SyncResult


def _no_report(_progress: Progress) -> None:
    """Nobody watches."""


def sync_events(
    published: Path,
    sync: EventSync,
    destination: EventDestination,
    ledger: LedgerFile,
    now: datetime,
    run_id: str,
    report: Report = _no_report,
    settings: EngineSettings = DEFAULT_SETTINGS,
    guard: EventGuard = DEFAULT_GUARD,
    *,
    is_approved: bool = False,
    wait_seconds: float = 0.0,
) -> SyncResult:
    """Pick up, plan, guard, send. Only one sync of a destination's events at a time.

    A run that finds nothing to tell leaves no row in the ledger: such runs may come every minute.

    Args:
        is_approved: the plan may go beyond the guard.
        wait_seconds: for another sync of these events, whose outcome then is part of the plan.

    Raises:
        ConfigurationError: wrong key, missing table; what was not attempted waits for the next run.
        GuardError: the plan was held, nothing was sent.
        LedgerBusyError: another sync of this destination's events did not end.
        ValueError: the destination is another one than the sync's.
    """
    if destination.name != sync.destination:
        raise ValueError(f"events for {sync.destination} cannot be sent to {destination.name}")
    events = EventLedger(ledger, sync.destination)
    with ledger.exclusive(events.scope, wait_seconds):
        events.recover(now)
        with plan_events(published, ledger, sync, now, run_id) as plan:
            if not plan.sendable + plan.counts["invalid"] + plan.counts["skipped"]:
                return _nothing(plan)
            held = None if is_approved else objection(plan, ledger, guard)
            if held is not None:
                _hold(plan, events)
                raise held
            remember(plan, ledger)
            with ledger.lingering():
                result = EventDelivery(plan, destination, events, report, settings).execute()
        quarantined = events.set_aside(now, settings.attempts)
    return replace(result, quarantined=quarantined)


def _nothing(plan: EventPlan) -> SyncResult:
    return SyncResult(
        run_id=plan.run_id,
        destination=plan.sync.destination,
        object_name=OBJECT,
        status="succeeded",
        counts={OPERATION: OperationCounts()},
        unchanged=plan.counts["accepted"],
    )


def _hold(plan: EventPlan, events: EventLedger) -> None:
    planned = plan.sendable + plan.counts["invalid"]
    count = OperationCounts(planned=planned, aborted=planned)
    events.start_run(plan.run_id, plan.now, count)
    events.finish_run(plan.run_id, plan.now, "held", count)
