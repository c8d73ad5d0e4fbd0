"""Rule subscribers read back, two requests each: their fields, and themselves with their tags.

Reads only. Rule's list of subscribers has no fields and cannot be filtered, so each person is asked
for. Who is gone answers 404, and too many error answers block the account: reading stops where one
more error would leave no room.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reverse_etl.declarations import TAG_PREFIX
from reverse_etl.destinations.base import DeliveryStoppedError
from reverse_etl.destinations.rule_groups import SUBSCRIBERS
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.destinations.rule_tags import tag_name
from reverse_etl.read_back import Estimate, Shown
from vendor_http import ApiClient, RateLimit

FIELDS = "/api/v2/subscriber/{}/fields"
REQUESTS_PER_PERSON = 2
# A sync may run beside a long read-back, and neither knows of the other.
READ_SHARE = 0.48


class RuleReader:
    """Subscribers of one account as they are now.

    Args:
        api: signed-in client, see `rule_account.client`.
        watch: the one that the client was made with.
        limit: the one that the client was made with.
    """

    name = "rule"
    object_name = "subscribers"
    people_at_once = 50

    def __init__(self, api: ApiClient, watch: AnswerWatch, limit: RateLimit) -> None:
        self._api = api
        self._watch = watch
        self._limit = limit

    def __repr__(self) -> str:
        return "RuleReader()"

    def estimate(self, people: int) -> Estimate:
        """Requests and seconds that reading so many people takes at least.

        The first window's requests may leave at once; each further window has to be waited for.
        """
        requests = people * REQUESTS_PER_PERSON
        windows = max(0, -(-requests // self._limit.requests) - 1)
        return Estimate(requests, windows * self._limit.seconds)

    def read(self, emails: Sequence[str]) -> Iterator[Shown]:
        """What Rule shows of each of `emails` (normalised), in their order.

        Raises:
            DeliveryStoppedError: one more error answer might block the account.
            ConfigurationError: the key is wrong.
            VendorUnavailableError: passing trouble outlived the tries.
        """
        for email in emails:
            yield Shown(email, self._read_one(email))

    def _read_one(self, email: str) -> Mapping[str, Any] | None:
        person = quote(email, safe="")
        fields = self._get(FIELDS.format(person), "GET subscriber fields")
        if fields is None:
            return None
        answer = self._get(f"{SUBSCRIBERS}/{person}", "GET subscriber")
        if answer is None:  # deleted between the two
            return None
        tags = (answer.get("subscriber") or {}).get("tags") or ()
        return {**_values(fields), **{TAG_PREFIX + tag_name(tag): True for tag in tags}}

    def _get(self, path: str, name: str) -> Any:
        if not self._watch.leaves_room():
            raise DeliveryStoppedError(
                "Rule: too many error answers in ten minutes; asking on would block the account",
                "error_share",
            )
        return self._api.get_json(path, params={"identified_by": "email"}, accept=(404,), name=name)


def _values(answer: Mapping[str, Any]) -> dict[str, Any]:
    """`Group.Field` -> value. Clients disagree whether a field is named by `name` or by `key`."""
    found: dict[str, Any] = {}
    for group in answer.get("groups") or ():
        prefix = f"{group.get('name')}."
        for field in group.get("fields") or ():
            name = str(field.get("name") or field.get("key") or "")
            found[prefix + name.removeprefix(prefix)] = field.get("value")
    return found
