"""Tags at Rule: added by calls that hold e-mails only, removed one request each.

Removal is v2's, because v3 leaves segments stale. https://github.com/rulecom/rule-io-sdk

What Rule answers to the removal of a tag that is gone is not documented; a 404 may count to the
error share that blocks the account. After the first one the ledger is not trusted any more in this
run: whoever is to lose tags is read first, which is no error, and loses those that they have.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import quote

import orjson

from reverse_etl.destinations.base import Outcome
from reverse_etl.destinations.rule_bodies import in_parts
from reverse_etl.destinations.rule_groups import SUBSCRIBERS, find_subscriber
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, RequestRefusedError

# Removed one after another before several are under way: where the ledger is wrong from the start,
# as after a restore, one 404 tells it, and not one a thread among few other answers.
ALONE = 10

Post = Callable[[Iterable[bytes], Collection[str]], object]


class TagWrites:
    """Tags of people whose fields are written.

    Args:
        post: makes one upsert of people and the tags that all of them get.
        check_share: raises DeliveryStoppedError where errors leave no room for another request.
        bulk_rows: most people of one call.
    """

    def __init__(
        self, api: ApiClient, post: Post, check_share: Callable[[], None], bulk_rows: int
    ) -> None:
        self._api = api
        self._post = post
        self._check_share = check_share
        self._bulk_rows = bulk_rows
        self._is_doubtful = False
        self._removed = 0
        self._one_by_one = threading.Lock()

    def add(self, untagged: Mapping[str, Collection[str]]) -> Mapping[str, Outcome]:
        """Add to each e-mail its tags; outcomes of those that were refused one."""
        refused: dict[str, Outcome] = {}
        for tag in sorted(set().union(*untagged.values())):
            everybody = [email for email, tags in untagged.items() if tag in tags]
            for emails in in_parts(everybody, self._bulk_rows):
                self._check_share()
                try:
                    self._post((b'{"email":%b}' % orjson.dumps(email) for email in emails), {tag})
                except RequestRefusedError as refusal:
                    # Fields are written by now: unknown, so that all of it is sent again.
                    reason = f"tag_refused_{refusal.status}"
                    refused |= {email: Outcome(email, "unknown", reason) for email in emails}
        return refused

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
