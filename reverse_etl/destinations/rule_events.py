"""Rule events: fields and tags by v2 upsert; tags that start automations only where switched on.

    data     POST /api/v2/subscribers, automation and sync_subscribers false: starts nothing
    once     the same, then PUT /api/v3/subscribers/{e-mail}/tags with `send`: v2 has no word for it
    reset,   the same, then POST /api/v2/subscribers with that mode, e-mails and the one tag, and
    force    sync_subscribers true: without it only calls of fewer than 20 people start anything,
             with it the first hundred people of a call

Facts: Rule's SDK (https://github.com/rulecom/rule-io-sdk), docs/bulk-create-subscribers.md and
docs/tag-automation-modes.md. A call has one list of tags and holds each person once; a person's
events leave in the order in which they happened, because each overwrites the fields of the last.

Any `automation` value may un-block a blocked person, so everybody is asked about first, and who is
not known to be active gets the data alone. A call that may start something is made once: where its
outcome is unknown, the event is told again without an automation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import orjson

from reverse_etl.destinations.base import DeliveryStoppedError, LaneLimits
from reverse_etl.destinations.rule import BULK_BYTES, BULK_ROWS, SPLIT
from reverse_etl.destinations.rule_account import LONGEST_PAUSE_SECONDS
from reverse_etl.destinations.rule_answers import is_object, refused
from reverse_etl.destinations.rule_bodies import upsert_json
from reverse_etl.destinations.rule_groups import SUBSCRIBERS, find_subscriber
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.events.base import EventBatch, EventOutcome, Outcomes, PlannedEvent
from vendor_http import (
    ApiClient,
    ConfigurationError,
    RequestRefusedError,
    VendorUnavailableError,
)

# Far below the hundred for which a call starts automations, and few, so that a crash leaves few
# events whose automations nobody knows about.
LIVE_ROWS = 20
V3_SUBSCRIBERS = "/api/v3/subscribers"
ACTIVE = "ACTIVE"
ActiveSign = Literal["status", "opted_in"]


class RuleEventSizes:
    """What fits into a call.

    Args:
        bulk_rows: largest upsert.
    """

    is_one_per_person = True

    def __init__(self, bulk_rows: int = BULK_ROWS) -> None:
        live = LaneLimits(min(bulk_rows, LIVE_ROWS), BULK_BYTES)
        self.lanes: Mapping[str, LaneLimits] = {
            "data": LaneLimits(bulk_rows, BULK_BYTES),
            "once": live,
            "reset": live,
            "force": live,
        }

    def event_bytes(self, row: PlannedEvent) -> int:
        """Bytes of the person in the request, with its comma."""
        return len(_person(row)) + 1


class RuleEvents(RuleEventSizes):
    """Events of one account as a destination.

    Args:
        api: see `rule_account.client`.
        watch: the one that the client was made with.
        active_sign: what tells that a person is active. `status`: the answer about them says
            `status: ACTIVE`; whether v2 shows a status is not documented, and where it does not,
            nothing is started. `opted_in`: `opted_in` is true; whether that is false of blocked
            people is not documented either, so it is for accounts where somebody has looked.
        bulk_rows: largest upsert.
        longest_pause_seconds: as given to the client.
    """

    name = "rule"
    parallel = 1  # the order of a person's events matters

    def __init__(
        self,
        api: ApiClient,
        watch: AnswerWatch,
        active_sign: ActiveSign = "status",
        *,
        bulk_rows: int = BULK_ROWS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        super().__init__(bulk_rows)
        self._api = api
        self._watch = watch
        self._active_sign = active_sign
        self._longest_pause = longest_pause_seconds

    def __repr__(self) -> str:
        return "RuleEvents()"

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self._api.counts

    def deliver(self, batch: EventBatch) -> Iterator[Outcomes]:
        """Send one batch; see `EventDestination.deliver`."""
        try:
            if batch.lane == "data":
                for taken, outcomes in self._write(batch.rows, _tags(batch.rows[0])):
                    yield (*_accepted(taken), *outcomes)
            else:
                yield from self._deliver_live(batch)
        except VendorUnavailableError as error:
            if self._watch.longest_pause > self._longest_pause:
                # Asking again inside the block only prolongs it.
                raise DeliveryStoppedError(str(error), "rate_limited") from None
            raise

    def _deliver_live(self, batch: EventBatch) -> Iterator[Outcomes]:
        active: list[PlannedEvent] = []
        quiet: dict[str, str] = {}
        for row in batch.rows:
            why = self._why_quiet(row.email)
            if why is None:
                active.append(row)
            else:
                quiet[row.event_id] = why
        for taken, outcomes in self._write(
            [row for row in batch.rows if row.event_id in quiet], _tags(batch.rows[0])
        ):
            told = tuple(
                EventOutcome(row.event_id, "accepted", f"not_triggered_{quiet[row.event_id]}")
                for row in taken
            )
            yield (*told, *outcomes)
        tag, *further = _tags(batch.rows[0])  # nothing is live without a tag of its own
        for taken, outcomes in self._write(active, further):
            yield outcomes
            if batch.lane == "once":
                yield from self._send_each(taken, tag)
            elif taken:
                yield self._restart(taken, tag, batch.lane)

    def _why_quiet(self, email: str) -> str | None:
        """Why nothing may be started for somebody; None for those known to be active."""
        self._check_share()
        person = find_subscriber(self._api, email)
        if person is None:
            return "unknown_person"
        if person.get("suppressed") not in ([], False):
            return "suppressed"
        status = person.get("status")
        if status is not None and str(status).upper() != ACTIVE:
            return str(status).lower()
        if person.get("opted_in") is not True:
            return "not_opted_in"
        if status is None and self._active_sign == "status":
            return "status_not_told"
        return None

    def _send_each(self, rows: Sequence[PlannedEvent], tag: str) -> Iterator[Outcomes]:
        """Mode once, one person a call: repeated, it changes nothing, so the client may."""
        for at, row in enumerate(rows):
            try:
                self._check_share()
                self._api.send(
                    "PUT",
                    f"{V3_SUBSCRIBERS}/{quote(row.email, safe='')}/tags",
                    params={"identified_by": "email"},
                    content=orjson.dumps({"tags": [tag], "automation": "send"}),
                    headers={"content-type": "application/json;charset=utf-8"},
                    name="PUT subscriber tags",
                )
            except RequestRefusedError as refusal:
                yield (_trigger_refused(row, refusal),)
            except (VendorUnavailableError, DeliveryStoppedError):
                # Of this one nobody knows; the others were not asked for.
                yield tuple(
                    EventOutcome(other.event_id, "aborted", "not_triggered")
                    for other in rows[at + 1 :]
                )
                raise
            else:
                yield _accepted([row])

    def _restart(self, rows: Sequence[PlannedEvent], tag: str, mode: str) -> Outcomes:
        """Modes reset and force: never repeated, for each repetition would send again."""
        self._check_share()
        body = {
            "update_on_duplicate": True,
            "automation": mode,
            "sync_subscribers": True,
            "tags": [tag],
            "subscribers": [{"email": row.email} for row in rows],
        }
        try:
            self._api.send("POST", SUBSCRIBERS, json=body, max_attempts=1)
        except RequestRefusedError as refusal:
            return tuple(_trigger_refused(row, refusal) for row in rows)
        return _accepted(rows)

    def _write(
        self, rows: Sequence[PlannedEvent], tags: Sequence[str]
    ) -> Iterator[tuple[list[PlannedEvent], Outcomes]]:
        """Fields and tags that start nothing: events that were taken, outcomes of the others.

        A refused call does not say whom it refused; it is split into eighths, which keeps the share
        of error answers far from the 49 % that block the account.
        """
        parts = [list(rows)] if rows else []
        while parts:
            part = parts.pop(0)
            if not self._watch.leaves_room():
                rest = [row for other in (part, *parts) for row in other]
                yield [], tuple(EventOutcome(r.event_id, "aborted", "error_share") for r in rest)
                self._check_share()
                return
            try:
                self._upsert(part, tags)
            except RequestRefusedError as refusal:
                if refusal.status in (404, 405, 410, 415):
                    raise ConfigurationError(
                        f"Rule refuses upserts with {refusal.status}. Check RULE_BASE_URL"
                    ) from None
                if len(part) == 1:
                    told = refused(part[0].email, refusal)
                    code, reason = told.reason_code, told.reason
                    yield [], (EventOutcome(part[0].event_id, "rejected", code, reason),)
                    continue
                size = -(-len(part) // SPLIT)
                parts += [part[at : at + size] for at in range(0, len(part), size)]
            else:
                yield part, ()

    def _upsert(self, rows: Sequence[PlannedEvent], tags: Sequence[str]) -> None:
        """One call; a 200 whose body says `error` is a refusal, as old clients saw it."""
        response = self._api.send(
            "POST",
            SUBSCRIBERS,
            content=upsert_json(map(_person, rows), tags),
            headers={"content-type": "application/json"},
            check=is_object,
        )
        answer: Mapping[str, Any] = orjson.loads(response.content)
        if "error" in answer:
            raise RequestRefusedError(
                "Rule answered 200 with an error", status=200, body=response.content
            )

    def _check_share(self) -> None:
        if not self._watch.leaves_room():
            raise DeliveryStoppedError(
                "Rule: too many error answers in ten minutes; sending more would block the "
                "account. See sync.events, then run again",
                "error_share",
            )


def _tags(row: PlannedEvent) -> list[str]:
    """The event's own tag first, as the plan put them into the key of the group."""
    return [tag for tag in row.group_key.split("\n") if tag]


def _person(row: PlannedEvent) -> bytes:
    email = orjson.dumps(row.email)
    if row.body == "[]":
        return b'{"email":%b}' % email
    return b'{"email":%b,"fields":%b}' % (email, row.body.encode())


def _accepted(rows: Sequence[PlannedEvent]) -> Outcomes:
    return tuple(EventOutcome(row.event_id, "accepted") for row in rows)


def _trigger_refused(row: PlannedEvent, refusal: RequestRefusedError) -> EventOutcome:
    """The data are there; only the automation is not, and it is not asked for again."""
    return EventOutcome(row.event_id, "accepted", f"trigger_refused_{refusal.status}")
