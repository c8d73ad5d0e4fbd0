"""Klaviyo, one request a person: what a bulk import cannot do.

Bulk import ignores null, and it creates whom it does not find. So these rows go alone, a few at a
time; an answer is reported when it is there.

    single lane  POST /api/profile-import: clears by null, or by meta.patch_properties.unset
                 https://developers.klaviyo.com/en/reference/create_or_update_profile
    patch lane   ids by GET /api/profiles?filter=any(email,[...]), then PATCH /api/profiles/{id}
                 https://developers.klaviyo.com/en/reference/update_profile

A row's `body` is what follows `"properties":` up to the two braces that end attributes and profile:
the object of properties, with `meta` behind it where names are unset (see `payloads`).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import orjson

from reverse_etl.destinations.base import Outcome, Settled
from reverse_etl.destinations.klaviyo_errors import problems, rejected
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, RequestRefusedError

PROFILE_IMPORT = "/api/profile-import"
PROFILES = "/api/profiles"
# No cap on the values of `any` is published; a page holds 100 profiles, and a second page would
# save no request.
LOOKUP_EMAILS = 100
# The addresses travel in the request line, for which servers commonly keep 8 KB.
LOOKUP_BYTES = 6_000

_PROFILE = b'{"type":"profile","attributes":{"email":%b,"properties":%b}}'
_PATCH = b'{"data":{"type":"profile","id":%b,"attributes":{"properties":%b}}}'
_QUOTES_BYTES = 9  # two quotes and a comma, percent-encoded


def profile_json(row: PlannedRow) -> bytes:
    """The profile of a row, for profile-import and bulk import alike."""
    return _PROFILE % (orjson.dumps(row.email), row.body.encode())


def lookups(emails: Sequence[str]) -> Iterator[list[str]]:
    """E-mails in lists that fit into one filter each, in the order given."""
    part: list[str] = []
    size = 0
    for email in emails:
        # `@` and whatever is not plain becomes three bytes; counted so for the whole address where
        # it is not plain.
        weight = (len(email) + 2 if email.isascii() else 3 * len(email.encode())) + _QUOTES_BYTES
        if part and (len(part) >= LOOKUP_EMAILS or size + weight > LOOKUP_BYTES):
            yield part
            part, size = [], 0
        part.append(email)
        size += weight
    if part:
        yield part


class SingleWrites:
    """Single requests about profiles of one account.

    Args:
        api: see `klaviyo.client`.
        threads: requests at the same time.
    """

    def __init__(self, api: ApiClient, threads: int) -> None:
        self._api = api
        self._threads = threads

    def __repr__(self) -> str:
        return "SingleWrites()"

    def import_each(self, rows: Sequence[PlannedRow]) -> Iterator[Settled]:
        """Create or update by profile-import; who must exist and does not is left alone.

        Raises:
            VendorUnavailableError: passing trouble, after the answers that came were reported.
            ConfigurationError: nothing can be sent with this key or setting.
        """
        yield from self._each(rows, self._import)

    def patch(self, rows: Sequence[PlannedRow]) -> Iterator[Settled]:
        """Update by PATCH; raises as `import_each` does.

        Who has no profile any more is written by profile-import if there are values to write, and
        otherwise left alone: nothing of ours is there.
        """
        ids: dict[str, str] = {}
        for emails in lookups([row.email for row in rows]):
            ids |= self._ids(emails)
        yield from self._each(rows, lambda row: self._patch(row, ids.get(row.email)))

    def _each(
        self, rows: Sequence[PlannedRow], send: Callable[[PlannedRow], Outcome]
    ) -> Iterator[Settled]:
        with ThreadPoolExecutor(self._threads, "klaviyo") as threads:
            waiting = [threads.submit(send, row) for row in rows]
            outcomes: list[Outcome] = []
            trouble: BaseException | None = None
            for future in as_completed(waiting):
                if future.cancelled():
                    continue
                error = future.exception()
                if error is None:
                    outcomes.append(future.result())
                    continue
                trouble = trouble or error
                for other in waiting:
                    other.cancel()
        yield Settled(tuple(outcomes))
        if trouble is not None:
            raise trouble

    def _import(self, row: PlannedRow) -> Outcome:
        if row.must_exist and not self._ids([row.email]):
            return Outcome(row.email, "accepted", "never_created")
        content = b'{"data":' + profile_json(row) + b"}"
        try:
            self._api.send("POST", PROFILE_IMPORT, content=content, limit="profile-import")
        except RequestRefusedError as refusal:
            return rejected(row.email, problems(refusal)[0])
        return Outcome(row.email, "accepted")

    def _patch(self, row: PlannedRow, profile_id: str | None) -> Outcome:
        if profile_id is None:
            return self._without_profile(row)
        try:
            response = self._api.send(
                "PATCH",
                f"{PROFILES}/{profile_id}",
                content=_PATCH % (orjson.dumps(profile_id), row.body.encode()),
                limit="profile-patch",
                accept=(404,),
                name="PATCH profile",
            )
        except RequestRefusedError as refusal:
            return rejected(row.email, problems(refusal)[0])
        if response.is_success:
            return Outcome(row.email, "accepted")
        return self._without_profile(row)  # deleted or merged since it was looked up

    def _without_profile(self, row: PlannedRow) -> Outcome:
        if row.must_exist:
            return Outcome(row.email, "accepted", "never_created")
        if row.operation == "clear":
            return Outcome(row.email, "accepted", "no_profile")
        return self._import(row)

    def _ids(self, emails: Sequence[str]) -> dict[str, str]:
        """Profile id by e-mail, of those who have a profile."""
        is_one = len(emails) == 1
        literal = orjson.dumps(emails[0] if is_one else list(emails)).decode()
        page = self._api.get_json(
            PROFILES,
            params={
                "filter": f"{'equals' if is_one else 'any'}(email,{literal})",
                "fields[profile]": "email",
                "page[size]": LOOKUP_EMAILS,
            },
            limit="profiles",
            name="GET profiles by e-mail",
        )
        found: dict[str, str] = {}
        for profile in page["data"]:
            email = str(profile["attributes"].get("email") or "").strip().lower()
            found.setdefault(email, str(profile["id"]))
        return found
