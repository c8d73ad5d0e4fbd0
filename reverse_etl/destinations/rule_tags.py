"""Tags at Rule: added by calls that hold e-mails only, removed one request each.

Removal is v2's, because v3 leaves segments stale. https://github.com/rulecom/rule-io-sdk

What Rule answers to the removal of a tag that is gone is not documented; a 404 may count to the
error share that blocks the account. After the first one the ledger is not trusted any more in this
run: whoever is to lose tags is read first, which is no error, and loses those that they have.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from reverse_etl.destinations.base import Outcome
from reverse_etl.destinations.rule_groups import SUBSCRIBERS, find_subscriber
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, RequestRefusedError

# Removed one after another before several are under way: where the ledger is wrong from the start,
# as after a restore, one 404 tells it, and not one a thread among few other answers.
ALONE = 10

Post = Callable[[Iterable[bytes], Collection[str]], object]


@dataclass(frozen=True, repr=False)
class Added:
    """What one call for a tag settles.

    complete: people who have all their tags now; suppressed: e-mails of those Rule said so of;
    refused: outcomes of people who did not get the tag.
    """

    complete: Sequence[PlannedRow] = ()
    suppressed: Collection[str] = ()
    refused: Sequence[Outcome] = ()


@dataclass
class _Waiting:
    row: PlannedRow
    tags: set[str]
    is_suppressed: bool


class LaterTags:
    """Tags that not everybody of an upsert gets: held until enough people wait for the same one.

    Args:
        post: makes one upsert of people and the tags that all of them get.
        check_share: raises DeliveryStoppedError where errors leave no room for another request.
        bulk_rows: most people of one call.
    """

    def __init__(self, post: Post, check_share: Callable[[], None], bulk_rows: int) -> None:
        self._post = post
        self._check_share = check_share
        self._bulk_rows = bulk_rows
        self._people: dict[str, _Waiting] = {}
        self._queues: dict[str, list[str]] = {}

    def hold(
        self,
        rows: Iterable[PlannedRow],
        lacking: Mapping[str, Collection[str]],
        suppressed: Collection[str],
    ) -> None:
        """People whose fields are written; `lacking`: e-mail -> tags still to add."""
        for row in rows:
            # Nobody needs what is written already: many may wait for long.
            kept = row._replace(patch="", body="")
            tags = set(lacking[row.email])
            self._people[row.email] = _Waiting(kept, tags, row.email in suppressed)
            for tag in tags:
                self._queues.setdefault(tag, []).append(row.email)

    def send(self, *, is_last: bool) -> Iterator[Added]:
        """Add every tag that a whole call of people waits for; `is_last`: that anybody does."""
        for tag, queue in sorted(self._queues.items()):
            while len(queue) >= self._bulk_rows or (is_last and queue):
                self._check_share()
                emails = [email for email in queue[: self._bulk_rows] if email in self._people]
                del queue[: self._bulk_rows]
                if emails:
                    yield self._add(tag, emails)

    def _add(self, tag: str, emails: Sequence[str]) -> Added:
        try:
            self._post((b'{"email":%b}' % orjson.dumps(email) for email in emails), {tag})
        except RequestRefusedError as refusal:
            reason = f"tag_refused_{refusal.status}"
            for email in emails:
                del self._people[email]
            return Added(refused=[Outcome(email, "unknown", reason) for email in emails])
        for email in emails:
            self._people[email].tags.discard(tag)
        done = [self._people.pop(email) for email in emails if not self._people[email].tags]
        return Added(
            complete=[each.row for each in done],
            suppressed={each.row.email for each in done if each.is_suppressed},
        )


class TagRemovals:
    """Tags that end, one request each.

    Args:
        check_share: as `LaterTags`.
    """

    def __init__(self, api: ApiClient, check_share: Callable[[], None]) -> None:
        self._api = api
        self._check_share = check_share
        self._is_doubtful = False
        self._removed = 0
        self._one_by_one = threading.Lock()

    def remove(self, row: PlannedRow, reason_code: str | None) -> Outcome:
        """Remove the tags that no longer apply; 404 = already gone."""
        held: Collection[str] | None = None
        for tag in row.tags_remove:
            try:
                with self._turn():
                    if held is None and self._is_doubtful:
                        held = self._held(row)
                    if held is None or tag.casefold() in held:
                        self._remove_one(row, tag)
            except RequestRefusedError as refusal:
                # Fields may be written by now: unknown, so that all of it is sent again.
                return Outcome(row.email, "unknown", f"tag_refused_{refusal.status}")
        return Outcome(row.email, "accepted", reason_code)

    def _turn(self) -> AbstractContextManager[object]:
        """Alone as long as nothing is known of how well the ledger fits."""
        is_known = self._is_doubtful or self._removed >= ALONE
        return nullcontext() if is_known else self._one_by_one

    def _remove_one(self, row: PlannedRow, tag: str) -> None:
        self._check_share()
        response = self._api.send(
            "DELETE",
            f"{SUBSCRIBERS}/{quote(row.email, safe='')}/tags/{quote(tag, safe='')}",
            params={"identified_by": "email"},
            accept=(404,),
            name="DELETE subscriber tag",
        )
        # Any thread may set these, none takes them back; a lost count costs a turn.
        if response.status_code == 404:
            self._is_doubtful = True
        else:
            self._removed += 1

    def _held(self, row: PlannedRow) -> Collection[str]:
        """Tags of a person, in lower case; where the answer shows none, all that may be theirs."""
        self._check_share()
        person = find_subscriber(self._api, row.email)
        if person is None:
            return ()
        tags = person.get("tags")
        if not isinstance(tags, list):
            return {tag.casefold() for tag in row.tags_remove}
        return {tag_name(tag).casefold() for tag in tags}


def tag_name(tag: Any) -> str:
    """The name of a tag as Rule shows it: an object with `name`, or the name itself."""
    return str(tag.get("name") if isinstance(tag, Mapping) else tag)
