"""v2 endpoints about tags and custom fields of the account.

There is no POST /tags: tags arise by use. Groups and fields may also be made ahead with
`POST /customizations`.
"""

from collections.abc import Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.rule import responses
from sandbox.rule.bodies import body_of
from sandbox.rule.catalogue import Record, TagMissingError
from sandbox.rule.paging import page_of
from sandbox.rule.services import Services
from sandbox.rule.values import TYPES, FieldValueError, split_key

BASE = "/api/v2"


class CatalogueEndpoints:
    """Tags, groups and fields."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[Route]:
        """Paths below the vendor's prefix."""
        one = f"{BASE}/tags/{{identifier}}"
        return [
            Route("GET", f"{BASE}/tags", self._tags),
            Route("GET", one, self._tag),
            Route("PUT", one, self._change_tag),
            Route("DELETE", one, self._delete_tag),
            Route("DELETE", f"{one}/clear", self._clear_tag),
            Route("GET", f"{BASE}/customizations", self._groups),
            Route("POST", f"{BASE}/customizations", self._create_fields),
            Route("GET", f"{BASE}/customizations/{{identifier}}", self._group),
        ]

    def _tags(self, call: Call) -> Reply:
        tags = list(self._services.catalogue.tags.values())
        return page_of(
            call,
            "tags",
            len(tags),
            lambda start, stop: [self._stamped(tag) for tag in tags[start:stop]],
        )

    def _tag(self, call: Call) -> Reply:
        tag = self._find(call)
        if tag is None:
            return responses.tag_missing()
        shown = {name: tag[name] for name in ("id", "name", "description")}
        if call.query.get("with_count") == "true":
            shown["recipient_count"] = sum(
                tag["id"] in record["tags"] for record in self._services.people
            )
        return json_reply(shown)

    def _change_tag(self, call: Call) -> Reply:
        tag = self._find(call)
        if tag is None:
            return responses.tag_missing()
        body = body_of(call)
        name = body.get("name")
        if name and not self._services.catalogue.rename_tag(tag, str(name)):
            return responses.error(409, "DuplicateTag", "Tag already exists")
        if "description" in body:
            tag["description"] = body["description"]
        tag["updated_at"] = self._services.context.now().isoformat()
        return responses.success()

    def _delete_tag(self, call: Call) -> Reply:
        tag = self._find(call)
        if tag is None:
            return responses.tag_missing()
        self._detach(tag)
        self._services.catalogue.remove_tag(tag)
        return responses.success()

    def _clear_tag(self, call: Call) -> Reply:
        tag = self._find(call)
        if tag is None:
            return responses.tag_missing()
        self._detach(tag)
        return responses.success()

    def _groups(self, call: Call) -> Reply:
        groups = list(self._services.catalogue.groups.values())
        return page_of(
            call,
            "groups",
            len(groups),
            lambda start, stop: [self._shown_group(group) for group in groups[start:stop]],
        )

    def _group(self, call: Call) -> Reply:
        wanted = call.path_params["identifier"]
        for group in self._services.catalogue.groups.values():
            if wanted in (str(group["id"]), group["name"]):
                return json_reply(self._shown_group(group))
        return responses.error(404, "GroupNotFound", "Could not find group")

    def _create_fields(self, call: Call) -> Reply:
        fields = body_of(call).get("fields")
        if not isinstance(fields, list) or not fields:
            return responses.bad_request({"fields": ["The fields field is required."]})
        places: list[tuple[str, str, str]] = []
        for index, field in enumerate(fields):
            if not isinstance(field, dict) or field.get("type", "text") not in TYPES:
                return responses.bad_request({f"fields.{index}": ["The type is not known."]})
            try:
                group, name = split_key(field.get("key"))
            except FieldValueError as error:
                return responses.bad_request({f"fields.{index}": [str(error)]})
            places.append((group, name, field.get("type", "text")))
        for group, name, kind in places:
            if self._services.catalogue.field(group, name) is None:
                self._services.catalogue.use_field(group, name, kind)
        return responses.success()

    def _stamped(self, record: Record) -> Record:
        switches = self._services.switches
        return {
            **record,
            **{name: responses.stamp(record[name], switches) for name in _STAMPS},
        }

    def _shown_group(self, group: Record) -> dict[str, Any]:
        return {**self._stamped(group), "fields": list(group["fields"].values())}

    def _find(self, call: Call) -> Record | None:
        """A tag by name unless `identified_by=id`; a name of digits is an id anyway."""
        try:
            return self._services.catalogue.find_tag(call.path_params["identifier"])
        except TagMissingError:
            return None

    def _detach(self, tag: Record) -> None:
        for record in self._services.people:
            if tag["id"] in record["tags"]:
                record["tags"].remove(tag["id"])


_STAMPS = ("created_at", "updated_at")
