"""What a sync counts and reports: values only.

For every operation: planned = accepted + rejected + invalid + aborted + unfinished. Attempted rows
are those a request was made for; aborted ones among them got no answer that can be trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OPERATIONS = ("add", "change", "clear")


@dataclass
class OperationCounts:
    """Rows of one operation by what became of them."""

    planned: int = 0
    attempted: int = 0
    accepted: int = 0
    rejected: int = 0
    invalid: int = 0
    aborted: int = 0

    @property
    def unfinished(self) -> int:
        """Sent in a job that has not ended; the next run asks for its outcome."""
        return self.planned - self.accepted - self.rejected - self.invalid - self.aborted


@dataclass(frozen=True)
class Progress:
    """How far a sync is."""

    destination: str
    object_name: str
    planned: int
    finished: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class SyncResult:
    """One sync of one destination.

    Attributes:
        status: succeeded, unfinished (a job did not end), aborted (stopped early; see `stopped`).
        counts: operation -> counters.
        unchanged: rows that needed nothing.
        not_known: people who may not get a profile and never had one from us: not sent.
        waiting: people whose earlier job is still running.
        held_back: people in a programme whose data are too old to be sent.
        settled: rows of earlier runs whose job was picked up and ended.
        quarantined: people set aside in this run, for the vendor refused them too often.
        requests: HTTP method -> requests of this sync.
        stopped: reason code why the rest was not attempted, or None.
    """

    run_id: str
    destination: str
    object_name: str
    status: str
    counts: Mapping[str, OperationCounts]
    unchanged: int = 0
    not_known: int = 0
    waiting: int = 0
    held_back: int = 0
    settled: int = 0
    quarantined: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)
    stopped: str | None = None

    def total(self, counter: str) -> int:
        """Sum of one counter ("accepted") over all operations."""
        return sum(int(getattr(count, counter)) for count in self.counts.values())
