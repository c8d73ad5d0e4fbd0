"""Tags at Rule: added by calls that hold e-mails only, removed one request each.

Removal is v2's, because v3 leaves segments stale. https://github.com/rulecom/rule-io-sdk
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from urllib.parse import quote

import orjson

from reverse_etl.destinations.base import Outcome
from reverse_etl.destinations.rule_bodies import in_parts
from reverse_etl.destinations.rule_groups import SUBSCRIBERS
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, RequestRefusedError

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
        for tag in row.tags_remove:
            self._check_share()
            try:
                self._api.send(
                    "DELETE",
                    f"{SUBSCRIBERS}/{quote(row.email, safe='')}/tags/{quote(tag, safe='')}",
                    params={"identified_by": "email"},
                    accept=(404,),
                    name="DELETE subscriber tag",
                )
            except RequestRefusedError as refusal:
                # Fields may be written by now: unknown, so that all of it is sent again.
                return Outcome(row.email, "unknown", f"tag_refused_{refusal.status}")
        return Outcome(row.email, "accepted", reason_code)
