"""Waits for vendors' jobs: asks with back-off, writes their outcomes down, knows when to give up.

Never busy: between two questions it sleeps. A job that cannot be asked about counts as running.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from reverse_etl.destinations.base import Destination, JobReport
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.quarantine import ATTEMPTS
from reverse_etl.tables import outcome_table
from vendor_http import VendorUnavailableError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineSettings:
    """How patient the engine is.

    Attributes:
        stalled_seconds: a sync stops asking when no job has moved for this long; the next run
            picks the jobs up. Generous: the vendor publishes no processing time.
        first_poll_seconds, longest_poll_seconds: back-off between questions about one job.
        jobs_in_flight: jobs submitted and not ended; bounds what a crash leaves open.
        failures_in_a_row: batches that fail with passing trouble before the rest is aborted.
        settle_seconds: how long to wait for jobs of earlier runs before planning.
        attempts: refusals in a row until a row is set aside.
    """

    stalled_seconds: float = 1200.0
    first_poll_seconds: float = 0.5
    longest_poll_seconds: float = 15.0
    jobs_in_flight: int = 100
    failures_in_a_row: int = 3
    settle_seconds: float = 60.0
    attempts: int = ATTEMPTS


DEFAULT_SETTINGS = EngineSettings()


class JobWatch:
    """Submitted jobs and when to ask about each next."""

    def __init__(
        self, destination: Destination, ledger: Ledger, scope: Scope, settings: EngineSettings
    ) -> None:
        self._destination = destination
        self._ledger = ledger
        self._scope = scope
        self._settings = settings
        self._emails: dict[str, list[str]] = {}
        self._wait: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._moved_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._emails)

    def add(self, job_id: str, emails: Iterable[str]) -> None:
        self._emails[job_id] = list(emails)
        self._wait[job_id] = self._settings.first_poll_seconds
        self._due[job_id] = time.monotonic() + self._settings.first_poll_seconds
        self._done[job_id] = 0
        self._moved_at = time.monotonic()

    def emails(self) -> set[str]:
        """Everybody whose outcome a job will tell."""
        return {email for emails in self._emails.values() for email in emails}

    def poll_due(self, now: datetime) -> Iterator[dict[tuple[str, str, str], int]]:
        """Ask about the jobs whose time has come; yields counters of those that ended."""
        due = [job for job, due in self._due.items() if due <= time.monotonic()]
        ended = [(job, report) for job in due if (report := self._ask(job)) is not None]
        for job_id, report in ended:
            yield self._settle(job_id, report, now)

    def until_done(
        self, now: datetime, stalled_seconds: float
    ) -> Iterator[dict[tuple[str, str, str], int]]:
        """Ask until every job ended, or none has moved for `stalled_seconds`."""
        self._moved_at = time.monotonic()
        while self._emails:
            yield from self.poll_due(now)
            if not self._emails or time.monotonic() - self._moved_at > stalled_seconds:
                return
            pause = min(self._due.values()) - time.monotonic()
            left = self._moved_at + stalled_seconds - time.monotonic()
            time.sleep(max(0.0, min(pause, left + 0.001)))

    def _settle(
        self, job_id: str, report: JobReport, now: datetime
    ) -> dict[tuple[str, str, str], int]:
        counted = self._ledger.settle(
            self._scope, now, outcome_table(report.outcomes or ()), job_id, report.status
        )
        for state in (self._emails, self._wait, self._due, self._done):
            del state[job_id]
        self._moved_at = time.monotonic()
        return counted

    def _ask(self, job_id: str) -> JobReport | None:
        """Its report when the job has ended."""
        try:
            found = self._destination.poll(job_id, self._emails[job_id])
        except VendorUnavailableError as error:
            logger.warning("%s: a job could not be asked about: %s", self._scope, error)
            found = None
        if found is not None and found.outcomes is not None:
            return found
        if found is not None and found.done != self._done[job_id]:
            self._done[job_id] = found.done
            self._moved_at = time.monotonic()
        self._wait[job_id] = min(self._wait[job_id] * 1.5, self._settings.longest_poll_seconds)
        self._due[job_id] = time.monotonic() + self._wait[job_id]
        return None
