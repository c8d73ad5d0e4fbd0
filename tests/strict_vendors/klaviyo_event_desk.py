"""The event side of the strict Klaviyo: `POST /api/event-bulk-create-jobs`, answered 202, no body.

On top of the published document come its rules in words: at most 1,000 events a request, an id of
1 to 255 characters, none twice for one profile and metric in a request; an event that is stored
already is dropped in silence. And those a careful owner lives by: nothing of a person but the
e-mail, and of each event when it happened and whether it is history.
https://developers.klaviyo.com/en/reference/bulk_create_events
"""

from collections.abc import Callable, Iterator
from typing import Any

MOST_EVENTS = 1_000
MOST_ID_CHARACTERS = 255
Key = tuple[str, str, str]
"""E-mail, metric and the sender's id of an event."""


class EventDesk:
    """Stored events by key; `breach` is told of what no answer tells."""

    def __init__(self, breach: Callable[[str], None]) -> None:
        self.stored: dict[Key, dict[str, Any]] = {}
        self._breach = breach

    def fault(self, body: Any) -> str | None:
        """Why a request that fits the document is refused as a whole; None when it is not."""
        found = list(_events(body))
        if len(found) > MOST_EVENTS:
            return "more than 1,000 events"
        seen = set()
        for person, event in found:
            key = _key(person, event)
            if not 1 <= len(key[2]) <= MOST_ID_CHARACTERS:
                return "the length of a unique_id"
            if key in seen:
                return "an event twice in one request"
            seen.add(key)
            self._look_at(person, event)
        return None

    def store(self, body: Any) -> None:
        """Keep each event once."""
        for person, event in _events(body):
            self.stored.setdefault(_key(person, event), event)

    def _look_at(self, person: dict[str, Any], event: dict[str, Any]) -> None:
        if set(person) != {"email"}:
            self._breach(f"an event writes {sorted(person)} of a person")
        if person["email"] != person["email"].strip().lower():
            self._breach("an e-mail that is not normalised")
        if not event.get("time") or not isinstance(event.get("backfill"), bool):
            self._breach("an event without its time or without a word on history")


def _events(body: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Attributes of the profile and of the event, for each event of a request."""
    for group in body["data"]["attributes"]["events-bulk-create"]["data"]:
        person = group["attributes"]["profile"]["data"]["attributes"]
        for event in group["attributes"]["events"]["data"]:
            yield person, event["attributes"]


def _key(person: dict[str, Any], event: dict[str, Any]) -> Key:
    metric = event["metric"]["data"]["attributes"]["name"]
    return person.get("email") or "", metric, event.get("unique_id") or ""
