"""Runs a sync: what earlier runs left open, then the plan, then its delivery.

Owns who may run at the same time and what is asked before anything is sent; how a plan is sent is
`delivery`. Knows no vendor.

    settle_jobs (earlier runs) -> plan_sync -> review -> run_sync; `sync`: all under one lock.
"""

import logging
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reverse_etl.declarations import SyncSpec
from reverse_etl.delivery import Delivery, Report
from reverse_etl.destinations.base import Destination
from reverse_etl.job_watch import DEFAULT_SETTINGS, EngineSettings, JobWatch
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan
from reverse_etl.quarantine import set_aside
from reverse_etl.results import Progress, SyncResult
from reverse_etl.review import Approval, review

logger = logging.getLogger(__name__)


def _no_report(_progress: Progress) -> None:
    """Nobody watches."""


# Guards with their usual limits, no approval.
_USUAL = Approval()


def sync(
    published: Path,
    spec: SyncSpec,
    destination: Destination,
    ledger: Ledger,
    now: datetime,
    run_id: str,
    report: Report = _no_report,
    settings: EngineSettings = DEFAULT_SETTINGS,
    approval: Approval = _USUAL,
) -> SyncResult:
    """Pick up open jobs, plan, review, send. Only one sync per destination and object at a time.

    Raises:
        ConfigurationError: wrong key, missing table; what was not attempted is `aborted`.
        GuardError, PlanChangedError: the plan was held, nothing was sent.
        LedgerBusyError: another sync of this destination is running.
    """
    scope = Scope(spec.destination, spec.object_name)
    with ledger.exclusive(scope):
        settled = settle_jobs(destination, ledger, now, settings)
        is_saved = approval.saved is not None
        with plan_sync(published, ledger, spec, now, run_id, has_fingerprint=is_saved) as plan:
            review(plan, ledger, approval)
            result = run_sync(plan, destination, ledger, report=report, settings=settings)
        quarantined = set_aside(ledger, scope, now, settings.attempts)
    return replace(result, settled=settled, quarantined=quarantined)


def settle_jobs(
    destination: Destination,
    ledger: Ledger,
    now: datetime,
    settings: EngineSettings = DEFAULT_SETTINGS,
) -> int:
    """Ask for the outcome of jobs that an earlier run left open; reads only at the vendor.

    Returns:
        rows that have an outcome now. Jobs that still run stay open, their people are not planned.
    """
    scope = Scope(destination.name, destination.object_name)
    if not ledger.path.exists():
        return 0
    with ledger.exclusive(scope):
        found = ledger.fold(scope, now)
        if not found:
            return 0
        jobs = JobWatch(destination, ledger, scope, settings)
        for job in found:
            jobs.add(job.job_id, ledger.job_emails(scope, job.job_id))
        late: Counter[tuple[str, str, str]] = Counter()
        started = time.monotonic()
        for counted in jobs.until_done(now, settings.settle_seconds):
            late.update(counted)
        ledger.add_to_run(scope, late)
        ledger.fold(scope, now)
        rows = sum(late.values())
        logger.info(
            "%s: %d rows of %d earlier jobs settled in %.1f s",
            scope, rows, len(found), time.monotonic() - started,
        )  # fmt: skip
    return rows


def run_sync(
    plan: Plan,
    destination: Destination,
    ledger: Ledger,
    *,
    report: Report = _no_report,
    settings: EngineSettings = DEFAULT_SETTINGS,
) -> SyncResult:
    """Send what the plan holds and write down what became of it.

    Raises:
        ConfigurationError: the vendor refused the key; everything else is recorded first.
        ValueError: the plan was made for another destination.
    """
    scope = Scope(destination.name, destination.object_name)
    if scope != plan.scope:
        raise ValueError(f"a plan for {plan.scope} cannot be sent to {scope}")
    with ledger.exclusive(scope), ledger.lingering():
        return Delivery(plan, destination, ledger, scope, report, settings).execute()
