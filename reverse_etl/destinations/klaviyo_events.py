"""Klaviyo events: up to a thousand in one request, grouped by profile, answered 202 and no more.

    POST /api/event-bulk-create-jobs   <= 1,000 events, <= 5 MB; 10 a second, 150 a minute
    https://developers.klaviyo.com/en/reference/bulk_create_events

There is no job to ask about: 202 is the acceptance, and whether an event became visible is read
back (`klaviyo_event_read`). Repeating is harmless: profile, metric and `unique_id` tell an event
that is stored already. One invalid event refuses the whole request; the answer points at it.

Klaviyo treats the property values 0, null and "" as never set. Zeros and empty texts are sent as
the vendors' own integrations send them; nulls are left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import orjson

from reverse_etl.destinations.base import LaneLimits
from reverse_etl.destinations.klaviyo import REVISION
from reverse_etl.destinations.klaviyo_errors import ApiProblem, problems, rejected
from reverse_etl.events.base import EventBatch, EventOutcome, Outcomes, PlannedEvent
from vendor_http import ApiClient, ConfigurationError, RequestRefusedError

EVENTS = "/api/event-bulk-create-jobs"
BULK_EVENTS = 1_000
# Of 5 MB after decompression; the smaller meaning of MB, as with profiles.
BULK_BYTES = 5_000_000
# Requests at a time: 150 a minute are reached at up to 1.6 s per request.
PARALLEL = 4
# Klaviyo names all bad events at once, so one repair is the rule.
REPAIRS = 20
# Before this revision events know no `backfill`, and history would start flows.
# https://github.com/klaviyo/openapi, branches 2026-01-15 and 2026-04-15
FIRST_WITH_BACKFILL = "2026-04-15"

_HEAD = b'{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":['
_TAIL = b"]}}}}"
_GROUP_HEAD = (
    '{"type":"event-bulk-create","attributes":{"profile":{"data":{"type":"profile",'
    '"attributes":{"email":'
)
_GROUP_MIDDLE = '}}},"events":{"data":['
_GROUP_TAIL = "]}}}"
_GROUP_BYTES = len(_GROUP_HEAD) + len(_GROUP_MIDDLE) + len(_GROUP_TAIL) + len(",")
_POINTED = re.compile(r"/events-bulk-create/data/(\d+)(?:/attributes/events/data/(\d+))?(?:/|$)")


class KlaviyoEventSizes:
    """What fits into a request.

    Args:
        bulk_events, bulk_bytes: largest request; 1,000 and 5 MB unless a test says otherwise.
    """

    is_one_per_person = False

    def __init__(self, bulk_events: int = BULK_EVENTS, bulk_bytes: int = BULK_BYTES) -> None:
        self.lanes: Mapping[str, LaneLimits] = {
            "bulk": LaneLimits(bulk_events, bulk_bytes - len(_HEAD) - len(_TAIL)),
        }

    def event_bytes(self, row: PlannedEvent) -> int:
        """Bytes in a request, as if no other event were of the same profile."""
        body = row.body
        size = len(body) if body.isascii() else len(body.encode())
        return size + len(row.email) * 2 + _GROUP_BYTES


class KlaviyoEvents(KlaviyoEventSizes):
    """Events of one account as a destination.

    Args:
        api: see `klaviyo.client`; needs events:write and profiles:write.
        revision: the one that the client was made with.
        bulk_events, bulk_bytes: see `KlaviyoEventSizes`.
        parallel: requests at a time.

    Raises:
        ConfigurationError: at construction, when the revision knows no `backfill`.
    """

    name = "klaviyo"

    def __init__(
        self,
        api: ApiClient,
        revision: str = REVISION,
        *,
        bulk_events: int = BULK_EVENTS,
        bulk_bytes: int = BULK_BYTES,
        parallel: int = PARALLEL,
    ) -> None:
        if revision < FIRST_WITH_BACKFILL:
            raise ConfigurationError(
                f"Klaviyo's revision {revision} cannot tell history from what happens now. Set "
                f"KLAVIYO_REVISION to {FIRST_WITH_BACKFILL} or later"
            )
        super().__init__(bulk_events, bulk_bytes)
        self._api = api
        self.parallel = parallel

    def __repr__(self) -> str:
        return "KlaviyoEvents()"

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self._api.counts

    def deliver(self, batch: EventBatch) -> Iterator[Outcomes]:
        """Send one batch; see `EventDestination.deliver`."""
        queue = [list(batch.rows)]
        repairs = 0
        while queue:
            part = queue.pop()
            try:
                self._api.send("POST", EVENTS, content=body(part), limit="event-bulk-create")
            except RequestRefusedError as refusal:
                repairs += 1
                settled, again = _repair(part, refusal, may_repair=repairs <= REPAIRS)
                if settled:
                    yield settled
                queue.extend(again)
            else:
                yield tuple(EventOutcome(row.event_id, "accepted") for row in part)


def body(rows: Sequence[PlannedEvent]) -> bytes:
    """A request with these events, those of one profile beside each other in one group."""
    groups = []
    for email, events in groupby(rows, key=lambda row: row.email):
        joined = ",".join([row.body for row in events])
        address = orjson.dumps(email).decode()
        groups.append(f"{_GROUP_HEAD}{address}{_GROUP_MIDDLE}{joined}{_GROUP_TAIL}")
    return _HEAD + ",".join(groups).encode() + _TAIL


def _repair(
    rows: Sequence[PlannedEvent], refusal: RequestRefusedError, *, may_repair: bool
) -> tuple[Outcomes, list[list[PlannedEvent]]]:
    """What a refused request means: events to set aside, and parts to send again.

    Raises:
        ConfigurationError: the refusal is about the request itself, so every other would fail too.
    """
    found = problems(refusal)
    if refusal.status in (404, 405, 406, 410, 415) or any(p.is_about_request for p in found):
        raise ConfigurationError(
            f"Klaviyo refuses events with {refusal.status} ({found[0].code}). "
            "Check KLAVIYO_REVISION and KLAVIYO_BASE_URL"
        )
    blamed = _blamed(rows, found) if refusal.status != 413 else {}
    outcomes = tuple(_outcome(rows[at], problem) for at, problem in blamed.items())
    rest = [row for at, row in enumerate(rows) if at not in blamed]
    if not rest:
        return outcomes, []
    if (len(rest) == 1 and not blamed) or not may_repair:
        return (*outcomes, *(_outcome(row, found[0]) for row in rest)), []
    if blamed:
        return outcomes, [rest]
    middle = len(rest) // 2
    return outcomes, [rest[:middle], rest[middle:]]


def _blamed(rows: Sequence[PlannedEvent], found: Sequence[ApiProblem]) -> dict[int, ApiProblem]:
    """Place of an event -> its problem; a problem of a profile is one of all its events here."""
    groups: list[list[int]] = []
    for _, members in groupby(range(len(rows)), key=lambda at: rows[at].email):
        groups.append(list(members))
    blamed: dict[int, ApiProblem] = {}
    for problem in found:
        pointed = _POINTED.search(problem.pointer)
        if pointed is None or int(pointed[1]) >= len(groups):
            continue
        first, last = (0, None) if pointed[2] is None else (int(pointed[2]), int(pointed[2]) + 1)
        for place in groups[int(pointed[1])][first:last]:
            blamed.setdefault(place, problem)
    return blamed


def _outcome(row: PlannedEvent, problem: ApiProblem) -> EventOutcome:
    """Refused; but a refused `unique_id` says that this very event is stored already.

    Ids have the right length and none is twice in a request, so nothing else can be wrong with one.
    """
    if problem.pointer.rstrip("/").endswith("/unique_id"):
        return EventOutcome(row.event_id, "accepted", "already_stored")
    told = rejected(row.email, problem)
    return EventOutcome(row.event_id, "rejected", told.reason_code, told.reason)
