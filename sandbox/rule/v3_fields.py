"""v3's custom field data of one subscriber: reading it by group, and deleting a group of it.

A subscriber is addressed by the numeric id only. Writing is left to v2 here. Facts: Rule's SDK
(https://github.com/rulecom/rule-io-sdk), `docs/custom-fields.md`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.rule import responses
from sandbox.rule.catalogue import Record
from sandbox.rule.services import Services

BASE = "/api/v3/custom-field-data/{subscriber}"
DEFAULT_PER_PAGE = 15


class FieldDataEndpoints:
    """Values of one subscriber by group."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[Route]:
        """Paths below the vendor's prefix."""
        return [
            Route("GET", BASE, self._read),
            Route("GET", f"{BASE}/group/{{group}}", self._read_group),
            Route("DELETE", f"{BASE}/group/{{group}}", self._delete_group),
        ]

    def _read(self, call: Call) -> Reply:
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        wanted = {*call.query.getlist("groups_id[]"), *call.query.getlist("groups_name[]")}
        found = [
            entry
            for entry in self._entries(record)
            if not wanted or wanted & {str(entry["group_id"]), entry["group_name"]}
        ]
        return self._page(call, found)

    def _read_group(self, call: Call) -> Reply:
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        name = self._group_name(call)
        return self._page(call, [e for e in self._entries(record) if e["group_name"] == name])

    def _delete_group(self, call: Call) -> Reply:
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        if record["fields"].pop(self._group_name(call), None) is not None:
            self._services.people.touch(record)
        elif self._services.switches["absent_group"] == "not_found":
            return responses.error(404, "GroupNotFound", "Could not find group")
        return json_reply({"message": "Deleted"})

    def _entries(self, record: Record) -> Iterator[Record]:
        """One record per group: no group is historical here."""
        catalogue = self._services.catalogue
        by_name = {group["name"]: group for group in catalogue.groups.values()}
        for name, fields in record["fields"].items():
            group = by_name.get(name, {"id": 0})
            values = []
            for field, value in fields.items():
                known: Any = catalogue.field(name, field) or {"id": 0, "type": "text"}
                values.append(
                    {
                        "field_id": known["id"],
                        "field_name": field,
                        "field_type": known["type"],
                        "field_value": value,
                    }
                )
            yield {
                "id": record["id"] * 1000 + group["id"] % 1000,
                "group_id": group["id"],
                "group_name": name,
                "historical": False,
                "created_at": responses.stamp(record["created_at"], self._services.switches),
                "values": values,
            }

    def _page(self, call: Call, found: Sequence[Record]) -> Reply:
        """A page; `meta` tells neither a total nor what follows."""
        page = _number(call, "page", 1)
        per_page = _number(call, "per_page", DEFAULT_PER_PAGE)
        shown = found[(page - 1) * per_page : page * per_page]
        return json_reply({"data": shown, "meta": {"page": page, "per_page": per_page}})

    def _find(self, call: Call) -> Record | None:
        return self._services.people.find("id", call.path_params["subscriber"])

    def _group_name(self, call: Call) -> str:
        """The name of a group that is given by name or id."""
        wanted = call.path_params["group"]
        for group in self._services.catalogue.groups.values():
            if wanted in (str(group["id"]), group["name"]):
                return str(group["name"])
        return wanted


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, "")
    return max(1, int(text)) if text.isdecimal() else default
