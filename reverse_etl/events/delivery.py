"""One execution of one plan of events: batch -> request -> outcome per event -> ledger.

Owns the order of things that makes a crash harmless: events are written down before their request
leaves, outcomes in one transaction per batch. Where the vendor allows it, several requests are
under way while the ledger writes. Knows no vendor; at the end each planned event is accepted,
rejected, invalid or aborted (the next run takes those).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reverse_etl.destinations.base import DeliveryStoppedError
from reverse_etl.events.base import (
    EventBatch,
    EventDestination,
    EventOutcome,
    EventSizes,
    PlannedEvent,
)
from reverse_etl.events.contract import OBJECT
from reverse_etl.events.ledger import OPERATION, EventLedger
from reverse_etl.events.plan import EventPlan
from reverse_etl.job_watch import EngineSettings
from reverse_etl.results import OperationCounts, Progress, SyncResult
from vendor_http import LoyaltyError, VendorUnavailableError

logger = logging.getLogger(__name__)

Report = Callable[[Progress], None]


@dataclass
class _Answered:
    """What became of one batch: outcomes, and the error that ended it early."""

    outcomes: list[EventOutcome] = field(default_factory=list)
    error: LoyaltyError | None = None


class EventDelivery:
    """One execution of one plan."""

    def __init__(
        self,
        plan: EventPlan,
        destination: EventDestination,
        ledger: EventLedger,
        report: Report,
        settings: EngineSettings,
    ) -> None:
        self._plan = plan
        self._destination = destination
        self._ledger = ledger
        self._report = report
        self._settings = settings
        self._invalid = plan.counts["invalid"]
        self._count = OperationCounts(planned=plan.sendable + self._invalid)
        self._started = time.monotonic()
        self._requests_before = Counter(destination.requests)
        self._failures = 0
        self._is_unavailable = False
        self._stopped: str | None = None
        self._error: LoyaltyError | None = None

    def execute(self) -> SyncResult:
        """Send everything; see `engine.sync_events` for the errors."""
        plan, ledger, count = self._plan, self._ledger, self._count
        ledger.start_run(plan.run_id, plan.now, count)
        ledger.record_unsent(plan.run_id, plan.now, plan.unsent())
        count.invalid = self._invalid
        status = "failed"
        try:
            self._send_all()
            if self._is_unavailable:  # a batch was given up: as honest as having stopped
                self._stopped = self._stopped or "vendor_unavailable"
            if self._error is None:
                status = "aborted" if self._stopped else "succeeded"
        finally:
            count.aborted = count.planned - count.accepted - count.rejected - count.invalid
            ledger.finish_run(plan.run_id, self._clock(), status, count)
        if self._error is not None:
            raise self._error
        spent = Counter(self._destination.requests)
        spent.subtract(self._requests_before)
        return SyncResult(
            run_id=plan.run_id,
            destination=plan.sync.destination,
            object_name=OBJECT,
            status=status,
            counts={OPERATION: count},
            unchanged=plan.counts["accepted"],
            requests={method: requests for method, requests in spent.items() if requests},
            stopped=self._stopped,
        )

    def _send_all(self) -> None:
        destination = self._destination
        batches = batch_events(self._plan.rows(), destination)
        under_way: dict[Future[_Answered], EventBatch] = {}
        with ThreadPoolExecutor(destination.parallel, "events") as threads:
            for batch in batches:
                while len(under_way) >= destination.parallel:
                    self._collect(under_way)
                if self._stopped:
                    break
                self._ledger.record_sent(self._plan.run_id, self._clock(), batch.rows)
                self._count.attempted += len(batch.rows)
                under_way[threads.submit(self._deliver, batch)] = batch
            while under_way:
                self._collect(under_way)

    def _deliver(self, batch: EventBatch) -> _Answered:
        """In a thread of its own: touches nothing that is shared."""
        answered = _Answered()
        try:
            for outcomes in self._destination.deliver(batch):
                answered.outcomes += outcomes
        except LoyaltyError as error:
            answered.error = error
        return answered

    def _collect(self, under_way: dict[Future[_Answered], EventBatch]) -> None:
        """Wait for a batch, and write down what became of it."""
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            batch = under_way.pop(future)
            answered = future.result()
            error = answered.error
            code = self._note(error) if error is not None else "not_answered"
            if error is None:
                self._failures = 0
            told = {outcome.event_id for outcome in answered.outcomes}
            rest = [
                EventOutcome(row.event_id, "unknown", code)
                for row in batch.rows
                if row.event_id not in told
            ]
            counted = self._ledger.settle(self._clock(), [*answered.outcomes, *rest])
            self._count.accepted += counted["accepted"]
            self._count.rejected += counted["rejected"]
            self._tell()

    def _note(self, error: LoyaltyError) -> str:
        """Remember an error; the reason code of the events that it left without an outcome."""
        if isinstance(error, VendorUnavailableError):
            self._failures += 1
            self._is_unavailable = True
            logger.warning("%s: a batch failed: %s", self._ledger.scope, error)
            if self._failures >= self._settings.failures_in_a_row:
                self._stopped = "vendor_unavailable"
            return "vendor_unavailable"
        if isinstance(error, DeliveryStoppedError):
            logger.warning("%s: stopped early: %s", self._ledger.scope, error)
            self._stopped = error.reason_code
            return error.reason_code
        self._error = error
        self._stopped = "configuration"
        return "configuration"

    def _tell(self) -> None:
        count = self._count
        self._report(
            Progress(
                destination=self._plan.sync.destination,
                object_name=OBJECT,
                planned=count.planned,
                finished=count.accepted + count.rejected + count.invalid,
                accepted=count.accepted,
                rejected=count.rejected,
            )
        )

    def _clock(self) -> datetime:
        """The product's clock, moved on by the time this run has taken."""
        return self._plan.now + timedelta(seconds=time.monotonic() - self._started)


def batch_events(rows: Iterable[PlannedEvent], destination: EventSizes) -> Iterator[EventBatch]:
    """Batches no larger than their lane allows; an event larger than that travels alone."""
    current: list[PlannedEvent] = []
    people: set[str] = set()
    size = 0
    for row in rows:
        weight = destination.event_bytes(row)
        if current:
            first = current[0]
            limits = destination.lanes[first.lane]
            is_full = len(current) >= limits.rows or size + weight > limits.bytes
            is_full = is_full or (destination.is_one_per_person and row.email in people)
            if is_full or (row.lane, row.group_key) != (first.lane, first.group_key):
                yield EventBatch(first.lane, tuple(current))
                current, size = [], 0
                people.clear()
        current.append(row)
        people.add(row.email)
        size += weight
    if current:
        yield EventBatch(current[0].lane, tuple(current))
