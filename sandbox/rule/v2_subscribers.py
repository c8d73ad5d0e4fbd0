"""v2 endpoints about subscribers: create, read, update, delete, their fields and tags.

A subscriber is addressed by e-mail unless `identified_by` says otherwise. What a create call does
is in `create.py`.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.rule import responses
from sandbox.rule.automations import MODES
from sandbox.rule.bodies import body_of
from sandbox.rule.catalogue import Record, TagMissingError
from sandbox.rule.create import create_subscribers, known_tags, tag_reasons
from sandbox.rule.entries import EntryRefusedError, FieldReader, prepare, write
from sandbox.rule.paging import page_of
from sandbox.rule.people import IDENTIFIERS, DuplicateError
from sandbox.rule.services import Services
from sandbox.rule.values import Stored

BASE = "/api/v2"


class SubscriberEndpoints:
    """v2's reads and writes of subscribers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[Route]:
        """Paths below the vendor's prefix; `clear` goes before `{tag}`."""
        one = f"{BASE}/subscribers/{{identifier}}"
        return [
            Route("POST", f"{BASE}/subscribers", self._create),
            Route("GET", f"{BASE}/subscribers", self._list),
            Route("GET", one, self._get),
            Route("PUT", one, self._update),
            Route("DELETE", one, self._delete),
            Route("GET", f"{BASE}/subscriber/{{identifier}}/fields", self._fields),
            Route("GET", f"{one}/tags", self._tags),
            Route("POST", f"{one}/tags", self._add_tags),
            Route("DELETE", f"{one}/tags/clear", self._clear_tags),
            Route("DELETE", f"{one}/tags/{{tag}}", self._remove_tag),
        ]

    def _create(self, call: Call) -> Reply:
        return create_subscribers(self._services, body_of(call))

    def _list(self, call: Call) -> Reply:
        people, switches = self._services.people, self._services.switches
        return page_of(
            call,
            "subscribers",
            len(people),
            lambda start, stop: [
                responses.subscriber_row(record, people, switches)
                for record in islice(people, start, stop)
            ],
        )

    def _get(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        people, switches = self._services.people, self._services.switches
        return json_reply({"subscriber": responses.subscriber_v2(record, people, switches)})

    def _update(self, call: Call) -> Reply:
        """Every client addresses this by numeric id, without `identified_by`."""
        services = self._services
        record = services.people.find("id", call.path_params["identifier"])
        if record is None:
            return responses.subscriber_missing()
        body = body_of(call)
        try:
            entry = prepare(services, body, FieldReader(services), needs_identifier=False)
        except EntryRefusedError as refused:
            return responses.bad_request(refused.fields)
        reasons = tag_reasons(services, body)
        if reasons:
            return responses.bad_request(reasons)
        tags = body.get("tags") or []
        if not known_tags(services, tags):
            return responses.tag_missing()
        try:
            write(services, record, entry)
        except DuplicateError:
            return responses.subscriber_exists()
        if "tags" in body:
            if services.switches["put_tags"] == "replace":
                record["tags"] = []
            used = [services.catalogue.use_tag(tag) for tag in tags]
            services.automations.assign(record, used, None)
        shown = responses.subscriber_v2(record, services.people, services.switches)
        return json_reply({"subscriber": shown})

    def _delete(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        self._services.people.remove(record)
        return responses.success()

    def _fields(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        groups = [
            {
                "name": group,
                "historical": False,
                "fields": [self._field(group, name, value) for name, value in fields.items()],
            }
            for group, fields in record["fields"].items()
        ]
        return json_reply({"groups": groups})

    def _field(self, group: str, name: str, value: Stored) -> Record:
        known = self._services.catalogue.field(group, name) or {"id": None, "type": "text"}
        switches = self._services.switches
        shown: Any = value
        if isinstance(value, list) and switches["multiple_read_back"] == "joined":
            shown = ",".join(value)
        elif known["type"] == "json" and switches["json_read_back"] == "parsed" and value:
            shown = orjson.loads(str(value))
        return {"id": known["id"], "name": name, "type": known["type"], "value": shown}

    def _tags(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        return json_reply({"tags": self._services.people.tag_names(record)})

    def _add_tags(self, call: Call) -> Reply:
        services = self._services
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        body: Mapping[str, Any] = body_of(call)
        reasons = tag_reasons(services, body)
        if not body.get("tags") and not reasons:
            reasons = {"tags": ["The tags field is required."]}
        mode = body.get("automation")
        if mode not in (None, False, *MODES):
            reasons["automation"] = ["The automation field must be send, reset or force."]
        if reasons:
            return responses.bad_request(reasons)
        if not known_tags(services, body["tags"]):
            return responses.tag_missing()
        if mode in MODES:
            services.unblock(record)
        elif "automation" not in body and services.switches["tag_add_default"] == "send":
            mode = "send"
        tags = [services.catalogue.use_tag(tag) for tag in body["tags"]]
        services.automations.assign(record, tags, mode or None)
        services.people.touch(record)
        return responses.success()

    def _remove_tag(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        return remove_tag(self._services, record, call.path_params["tag"], responses.success())

    def _clear_tags(self, call: Call) -> Reply:
        record = self.find(call)
        if record is None:
            return responses.subscriber_missing()
        record["tags"] = []
        self._services.people.touch(record)
        return responses.success()

    def find(self, call: Call) -> Record | None:
        """The subscriber that path and `identified_by` name."""
        identified_by = call.query.get("identified_by", "email")
        if identified_by not in ("id", *IDENTIFIERS):
            return None
        return self._services.people.find(identified_by, call.path_params["identifier"])


def remove_tag(services: Services, record: Record, reference: str, done: Reply) -> Reply:
    """Takes one tag from one subscriber; shared by v2 and v3."""
    try:
        tag = services.catalogue.find_tag(reference)
    except TagMissingError:
        return responses.tag_missing()
    if tag["id"] in record["tags"]:
        record["tags"].remove(tag["id"])
        services.people.touch(record)
    elif services.switches["absent_tag"] == "not_found":
        return responses.tag_missing()
    return done
