"""What the engine asks of a destination, and the words they exchange.

A destination owns HTTP: requests, answers, repairs. It never touches the ledger; it yields events,
and the engine writes each one down before asking for the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reverse_etl.planned import PlannedRow
from vendor_http import LoyaltyError


class DeliveryStoppedError(LoyaltyError):
    """The destination wants nothing more sent in this run; what is left becomes `aborted`.

    Attributes:
        reason_code: "error_share", "rate_limited", ...
    """

    def __init__(self, message: str, reason_code: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code


@dataclass(frozen=True)
class LaneLimits:
    """Largest request of one lane."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Batch:
    """Rows that leave together."""

    lane: str
    rows: tuple[PlannedRow, ...]

    def __repr__(self) -> str:
        return f"Batch({self.lane}, {len(self.rows)} rows)"


@dataclass(frozen=True, repr=False)
class Outcome:
    """The vendor's word on one row.

    state: accepted; rejected; aborted (not applied, and not its own fault); unknown (asked for, but
    nobody knows whether it was applied).
    reason_code: why, in a form to group by; reason: the vendor's words, without the e-mail.
    """

    email: str
    state: str
    reason_code: str | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"Outcome({self.state}, {self.reason_code})"


@dataclass(frozen=True)
class Settled:
    """Event: these rows have an outcome."""

    outcomes: tuple[Outcome, ...]

    def __repr__(self) -> str:
        return f"Settled({len(self.outcomes)} rows)"


@dataclass(frozen=True)
class Submitted:
    """Event: the vendor took these rows as a job; `emails` in the order of the request."""

    job_id: str
    emails: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Submitted({len(self.emails)} rows)"


@dataclass(frozen=True)
class PartlyAccepted:
    """Event: the vendor holds these rows but for some members, which follow later in this run.

    `left_members`: e-mail -> members of its patch (`tag:...`) that are not written yet.
    """

    left_members: Mapping[str, Sequence[str]]

    def __repr__(self) -> str:
        return f"PartlyAccepted({len(self.left_members)} rows)"


Event = Settled | Submitted | PartlyAccepted


@dataclass(frozen=True)
class JobReport:
    """How a job stands. `outcomes` is None while it runs; `done` counts rows worked off so far."""

    status: str
    done: int = 0
    outcomes: tuple[Outcome, ...] | None = None

    def __repr__(self) -> str:
        return f"JobReport({self.status})"


class Destination(Protocol):
    """One vendor's object that rows are synced to."""

    @property
    def name(self) -> str:
        """`klaviyo`, as in the declarations."""

    @property
    def object_name(self) -> str:
        """`profiles`, as in the declarations."""

    @property
    def lanes(self) -> Mapping[str, LaneLimits]:
        """Largest request per lane."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""

    def row_bytes(self, row: PlannedRow) -> int:
        """Bytes this row adds to a request."""

    def deliver(self, batch: Batch) -> Iterator[Event]:
        """Send a batch; events may be about rows of earlier batches that were partly accepted.

        Raises:
            VendorUnavailableError: passing trouble; rows without an event have an unknown outcome.
            ConfigurationError: nothing can be sent with this key or setting.
            DeliveryStoppedError: send nothing more in this run.
        """

    def finish(self) -> Iterator[Event]:
        """After the last batch: send what was put off. Raises as `deliver`."""

    def poll(self, job_id: str, emails: Sequence[str]) -> JobReport:
        """Ask how a job stands (reading only), with the e-mails of its unsettled rows."""
