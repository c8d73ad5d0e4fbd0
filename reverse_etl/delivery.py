"""One execution of one plan: batch -> request -> outcome per row -> ledger.

Owns the order of things that makes a crash harmless: rows are written down before their request
leaves, a job's id before anybody asks about the job, outcomes in one transaction per batch. While
a request is under way the next batch is read from the plan; nothing else overtakes anything. Knows
no vendor; must not lose a row: at the end each planned row is accepted, rejected, invalid, aborted,
or waits for its job.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from reverse_etl.batches import batch_rows, one_ahead
from reverse_etl.destinations.base import (
    Batch,
    DeliveryStoppedError,
    Destination,
    Event,
    Outcome,
    PartlyAccepted,
    Settled,
    Submitted,
)
from reverse_etl.job_watch import EngineSettings, JobWatch
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.planned import Plan
from reverse_etl.results import OPERATIONS, Progress, SyncResult
from reverse_etl.tables import delivery_table, outcome_table, part_table
from vendor_http import ConfigurationError, VendorUnavailableError

logger = logging.getLogger(__name__)

Report = Callable[[Progress], None]


class Delivery:
    """One execution of one plan."""

    def __init__(
        self,
        plan: Plan,
        destination: Destination,
        ledger: Ledger,
        scope: Scope,
        report: Report,
        settings: EngineSettings,
    ) -> None:
        self._plan = plan
        self._destination = destination
        self._ledger = ledger
        self._scope = scope
        self._report = report
        self._settings = settings
        self._counts = {name: replace(plan.operations[name]) for name in OPERATIONS}
        self._jobs = JobWatch(destination, ledger, scope, settings)
        self._attempted: set[int] = set()
        self._partly: set[str] = set()  # accepted but for what `Destination.finish` sends
        self._started = time.monotonic()
        self._requests_before = Counter(destination.requests)
        self._failures = 0  # batches in a row that the vendor did not answer
        self._stopped: str | None = None
        self._is_unavailable = False

    def execute(self) -> SyncResult:
        self._ledger.start_run(self._scope, self._plan.run_id, self._plan.now, self._counts)
        self._record_refused()
        equal = self._plan.equal()
        if equal.num_rows:
            self._ledger.refresh(self._scope, equal)
        status = "failed"
        try:
            if not self._plan.is_empty:
                self._send_all()
            if self._is_unavailable:  # a batch was given up: as honest as having stopped
                self._stopped = self._stopped or "vendor_unavailable"
            status = "succeeded"
            if self._stopped:
                status = "aborted"
            elif sum(count.unfinished for count in self._counts.values()):
                status = "unfinished"
        except ConfigurationError:
            self._stopped = "configuration"
            raise
        finally:
            self._settle_unknown(self._partly, self._stopped or "interrupted")
            self._abort_rest(self._stopped or "interrupted")
            self._ledger.finish_run(
                self._scope, self._plan.run_id, self._clock(), status, self._counts
            )
        self._tell()
        spent = Counter(self._destination.requests)
        spent.subtract(self._requests_before)
        return SyncResult(
            run_id=self._plan.run_id,
            destination=self._scope.destination,
            object_name=self._scope.object_name,
            status=status,
            counts=self._counts,
            unchanged=self._plan.counts["unchanged"],
            not_known=self._plan.counts["not_known"],
            waiting=self._plan.counts["waiting"],
            held_back=self._plan.counts["held_back"],
            requests={method: count for method, count in spent.items() if count},
            stopped=self._stopped,
        )

    def _send_all(self) -> None:
        lanes = self._destination.lanes
        rows = self._plan.rows({name: limits.rows for name, limits in lanes.items()})
        for batch in one_ahead(batch_rows(rows, lanes, self._destination.row_bytes)):
            self._record(batch)
            self._take(self._destination.deliver(batch), [row.email for row in batch.rows])
            if self._stopped:
                break
            for counted in self._jobs.poll_due(self._clock()):
                self._count(counted)
            while len(self._jobs) >= self._settings.jobs_in_flight:
                before = len(self._jobs)
                for counted in self._jobs.until_done(self._clock(), self._settings.stalled_seconds):
                    self._count(counted)
                    if len(self._jobs) < self._settings.jobs_in_flight:
                        break
                if len(self._jobs) == before:
                    self._stopped = "jobs_stalled"
                    break
            if self._stopped:
                break
        if not self._stopped:
            self._take(self._destination.finish(), ())
        for counted in self._jobs.until_done(self._clock(), self._settings.stalled_seconds):
            self._count(counted)

    def _record(self, batch: Batch) -> None:
        self._ledger.record_sent(
            self._scope, self._plan.run_id, self._clock(), delivery_table(batch.rows)
        )
        self._attempted.update(row.row_id for row in batch.rows)
        for operation, rows in Counter(row.operation for row in batch.rows).items():
            self._counts[operation].attempted += rows

    def _take(self, events: Iterable[Event], emails: Collection[str]) -> None:
        """Write down what becomes of a batch; `emails`: of its rows."""
        try:
            for event in events:
                self._note(event)
            self._failures = 0
        except VendorUnavailableError as error:
            self._failures += 1
            self._is_unavailable = True
            logger.warning("%s: a batch failed: %s", self._scope, error)
            self._settle_unknown(set(emails) - self._partly, "vendor_unavailable")
            if self._failures >= self._settings.failures_in_a_row:
                self._stopped = "vendor_unavailable"
        except DeliveryStoppedError as stop:
            logger.warning("%s: stopped early: %s", self._scope, stop)
            self._settle_unknown(set(emails) - self._partly, stop.reason_code)
            self._stopped = stop.reason_code
        except ConfigurationError:
            self._settle_unknown(set(emails) - self._partly, "configuration")
            raise
        self._tell()

    def _note(self, event: Event) -> None:
        if isinstance(event, Submitted):
            self._ledger.record_job(
                self._scope, self._plan.run_id, self._clock(), event.job_id, event.emails
            )
            self._jobs.add(event.job_id, event.emails)
        elif isinstance(event, PartlyAccepted):
            self._ledger.record_part(self._scope, part_table(event))
            self._partly.update(event.left_members)
        else:
            self._settle(event)

    def _settle(self, event: Settled) -> None:
        if event.outcomes:
            self._partly.difference_update(outcome.email for outcome in event.outcomes)
            self._count(
                self._ledger.settle(self._scope, self._clock(), outcome_table(event.outcomes))
            )

    def _settle_unknown(self, emails: Collection[str], reason_code: str) -> None:
        """Rows without an answer: those that do not wait for a job get outcome `unknown`."""
        open_emails = set(emails) - set(self._jobs.emails())
        self._settle(
            Settled(tuple(Outcome(email, "unknown", reason_code) for email in sorted(open_emails)))
        )

    def _record_refused(self) -> None:
        refused = self._plan.refused()
        for operation in refused.column("operation").to_pylist():
            self._counts[str(operation)].invalid += 1
        if refused.num_rows:
            self._ledger.record_unsent(
                self._scope, self._plan.run_id, self._plan.now, refused, "invalid"
            )

    def _abort_rest(self, reason_code: str) -> None:
        rest = self._plan.unattempted(self._attempted, reason_code)
        for operation in rest.column("operation").to_pylist():
            self._counts[str(operation)].aborted += 1
        if rest.num_rows:
            self._ledger.record_unsent(
                self._scope, self._plan.run_id, self._clock(), rest, "aborted"
            )

    def _count(self, counted: dict[tuple[str, str, str], int]) -> None:
        for (_run, operation, state), rows in counted.items():
            count = self._counts[operation]
            if state == "accepted":
                count.accepted += rows
            elif state == "rejected":
                count.rejected += rows
            else:
                count.aborted += rows
        self._tell()

    def _tell(self) -> None:
        counts = self._counts.values()
        self._report(
            Progress(
                destination=self._scope.destination,
                object_name=self._scope.object_name,
                planned=sum(count.planned for count in counts),
                finished=sum(count.planned - count.unfinished for count in counts),
                accepted=sum(count.accepted for count in counts),
                rejected=sum(count.rejected for count in counts),
            )
        )

    def _clock(self) -> datetime:
        """The product's clock, moved on by the time this run has taken."""
        return self._plan.now + timedelta(seconds=time.monotonic() - self._started)
