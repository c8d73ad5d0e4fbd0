"""Endpoints that create events.

A bulk request is refused as a whole or accepted as a whole; nothing can be polled afterwards. An
anonymous id alone identifies nobody here: the sandbox has no web sessions. References:
https://developers.klaviyo.com/en/reference/create_event
https://developers.klaviyo.com/en/reference/bulk_create_events
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo import responses
from sandbox.klaviyo.checks import event_problems, profile_problems
from sandbox.klaviyo.identity import email_key
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import ProfileConflictError, ProfileMissingError, WriteRules
from sandbox.klaviyo.revisions import event_floor_year
from sandbox.klaviyo.schema import Problem
from sandbox.klaviyo.services import Services

MAX_EVENTS = 1_000
GROUPS = "/data/attributes/events-bulk-create/data"
DUPLICATE = "The unique_id is used more than once for the same profile and metric."


class EventEndpoints:
    """Creating events, one or many."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_operation(self) -> dict[str, Callable[[Call], Reply]]:
        """Handlers by operation."""
        return {
            "POST /api/events": self._create,
            "POST /api/event-bulk-create-jobs": self._create_many,
        }

    def _create(self, call: Call) -> Reply:
        del call
        attributes = self._services.payload["data"]["attributes"]
        profile = attributes["profile"]["data"]
        problems = [
            *profile_problems(profile, "/data/attributes/profile/data"),
            *self._event_problems(attributes, "/data/attributes"),
        ]
        if problems:
            return responses.invalid(problems)
        try:
            record = self._profile(profile)
        except ProfileMissingError as missing:
            return responses.not_found("profile", str(missing))
        self._services.events.add(record, attributes, backfill=bool(attributes.get("backfill")))
        return responses.accepted()

    def _create_many(self, call: Call) -> Reply:
        del call
        groups = self._services.payload["data"]["attributes"]["events-bulk-create"]["data"]
        count = sum(len(group["attributes"]["events"]["data"]) for group in groups)
        if count > MAX_EVENTS:
            text = f"A request can hold at most {MAX_EVENTS} events."
            return responses.invalid([Problem(text, pointer=GROUPS)])
        problems = list(self._group_problems(groups))
        if problems:
            return responses.invalid(problems)
        for group in groups:
            attributes = group["attributes"]
            try:
                record = self._profile(attributes["profile"]["data"])
            except ProfileMissingError as missing:
                return responses.not_found("profile", str(missing))
            for event in attributes["events"]["data"]:
                backfill = self._backfill(attributes.get("backfill"), event["attributes"])
                self._services.events.add(record, event["attributes"], backfill=backfill)
        return responses.accepted()

    def _event_problems(self, attributes: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
        now = self._services.context.now()
        yield from event_problems(
            attributes, pointer, now, event_floor_year(self._services.revision)
        )

    def _group_problems(self, groups: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
        switches = self._services.switches
        seen: set[tuple[str, str, str]] = set()
        for index, group in enumerate(groups):
            pointer = f"{GROUPS}/{index}/attributes"
            profile = group["attributes"]["profile"]["data"]
            yield from profile_problems(profile, f"{pointer}/profile/data")
            stored = self._stored(profile)
            identity = stored["id"] if stored else _identity(profile)
            for place, event in enumerate(group["attributes"]["events"]["data"]):
                attributes = event["attributes"]
                here = f"{pointer}/events/data/{place}/attributes"
                yield from self._event_problems(attributes, here)
                unique_id = attributes.get("unique_id")
                if unique_id is None:
                    continue
                key = (identity, attributes["metric"]["data"]["attributes"]["name"], unique_id)
                is_repeated = key in seen and switches["bulk_event_duplicate"] == "refused"
                is_known = (
                    switches["stored_event_duplicate"] == "refused"
                    and stored is not None
                    and self._services.events.is_stored(stored["id"], attributes)
                )
                seen.add(key)
                if is_repeated or is_known:
                    yield Problem(DUPLICATE, pointer=f"{here}/unique_id")

    def _stored(self, profile: Mapping[str, Any]) -> Record | None:
        try:
            matches = self._services.profiles.matches(profile)
        except ProfileMissingError:
            return None
        return matches[0] if matches else None

    def _profile(self, data: Mapping[str, Any]) -> Record:
        """The event's profile, created or updated; a single event has `meta` in the attributes."""
        attributes = data["attributes"]
        merged = {**data, "meta": data.get("meta") or attributes.get("meta")}
        rules = WriteRules(
            nulls_clear=False, append_is_set=self._services.switches["append"] == "set"
        )
        try:
            record, _ = self._services.profiles.upsert(merged, rules)
        except ProfileConflictError:
            # 202 was promised: the event goes to the profile of the strongest identifier.
            record = self._services.profiles.matches(merged)[0]
        return record

    def _backfill(self, group: bool | None, attributes: Mapping[str, Any]) -> bool:
        event = attributes.get("backfill")
        match self._services.switches["backfill_precedence"]:
            case "either":
                return bool(group) or bool(event)
            case "group":
                return bool(event if group is None else group)
            case _:
                return bool(group if event is None else event)


def _identity(profile: Mapping[str, Any]) -> str:
    attributes = profile["attributes"]
    email = attributes.get("email")
    others = (attributes.get(name) for name in ("external_id", "phone_number"))
    return next((str(part) for part in (email and email_key(email), *others) if part), "")
