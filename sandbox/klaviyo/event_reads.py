"""Endpoints that read events and metrics.

References: https://developers.klaviyo.com/en/reference/get_events and
https://developers.klaviyo.com/en/reference/get_metrics
"""

from collections.abc import Callable, Sequence

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo import responses
from sandbox.klaviyo.filters import Condition, FilterError, moment, parse_filter
from sandbox.klaviyo.pages import page
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.schema import Problem, operations
from sandbox.klaviyo.services import Services

DEFAULT_PAGE_SIZE = 200
EVENT_ID_CHARACTERS = 11


class EventReads:
    """Reading events and metrics."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_operation(self) -> dict[str, Callable[[Call], Reply]]:
        """Handlers by operation."""
        return {
            "GET /api/events": self._list,
            "GET /api/events/{id}": self._get,
            "GET /api/metrics": self._metrics,
            "GET /api/metrics/{id}": self._metric,
        }

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
        return page(
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
        if len(wanted) != EVENT_ID_CHARACTERS:
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
        return page(call, metrics, lambda _: "", lambda metric: metric_resource(metric, call), 200)

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


def _holds(condition: Condition, event: Record) -> bool:
    if condition.operator == "has":
        return True
    if condition.field in ("metric_id", "profile_id"):
        return bool(event[condition.field] == condition.values[0])
    if condition.field == "timestamp" and condition.values[0].isdecimal():
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
