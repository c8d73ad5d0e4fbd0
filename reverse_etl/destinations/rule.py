"""Rule subscribers: fields and tags by v2 bulk upsert, tags removed one by one.

Owns the requests and the meaning of Rule's answers. Sends fields and tags, nothing else: never a
status, a suppression, `fields_clear`, or an automation other than off; so blocked, pending and
unsubscribed people stay what they are and plain data starts no flow.

    upsert   <= 1,000 people with the tags that all of them get -> POST /api/v2/subscribers
    tags     those who get a further tag -> the same, e-mails only, by the thousand (`rule_tags`)
    removal  DELETE /api/v2/subscribers/{e-mail}/tags/{tag}: v2, because v3 leaves segments stale
    anew     where that is switched on, people of whom a value ended: see `rule_groups`

A refused call does not say whom it refused. It is split into eighths, not halves: one bad row
then costs one error in eight answers, far from the 49 % that make Rule block the account. Where the
share leaves no room, splitting ends and the rows wait for the next run; there, rows that failed
before travel apart from fresh ones. Rows whose field types Rule disagrees with are told apart first
(see `rule_types`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import orjson

from reverse_etl.declarations import TAG_PREFIX
from reverse_etl.destinations.base import (
    Batch,
    DeliveryStoppedError,
    Event,
    JobReport,
    LaneLimits,
    Outcome,
    PartlyAccepted,
    Settled,
)
from reverse_etl.destinations.rule_account import LONGEST_PAUSE_SECONDS
from reverse_etl.destinations.rule_answers import is_object, refused, suppressed_in
from reverse_etl.destinations.rule_bodies import (
    NO_FIELDS,
    in_parts,
    shared_tags,
    subscriber_json,
    upsert_json,
    writes,
)
from reverse_etl.destinations.rule_groups import SUBSCRIBERS, erase_group, find_subscriber
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.destinations.rule_tags import LaterTags, TagRemovals
from reverse_etl.destinations.rule_types import FieldTypes
from reverse_etl.planned import PlannedRow
from vendor_http import (
    ApiClient,
    ConfigurationError,
    RequestRefusedError,
    VendorUnavailableError,
)

# `POST /v2/subscribers` answers 413 above this (SDK docs/bulk-create-subscribers.md).
BULK_ROWS = 1_000
# No limit in bytes is published; 1,000 people with all fields make a few megabytes.
BULK_BYTES = 4_000_000
SPLIT = 8
# As many as Rule's own SDK has under way by default.
REMOVAL_THREADS = 4
# Two single requests each before they share an upsert: few, so that a crash repeats few.
ANEW_ROWS = 100


def lanes(bulk_rows: int) -> Mapping[str, LaneLimits]:
    """Largest request per lane, where an upsert takes so many people."""
    return {
        "upsert": LaneLimits(bulk_rows, BULK_BYTES),
        "upsert_again": LaneLimits(bulk_rows, BULK_BYTES),
        "upsert_anew": LaneLimits(min(bulk_rows, ANEW_ROWS), BULK_BYTES),
    }


class RuleSubscribers:
    """Subscribers of one account as a destination.

    Args:
        api: see `rule_account.client`.
        watch: the one that the client was made with.
        bulk_rows: largest upsert.
        longest_pause_seconds: as given to the client.
    """

    name = "rule"
    object_name = "subscribers"

    def __init__(
        self,
        api: ApiClient,
        watch: AnswerWatch,
        *,
        bulk_rows: int = BULK_ROWS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._api = api
        self._watch = watch
        self._longest_pause = longest_pause_seconds
        self._types = FieldTypes(api)
        self._bulk_rows = bulk_rows
        self._later = LaterTags(self._post, self._check_share, bulk_rows)
        self._removals = TagRemovals(api, self._check_share)
        self.lanes = lanes(bulk_rows)

    def __repr__(self) -> str:
        return "RuleSubscribers()"

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self._api.counts

    def row_bytes(self, row: PlannedRow) -> int:
        """Bytes of the subscriber in the request, with its comma."""
        return len(subscriber_json(row)) + 1

    def deliver(self, batch: Batch) -> Iterator[Event]:
        """Send one batch; see `Destination.deliver`."""
        send = self._deliver_anew if batch.lane == "upsert_anew" else self._deliver
        with self._blocked():
            yield from send(batch.rows)
            yield from self._add_tags(is_last=False)

    def finish(self) -> Iterator[Event]:
        """Add the tags that fewer people wait for than fill a call."""
        with self._blocked():
            yield from self._add_tags(is_last=True)

    @contextmanager
    def _blocked(self) -> Iterator[None]:
        """Asking again inside a block of the account prolongs it: then nothing more is sent."""
        try:
            yield
        except VendorUnavailableError as error:
            if self._watch.longest_pause > self._longest_pause:
                raise DeliveryStoppedError(str(error), "rate_limited") from None
            raise

    def poll(self, job_id: str, emails: Sequence[str]) -> JobReport:
        """Rule has no jobs: an upsert is answered at once and gives nothing to ask about."""
        del job_id
        return JobReport(
            "expired", outcomes=tuple(Outcome(email, "unknown", "job_expired") for email in emails)
        )

    def _deliver_anew(self, rows: Sequence[PlannedRow]) -> Iterator[Event]:
        """Delete the group of each, then write it; what is not written then is unknown."""
        erased = []
        for row in rows:
            made = erase_group(self._api, row, self._check_share)
            if isinstance(made, Outcome):
                yield Settled((made,))
            else:
                erased.append(made)
        for event in self._deliver(erased):
            if isinstance(event, Settled):
                event = Settled(
                    tuple(
                        outcome
                        if outcome.state == "accepted"
                        else replace(outcome, state="unknown")  # no longer holds what it did
                        for outcome in event.outcomes
                    )
                )
            yield event

    def _deliver(self, found: Sequence[PlannedRow]) -> Iterator[Event]:
        rows, gone = self._existing(found)
        if gone:
            yield Settled(gone)
        silent = [row for row in rows if not writes(row)]
        parts = list(in_parts([row for row in rows if writes(row)], self._bulk_rows))
        if silent:
            yield self._finished(silent)
        is_fresh = True
        while parts:
            part, outcomes = self._types.set_aside(parts.pop(0))
            if outcomes:
                yield Settled(outcomes)
            if not part:
                continue
            if not self._watch.leaves_room():
                # Refused or never sent: not applied either way, so the rest stays as it was.
                rest = [row for other in (part, *parts) for row in other]
                yield Settled(tuple(Outcome(r.email, "aborted", "error_share") for r in rest))
                if is_fresh:
                    self._check_share()
                return
            is_fresh = False
            try:
                suppressed = self._upsert(part)
            except RequestRefusedError as refusal:
                if refusal.status in (404, 405, 410, 415):
                    # No row can cause these: upserts find nobody, and digit-only tags never leave.
                    raise ConfigurationError(
                        f"Rule refuses upserts with {refusal.status}. Check RULE_BASE_URL"
                    ) from None
                if len(part) > 1:
                    parts += self._split(part)
                elif self._types.note(part[0], is_refused=True):
                    yield Settled((self._types.outcome(part[0]),))
                else:
                    yield Settled((refused(part[0].email, refusal),))
                continue
            if len(part) == 1:
                self._types.note(part[0], is_refused=False)
            shared = shared_tags(part)
            lacking = {r.email: left for r in part if (left := sorted(set(r.tags_add) - shared))}
            if lacking:
                waiting = [row for row in part if row.email in lacking]
                self._later.hold(waiting, lacking, suppressed)
                yield PartlyAccepted(
                    {
                        row.email: [TAG_PREFIX + t for t in (*lacking[row.email], *row.tags_remove)]
                        for row in waiting
                    }
                )
            if done := [row for row in part if row.email not in lacking]:
                yield self._finished(done, suppressed)

    def _add_tags(self, *, is_last: bool) -> Iterator[Settled]:
        for added in self._later.send(is_last=is_last):
            yield Settled(tuple(added.refused))
            yield self._finished(added.complete, added.suppressed)

    def _finished(
        self, rows: Sequence[PlannedRow], suppressed: Collection[str] = frozenset()
    ) -> Settled:
        """Remove what no longer applies; the outcome of each."""

        def outcome(row: PlannedRow) -> Outcome:
            return self._removals.remove(row, "suppressed" if row.email in suppressed else None)

        if not any(row.tags_remove for row in rows):
            return Settled(tuple(map(outcome, rows)))
        with ThreadPoolExecutor(REMOVAL_THREADS, "rule") as threads:
            return Settled(tuple(threads.map(outcome, rows)))

    def _upsert(self, part: Sequence[PlannedRow]) -> frozenset[str]:
        """Write what the whole part gets; nothing where that is tags that not all of them get."""
        shared = shared_tags(part)
        if not shared and all(row.body == NO_FIELDS for row in part):
            return frozenset()
        return self._post(map(subscriber_json, part), shared)

    def _split(self, part: Sequence[PlannedRow]) -> list[list[PlannedRow]]:
        """A refused call in smaller ones: eighths of what agrees with Rule's types, the rest."""
        agreeing, doubtful = self._types.divide(part)
        size = -(-len(agreeing) // SPLIT) or 1
        return [agreeing[at : at + size] for at in range(0, len(agreeing), size)] + doubtful

    def _post(self, people: Iterable[bytes], tags: Collection[str]) -> frozenset[str]:
        """One upsert. Returns the e-mails that Rule calls suppressed, as far as it tells.

        Raises:
            RequestRefusedError: also for a 200 whose body says `error`, as old clients saw it.
        """
        response = self._api.send(
            "POST",
            SUBSCRIBERS,
            content=upsert_json(people, tags),
            headers={"content-type": "application/json"},
            check=is_object,
        )
        answer = orjson.loads(response.content)
        if "error" in answer:
            raise RequestRefusedError(
                "Rule answered 200 with an error", status=200, body=response.content
            )
        return suppressed_in(answer)

    def _existing(self, rows: Sequence[PlannedRow]) -> tuple[list[PlannedRow], tuple[Outcome, ...]]:
        """Set aside those who may not be created and turn out never to have been."""
        kept, gone = [], []
        for row in rows:
            if row.must_exist:
                self._check_share()
                if find_subscriber(self._api, row.email) is None:
                    gone.append(Outcome(row.email, "accepted", "never_created"))
                    continue
            kept.append(row)
        return kept, tuple(gone)

    def _check_share(self) -> None:
        if not self._watch.leaves_room():
            raise DeliveryStoppedError(
                "Rule: too many error answers in ten minutes; sending more would block the "
                "account. See sync.rejections, then run again",
                "error_share",
            )
