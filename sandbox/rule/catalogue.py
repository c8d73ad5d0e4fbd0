"""The account's catalogue: tags, groups and their fields, all made by use.

Owns names, ids and types; who has which tag or value is in `people.py`. A name made of digits only
is an id, never a new tag.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.core.switches import Switches

Record = dict[str, Any]
FIRST_TAG_ID = 101
FIRST_FIELD_ID = 169_001


class TagMissingError(Exception):
    """No tag has this id or name."""


class Catalogue:
    """Tags and fields. `now` is the sandbox's clock."""

    def __init__(self, now: Callable[[], datetime], switches: Switches) -> None:
        self._now = now
        self._switches = switches
        self.tags: dict[int, Record] = {}
        self.groups: dict[str, Record] = {}
        self._tag_ids: dict[str, int] = {}
        self._next_tag = FIRST_TAG_ID
        self._next_field = FIRST_FIELD_ID

    def find_tag(self, reference: Any) -> Record:
        """The tag with this id (a number, or digits only) or name.

        Raises:
            TagMissingError: there is none.
        """
        if isinstance(reference, int) or reference.isdecimal():
            tag = self.tags.get(int(reference))
        else:
            tag = self.tags.get(self._tag_ids.get(self._tag_key(reference), 0))
        if tag is None:
            raise TagMissingError
        return tag

    def use_tag(self, reference: Any) -> Record:
        """The tag, made if a name is new.

        Raises:
            TagMissingError: an id that does not exist.
        """
        try:
            return self.find_tag(reference)
        except TagMissingError:
            if isinstance(reference, int) or reference.isdecimal():
                raise
        stamp = self._now().isoformat()
        tag = {
            "id": self._next_tag,
            "name": reference,
            "description": None,
            "created_at": stamp,
            "updated_at": stamp,
        }
        self._next_tag += 1
        self.tags[tag["id"]] = tag
        self._tag_ids[self._tag_key(reference)] = tag["id"]
        return tag

    def rename_tag(self, tag: Record, name: str) -> bool:
        """Renames; False if another tag has the name."""
        holder = self._tag_ids.get(self._tag_key(name))
        if holder not in (None, tag["id"]):
            return False
        self._tag_ids.pop(self._tag_key(tag["name"]), None)
        self._tag_ids[self._tag_key(name)] = tag["id"]
        tag["name"] = name
        return True

    def remove_tag(self, tag: Record) -> None:
        """Forgets a tag."""
        del self.tags[tag["id"]]
        self._tag_ids.pop(self._tag_key(tag["name"]), None)

    def field(self, group: str, name: str) -> Record | None:
        """A known field: `{"id", "name", "type"}`."""
        known = self.groups.get(self._field_key(group))
        found: Record | None = known["fields"].get(self._field_key(name)) if known else None
        return found

    def spelling(self, group: str, name: str) -> tuple[str, str]:
        """The names under which a field is kept (the first spelling, when case is folded)."""
        known = self.groups.get(self._field_key(group))
        field = self.field(group, name)
        return known["name"] if known else group, field["name"] if field else name

    def use_field(self, group: str, name: str, kind: str) -> Record:
        """The field, made if new, with this type."""
        stamp = self._now().isoformat()
        key = self._field_key(group)
        if key not in self.groups:
            self.groups[key] = {
                "id": self._next_field,
                "name": group,
                "created_at": stamp,
                "updated_at": stamp,
                "fields": {},
            }
            self._next_field += 1
        fields: dict[str, Record] = self.groups[key]["fields"]
        field = fields.get(self._field_key(name))
        if field is None:
            field = {"id": self._next_field, "name": name, "type": kind}
            self._next_field += 1
            fields[self._field_key(name)] = field
            self.groups[key]["updated_at"] = stamp
        field["type"] = kind
        return field

    def dump(self) -> dict[str, Any]:
        """The whole catalogue as JSON values."""
        return {
            "tags": list(self.tags.values()),
            "groups": self.groups,
            "next": [self._next_tag, self._next_field],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self.tags = {tag["id"]: tag for tag in state["tags"]}
        self._tag_ids = {self._tag_key(tag["name"]): tag["id"] for tag in state["tags"]}
        self.groups = dict(state["groups"])
        self._next_tag, self._next_field = state["next"]

    def _tag_key(self, name: str) -> str:
        return name.lower() if self._switches["tag_case"] == "folded" else name

    def _field_key(self, name: str) -> str:
        return name.lower() if self._switches["field_case"] == "folded" else name
