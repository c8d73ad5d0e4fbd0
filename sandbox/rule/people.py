"""The subscribers of the simulated account: who they are, what they have, what they consented to.

Owns identities, tag assignments, field values, status and suppressions. It takes checked values and
must not build responses; which automations a change starts is decided in `automations.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.core.switches import Switches
from sandbox.rule.catalogue import Catalogue, Record
from sandbox.rule.values import Stored

IDENTIFIERS = ("email", "phone_number", "custom_identifier")
STATUSES = ("ACTIVE", "BLOCKED", "PENDING")
FIRST_ID = 10_001


class DuplicateError(Exception):
    """An identifier belongs to somebody else."""


class People:
    """Subscribers by numeric id. `now` is the sandbox's clock."""

    def __init__(
        self, now: Callable[[], datetime], switches: Switches, catalogue: Catalogue
    ) -> None:
        self._now = now
        self._switches = switches
        self._catalogue = catalogue
        self._records: dict[int, Record] = {}
        self._ids: dict[str, dict[str, int]] = {name: {} for name in IDENTIFIERS}
        self._next_id = FIRST_ID

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def find(self, identified_by: str, value: Any) -> Record | None:
        """The subscriber with this `id`, `email`, `phone_number` or `custom_identifier`."""
        if identified_by == "id":
            text = str(value)
            return self._records.get(int(text)) if text.isdecimal() else None
        found = self._ids[identified_by].get(self._key(identified_by, str(value)))
        return self._records[found] if found else None

    def matches(self, entry: Mapping[str, Any]) -> list[Record]:
        """The subscribers that an entry's e-mail and phone name, e-mail first, each once."""
        found: dict[int, Record] = {}
        for name in IDENTIFIERS:
            record = self.find(name, entry[name]) if entry.get(name) else None
            if record is not None:
                found[record["id"]] = record
        return list(found.values())

    def add(self, entry: Mapping[str, Any], language: str | None = None) -> Record:
        """A new, active subscriber without tags and fields."""
        stamp = self._now().isoformat()
        record: Record = {
            "id": self._next_id,
            **dict.fromkeys(IDENTIFIERS),
            "language": language or "en",
            "opted_in": True,
            "status": "ACTIVE",
            "created_at": stamp,
            "updated_at": stamp,
            "tags": [],
            "fields": {},
            "suppressions": [],
        }
        self._next_id += 1
        self._records[record["id"]] = record
        self.identify(record, entry)
        return record

    def identify(self, record: Record, entry: Mapping[str, Any]) -> None:
        """Takes over the identifiers that an entry brings.

        Raises:
            DuplicateError: one of them belongs to somebody else; nothing is changed.
        """
        fresh = {name: str(entry[name]).strip() for name in IDENTIFIERS if entry.get(name)}
        for name, value in fresh.items():
            holder = self.find(name, value)
            if holder is not None and holder is not record:
                raise DuplicateError
        for name, value in fresh.items():
            if record[name] is not None:
                self._ids[name].pop(self._key(name, record[name]), None)
            record[name] = value
            self._ids[name][self._key(name, value)] = record["id"]

    def remove(self, record: Record) -> None:
        """Forgets a subscriber."""
        del self._records[record["id"]]
        for name in IDENTIFIERS:
            if record[name] is not None:
                self._ids[name].pop(self._key(name, record[name]), None)

    def touch(self, record: Record) -> None:
        """Moves `updated_at` to now."""
        record["updated_at"] = self._now().isoformat()

    def write_fields(self, record: Record, values: Mapping[tuple[str, str], Stored | None]) -> None:
        """Overwrites field values by (group, field); None takes the value away."""
        fields: dict[str, dict[str, Stored]] = record["fields"]
        for (group, name), value in values.items():
            if value is not None:
                fields.setdefault(group, {})[name] = value
            elif name in fields.get(group, {}):
                del fields[group][name]

    def tag_names(self, record: Record) -> list[Record]:
        """`[{"id", "name"}]` of a subscriber, in the order of assignment."""
        tags = self._catalogue.tags
        return [{"id": key, "name": tags[key]["name"]} for key in record["tags"] if key in tags]

    def suppress(
        self, record: Record, dispatcher_type: str, message_type: str, source: str = "api"
    ) -> None:
        """Suppresses one channel of one kind of sendout; repeating it changes nothing."""
        for known in record["suppressions"]:
            if (known["dispatcher_type"], known["message_type"]) == (dispatcher_type, message_type):
                return
        record["suppressions"].append(
            {
                "dispatcher_type": dispatcher_type,
                "message_type": message_type,
                "suppressed_source_type": source,
                "created_at": self._now().isoformat(),
            }
        )

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        return {"next": self._next_id, "records": list(self._records.values())}

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self._next_id = state["next"]
        self._records = {record["id"]: record for record in state["records"]}
        self._ids = {name: {} for name in IDENTIFIERS}
        for record in self:
            for name in IDENTIFIERS:
                if record[name] is not None:
                    self._ids[name][self._key(name, record[name])] = record["id"]

    def _key(self, name: str, value: str) -> str:
        value = value.strip()
        folds = name == "email" and self._switches["email_case"] == "folded"
        return value.lower() if folds else value
