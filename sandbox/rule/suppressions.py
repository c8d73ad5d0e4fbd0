"""Suppressions, v2 and v3: who must not be sent what.

v2 names dispatcher types and channels and acts at once; v3 covers marketing only, later. Neither is
used by a data sync; they are here so that a test can see that it touched none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply
from sandbox.rule import responses
from sandbox.rule.bodies import body_of
from sandbox.rule.bulk import accept_later, people_of
from sandbox.rule.catalogue import Record
from sandbox.rule.paging import page_of
from sandbox.rule.people import IDENTIFIERS
from sandbox.rule.services import Services

# Requests say `transaction`, webhooks and records `transactional`.
DISPATCHERS = {"campaign": "campaign", "transaction": "transactional"}
CHANNELS = ("email", "text_message")


class SuppressionEndpoints:
    """v2 and v3 suppressions."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[Route]:
        """Paths below the vendor's prefix."""
        return [
            Route("POST", "/api/v2/suppressions", self._suppress_v2),
            Route("GET", "/api/v2/suppressions", self._list),
            Route("DELETE", "/api/v2/suppressions/{identifier}", self._remove_v2),
            Route("POST", "/api/v3/suppressions", self._suppress_v3),
            Route("DELETE", "/api/v3/suppressions", self._remove_v3),
        ]

    def _suppress_v2(self, call: Call) -> Reply:
        body = body_of(call)
        wanted = body.get("suppress_on")
        people = body.get("subscribers")
        if not isinstance(wanted, dict) or not _is_known(wanted):
            return responses.bad_request({"suppress_on": ["The suppress_on field is required."]})
        if (
            not isinstance(people, list)
            or not people
            or not all(isinstance(item, dict) for item in people)
        ):
            return responses.bad_request({"subscribers": ["The subscribers field is required."]})
        for item in people:
            for record in self._services.people.matches(item) or self._by_id(item):
                for dispatcher, channels in wanted.items():
                    for channel in channels:
                        self._services.people.suppress(record, DISPATCHERS[dispatcher], channel)
        return responses.success()

    def _by_id(self, item: Mapping[str, Any]) -> list[Record]:
        record = self._services.people.find("id", item.get("id"))
        return [record] if record else []

    def _list(self, call: Call) -> Reply:
        switches = self._services.switches
        names = ("dispatcher_type", "message_type", "suppressed_source_type")
        rows = [
            {
                "id": record["id"] * 10 + index,
                "created_at": responses.stamp(known["created_at"], switches),
                **{name: known[name] for name in names},
                "subscriber": {name: record[name] for name in ("id", "email", "phone_number")},
            }
            for record in self._services.people
            for index, known in enumerate(record["suppressions"])
        ]
        return page_of(call, "suppressions", len(rows), lambda start, stop: rows[start:stop])

    def _remove_v2(self, call: Call) -> Reply:
        identified_by = call.query.get("identified_by", "email")
        record = None
        if identified_by in ("id", *IDENTIFIERS):
            record = self._services.people.find(identified_by, call.path_params["identifier"])
        if record is None:
            return responses.subscriber_missing()
        dispatcher = call.query.get("dispatcher_type", "")
        dispatchers = [DISPATCHERS.get(dispatcher, dispatcher)] if dispatcher else []
        channel = call.query.get("message_type")
        _lift(record, dispatchers, [channel] if channel else [])
        return responses.success()

    def _suppress_v3(self, call: Call) -> Reply:
        channels = _channels(body_of(call))

        def suppress(record: Record, _: Mapping[str, Any]) -> None:
            for channel in channels:
                self._services.people.suppress(record, "campaign", channel)

        return people_of(self._services, call) or accept_later(self._services, call, suppress)

    def _remove_v3(self, call: Call) -> Reply:
        channels = _channels(body_of(call))

        def lift(record: Record, _: Mapping[str, Any]) -> None:
            _lift(record, ["campaign"], channels)

        return people_of(self._services, call) or accept_later(self._services, call, lift)


def _is_known(wanted: Mapping[str, Any]) -> bool:
    """Whether `suppress_on` maps dispatcher types to lists of channels."""
    return set(wanted) <= set(DISPATCHERS) and all(
        isinstance(channels, list) and all(channel in CHANNELS for channel in channels)
        for channels in wanted.values()
    )


def _channels(body: Mapping[str, Any]) -> list[str]:
    given = body.get("message_types")
    return [channel for channel in CHANNELS if channel in given] if given else list(CHANNELS)


def _lift(record: Record, dispatchers: Sequence[str], channels: Sequence[str]) -> None:
    """Takes suppressions away; an empty list means all."""
    record["suppressions"] = [
        known
        for known in record["suppressions"]
        if (dispatchers and known["dispatcher_type"] not in dispatchers)
        or (channels and known["message_type"] not in channels)
    ]
