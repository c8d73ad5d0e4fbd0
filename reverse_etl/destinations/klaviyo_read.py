"""Klaviyo profiles read back by e-mail, a hundred at a time.

Reads only; owns the requests and the shape of the answers. What a value should be is not its
business.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson

from reverse_etl.destinations.klaviyo import LIMITS, PROFILES
from reverse_etl.read_back import Estimate, Shown
from vendor_http import ApiClient

# `any(...)` has no official cap; a hundred values fill exactly one page, which has one.
# https://developers.klaviyo.com/en/reference/get_profiles
PEOPLE_PER_REQUEST = 100
# No limit for an address is published. Common gateways refuse 8 KB; long e-mails stay below that.
FILTER_BYTES = 6_000
# At the 0.3 s that a page of a hundred takes, four at a time spend the budget of a minute.
THREADS = 4


class KlaviyoReader:
    """Profiles of one account as they are now.

    Args:
        api: signed-in client, see `klaviyo.client`; needs profiles:read.
        page_size: profiles per page, at most 100.
        threads: requests at a time.
    """

    name = "klaviyo"
    object_name = "profiles"
    people_at_once = 10_000

    def __init__(
        self, api: ApiClient, *, page_size: int = PEOPLE_PER_REQUEST, threads: int = THREADS
    ) -> None:
        self._api = api
        self._page_size = page_size
        self._threads = threads

    def __repr__(self) -> str:
        return "KlaviyoReader()"

    def estimate(self, people: int) -> Estimate:
        """Requests and seconds that reading so many people takes at least."""
        requests = -(-people // PEOPLE_PER_REQUEST)
        minute = LIMITS["profiles"][-1]
        return Estimate(requests, requests / minute.requests * minute.seconds)

    def read(self, emails: Sequence[str]) -> Iterator[Shown]:
        """What Klaviyo shows of each of `emails` (normalised), in their order.

        Raises:
            ConfigurationError: the key or a scope is missing.
            VendorUnavailableError: passing trouble outlived the tries.
        """
        with ThreadPoolExecutor(self._threads, "klaviyo-read") as threads:
            waiting = [threads.submit(self._read_part, part) for part in _parts(emails)]
            try:
                for answer in waiting:
                    yield from answer.result()
            finally:
                for answer in waiting:
                    answer.cancel()

    def _read_part(self, emails: Sequence[str]) -> list[Shown]:
        found: dict[str, Mapping[str, Any]] = {}
        for profile in self._profiles(emails):
            attributes = profile["attributes"]
            email = str(attributes.get("email") or "").strip().lower()
            found[email] = attributes.get("properties") or {}
        return [Shown(email, found.get(email)) for email in emails]

    def _profiles(self, emails: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        params: dict[str, Any] = {
            "filter": _filter(emails),
            "fields[profile]": "email,properties",
            "page[size]": self._page_size,
        }
        while True:
            page = self._api.get_json(
                PROFILES, params=params, limit="profiles", name="GET profiles by e-mail"
            )
            yield from page["data"]
            # Only the cursor is taken from the link: a link to another host gets no key.
            cursor = parse_qs(urlsplit(page.get("links", {}).get("next") or "").query).get(
                "page[cursor]"
            )
            if not cursor or params.get("page[cursor]") == cursor[0]:
                return
            params = {**params, "page[cursor]": cursor[0]}


def _filter(emails: Sequence[str]) -> str:
    return f"any(email,{orjson.dumps(list(emails)).decode()})"


def _parts(emails: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for email in emails:
        added = len(quote(f'"{email}",', safe=""))
        if part and (len(part) == PEOPLE_PER_REQUEST or size + added > FILTER_BYTES):
            yield part
            part, size = [], 0
        part.append(email)
        size += added
    if part:
        yield part
