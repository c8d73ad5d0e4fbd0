"""Endpoints of events and metrics.

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
from sandbox.klaviyo.filters import Condition, FilterError, moment, parse_filter
from sandbox.klaviyo.identity import email_key
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import ProfileConflictError, ProfileMissingError, WriteRules
from sandbox.klaviyo.revisions import event_floor_year
from sandbox.klaviyo.schema import Problem, operations
from sandbox.klaviyo.services import Services

MAX_EVENTS = 1_000
GROUPS = "/data/attributes/events-bulk-create/data"
DEFAULT_PAGE_SIZE = 200
DUPLICATE = "The unique_id is used more than once for the same profile and metric."


class EventEndpoints:
    """Creating and reading events; reading metrics."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_operation(self) -> dict[str, Callable[[Call], Reply]]:
        """Handlers by operation."""
        return {
            "POST /api/events": self._create,
            "POST /api/event-bulk-create-jobs": self._create_many,
            "GET /api/events": self._list,
            "GET /api/events/{id}": self._get,
            "GET /api/metrics": self._metrics,
            "GET /api/metrics/{id}": self._metric,
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

    def _list(self, call: Call) -> Reply:
        events = self._services.events.visible()
        text = call.query.get("filter")
        try:
            if text:
                for condition in parse_filter(text, operations()["GET /api/events"].filters, 100):
                    events = [event for event in events if _holds(condition, event)]
        except FilterError as error:
            return responses.invalid([Problem(str(error), parameter="filter")])
        reply_size = int(call.query.get("page[size]", DEFAULT_PAGE_SIZE))
        return responses.page(
            call,
            events,
            lambda event: str(event["datetime"]),
            lambda event: self._event_resource(event, call),
            reply_size,
            descending=call.query.get("sort", "-datetime").startswith("-"),
            included=self._included if call.query.get("include") else None,
        )

    def _get(self, call: Call) -> Reply:
        wanted = call.path_params["id"]
        for event in self._services.events.visible():
            if event["id"] == wanted:
                data = self._event_resource(event, call)
                links = {"self": responses.self_url(call)}
                return responses.document({"data": data, "links": links})
        if len(wanted) != 11:
            return responses.invalid([Problem("Invalid event id.", parameter="id")])
        return responses.not_found("event", wanted)

    def _included(self, events: Sequence[Record], call: Call) -> list[Record]:
        wanted = call.query.get("include", "").split(",")
        found: dict[str, Record] = {}
        if "profile" in wanted:
            for event in events:
                record = self._services.profiles.get(event["profile_id"])
                found[record["id"]] = responses.profile_resource(record, call)
        if "metric" in wanted:
            ids = {event["metric_id"] for event in events}
            for metric in self._services.events.metrics():
                if metric["id"] in ids:
                    found[metric["id"]] = metric_resource(metric, call)
        return list(found.values())

    def _event_resource(self, event: Record, call: Call) -> Record:
        self_link = responses.link(call, f"events/{event['id']}/")
        names = ("timestamp", "datetime", "event_properties", "uuid")
        relationships = {
            name: {
                "data": {"type": name, "id": event[f"{name}_id"]},
                "links": {
                    "self": f"{self_link}relationships/{name}/",
                    "related": f"{self_link}{name}/",
                },
            }
            for name in ("profile", "metric")
        }
        resource = {
            "type": "event",
            "id": event["id"],
            "attributes": {name: event[name] for name in names},
            "relationships": relationships,
            "links": {"self": self_link},
        }
        return responses.sparse(resource, call)

    def _metrics(self, call: Call) -> Reply:
        metrics = self._services.events.metrics()
        text = call.query.get("filter")
        try:
            if text:
                rules = operations()["GET /api/metrics"].filters
                for condition in parse_filter(text, rules, 100):
                    # Filtering by category was seen to return nothing for API metrics.
                    is_name = condition.field == "integration.name"
                    metrics = metrics if is_name and condition.values == ("API",) else []
        except FilterError as error:
            return responses.invalid([Problem(str(error), parameter="filter")])
        return responses.page(
            call, metrics, lambda _: "", lambda metric: metric_resource(metric, call), 200
        )

    def _metric(self, call: Call) -> Reply:
        for metric in self._services.events.metrics():
            if metric["id"] == call.path_params["id"]:
                links = {"self": responses.self_url(call)}
                return responses.document({"data": metric_resource(metric, call), "links": links})
        return responses.not_found("metric", call.path_params["id"])


def metric_resource(metric: Record, call: Call) -> Record:
    """A metric made by API events."""
    resource = {
        "type": "metric",
        "id": metric["id"],
        "attributes": {
            "name": metric["name"],
            "created": metric["created"],
            "updated": metric["updated"],
            "integration": {"object": "integration", "name": "API", "category": "API"},
        },
        "relationships": {},
        "links": {"self": responses.link(call, f"metrics/{metric['id']}/")},
    }
    return responses.sparse(resource, call)


def _identity(profile: Mapping[str, Any]) -> str:
    attributes = profile["attributes"]
    email = attributes.get("email")
    others = (attributes.get(name) for name in ("external_id", "phone_number"))
    return next((str(part) for part in (email and email_key(email), *others) if part), "")


def _holds(condition: Condition, event: Record) -> bool:
    if condition.operator == "has":
        return True
    if condition.field in ("metric_id", "profile_id"):
        return bool(event[condition.field] == condition.values[0])
    if condition.field == "timestamp" and condition.values[0].isdigit():
        value, limit = f"{event['timestamp']:020d}", f"{int(condition.values[0]):020d}"
    else:
        value, limit = moment(event["datetime"]), moment(condition.values[0])
    match condition.operator:
        case "greater-than":
            return value > limit
        case "greater-or-equal":
            return value >= limit
        case "less-than":
            return value < limit
        case _:
            return value <= limit
