"""What the delivery of events asks of a destination, and the words they exchange."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reverse_etl.destinations.base import LaneLimits


class PlannedEvent(NamedTuple):
    """One event, ready to be sent.

    Attributes:
        body: the destination's own JSON of it.
        lane: how it leaves; `group_key`: what all events of one request share.
        is_backfill: it may start no flow.
        is_uncertain: a request with it left before, and nobody knows whether it was applied.
    """

    event_id: str
    email: str
    occurred_at: object
    body: str
    lane: str
    group_key: str
    is_backfill: bool
    is_uncertain: bool
    attempt_count: int


@dataclass(frozen=True)
class EventBatch:
    """Events that leave together."""

    lane: str
    rows: tuple[PlannedEvent, ...]

    def __repr__(self) -> str:
        return f"EventBatch({self.lane}, {len(self.rows)} events)"


@dataclass(frozen=True, repr=False)
class EventOutcome:
    """The vendor's word on one event.

    state: accepted; rejected; aborted (not applied, and not its own fault); unknown (asked for, but
    nobody knows whether it was applied).
    reason_code: why, in a form to group by; reason: the vendor's words, without the e-mail.
    """

    event_id: str
    state: str
    reason_code: str | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"EventOutcome({self.state}, {self.reason_code})"


Outcomes = tuple[EventOutcome, ...]


class EventSizes(Protocol):
    """How events of one vendor are put together into requests."""

    @property
    def lanes(self) -> Mapping[str, LaneLimits]:
        """Largest request per lane."""

    @property
    def is_one_per_person(self) -> bool:
        """Whether a request may hold one event of each person only."""

    def event_bytes(self, row: PlannedEvent) -> int:
        """Bytes this event adds to a request, at most."""


class EventDestination(EventSizes, Protocol):
    """One vendor that events are told to."""

    @property
    def name(self) -> str:
        """`klaviyo`, as in the settings."""

    @property
    def parallel(self) -> int:
        """Requests that may be under way at a time; 1 where the order of events matters."""

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""

    def deliver(self, batch: EventBatch) -> Iterator[Outcomes]:
        """Send a batch; may be called by several threads at a time.

        Raises:
            VendorUnavailableError: passing trouble; events without an outcome have an unknown one.
            ConfigurationError: nothing can be sent with this key or setting.
            DeliveryStoppedError: send nothing more in this run.
        """
