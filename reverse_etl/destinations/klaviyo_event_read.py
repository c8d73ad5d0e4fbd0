"""Klaviyo events read back by person: profile ids by e-mail, then each profile's events.

Reads only. Events are told apart by `event_properties.$event_id`, which is the `unique_id` they
were sent with. https://developers.klaviyo.com/en/reference/get_events
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from reverse_etl.destinations.klaviyo_jobs import next_cursor
from reverse_etl.destinations.klaviyo_single import PROFILES
from vendor_http import ApiClient

EVENTS = "/api/events"
# The most that a page holds.
EVENT_PAGE = 1_000
# Addresses of up to a hundred characters stay below the 8 KB that common gateways take.
PEOPLE_PER_REQUEST = 50


class KlaviyoEventReader:
    """Events of one account as they are now.

    Args:
        api: signed-in client, see `klaviyo.client`; needs profiles:read and events:read.
        page_size: events per page, at most 1,000.
    """

    name = "klaviyo"

    def __init__(self, api: ApiClient, *, page_size: int = EVENT_PAGE) -> None:
        self._api = api
        self._page_size = page_size

    def __repr__(self) -> str:
        return "KlaviyoEventReader()"

    def read(self, emails: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
        """E-mail and the ids of its visible events; none of somebody Klaviyo does not know.

        Raises:
            ConfigurationError: the key or a scope is missing.
            VendorUnavailableError: passing trouble outlived the tries.
        """
        for at in range(0, len(emails), PEOPLE_PER_REQUEST):
            part = list(emails[at : at + PEOPLE_PER_REQUEST])
            ids = self._profile_ids(part)
            for email in part:
                profile = ids.get(email)
                yield email, frozenset(self._event_ids(profile) if profile else ())

    def _profile_ids(self, emails: Sequence[str]) -> dict[str, str]:
        params = {
            "filter": f"any(email,{orjson.dumps(list(emails)).decode()})",
            "fields[profile]": "email",
            "page[size]": PEOPLE_PER_REQUEST,
        }
        pages = self._pages(PROFILES, params, "profiles", "GET profiles by e-mail")
        return {
            str(profile["attributes"].get("email") or "").strip().lower(): str(profile["id"])
            for profile in pages
        }

    def _event_ids(self, profile_id: str) -> Iterator[str]:
        params = {
            "filter": f'equals(profile_id,"{profile_id}")',
            "fields[event]": "event_properties",
            "page[size]": self._page_size,
        }
        for event in self._pages(EVENTS, params, "events", "GET events of a profile"):
            yield str((event["attributes"].get("event_properties") or {}).get("$event_id"))

    def _pages(
        self, path: str, params: Mapping[str, Any], limit: str, name: str
    ) -> Iterator[Mapping[str, Any]]:
        cursor: str | None = None
        while True:
            asked = {**params, **({"page[cursor]": cursor} if cursor else {})}
            page = self._api.get_json(path, params=asked, limit=limit, name=name)
            yield from page["data"]
            following = next_cursor(page)
            if following is None or following == cursor:
                return
            cursor = following
