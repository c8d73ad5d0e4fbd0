"""The profiles of the simulated account and who is who.

Owns the stored profiles, their identifiers and the order of their ids. It takes payloads that have
passed validation; it must not build responses or read requests.
Identity: https://help.klaviyo.com/hc/en-us/articles/12902308138011
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.core.addresses import is_phone
from sandbox.klaviyo.identity import email_key, ulid
from sandbox.klaviyo.patching import (
    IDENTIFIERS,
    Record,
    apply_attributes,
    apply_patch,
    empty_profile,
    patch_of,
)

# Precedence of identity resolution, strongest first (after the profile id).
PRECEDENCE = ("external_id", "email", "phone_number")


class ProfileMissingError(Exception):
    """No profile has this id; the id is the only argument."""


class ProfileConflictError(Exception):
    """The identifiers belong to another profile, whose id is the only argument."""


@dataclass(frozen=True)
class WriteRules:
    """How a write treats what the documentation leaves open."""

    nulls_clear: bool = True
    merge_conflicts: bool = False
    append_is_set: bool = True
    apply_meta: bool = True


class ProfileStore:
    """Profiles by id, found by any identifier. `now` is the sandbox's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._records: dict[str, Record] = {}
        self._ids: dict[str, dict[str, str]] = {name: {} for name in IDENTIFIERS}
        self._sorted_ids: list[str] = []
        self._counter = 0
        self._newest_update = datetime.min.replace(tzinfo=UTC)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def ids(self) -> list[str]:
        """All ids in their stable order."""
        if len(self._sorted_ids) != len(self._records):
            self._sorted_ids = sorted(self._records)
        return self._sorted_ids

    def get(self, profile_id: str) -> Record:
        """One profile.

        Raises:
            ProfileMissingError: no such id.
        """
        try:
            return self._records[profile_id]
        except KeyError:
            raise ProfileMissingError(profile_id) from None

    def find(self, identifier: str, value: str) -> Record | None:
        """The profile with this `email`, `phone_number` or `external_id`."""
        profile_id = self._ids[identifier].get(_key(identifier, value))
        return self._records[profile_id] if profile_id else None

    def matches(self, data: Mapping[str, Any]) -> list[Record]:
        """The profiles that a payload's identifiers name, strongest identifier first."""
        found: dict[str, Record] = {}
        if data.get("id"):
            found[data["id"]] = self.get(data["id"])
        attributes = data["attributes"]
        for name in PRECEDENCE:
            value = attributes.get(name)
            record = self.find(name, value) if value else None
            if record is not None:
                found[record["id"]] = record
        return list(found.values())

    def upsert(self, data: Mapping[str, Any], rules: WriteRules) -> tuple[Record, bool]:
        """Creates or updates; returns the profile and whether it is new.

        Raises:
            ProfileMissingError: the payload names an id that does not exist.
            ProfileConflictError: its identifiers belong to two profiles and merging is off.
        """
        matches = self.matches(data)
        if len(matches) > 1 and not rules.merge_conflicts:
            raise ProfileConflictError(matches[1]["id"])
        if not matches:
            return self.create(data, rules), True
        for weaker in matches[1:]:
            self._merge(matches[0], weaker)
        self._write(matches[0], data, rules)
        return matches[0], False

    def create(self, data: Mapping[str, Any], rules: WriteRules) -> Record:
        """A new profile from a payload that matches nobody."""
        now = self._now()
        self._counter += 1
        record = {
            "id": ulid(now, self._counter),
            **empty_profile(),
            "created": now.isoformat(timespec="seconds"),
        }
        self._records[record["id"]] = record
        self._write(record, data, rules)
        return record

    def update(self, profile_id: str, data: Mapping[str, Any], rules: WriteRules) -> Record:
        """Writes to one profile by id; refuses identifiers of others like `upsert`."""
        record = self.get(profile_id)
        for other in self.matches({"attributes": data["attributes"]}):
            if other is not record:
                raise ProfileConflictError(other["id"])
        self._write(record, data, rules)
        return record

    def remove(self, profile_id: str) -> None:
        """Forgets one profile (a test's doing; Klaviyo has no such endpoint)."""
        record = self._records.pop(profile_id)
        self._sorted_ids = []
        for name in IDENTIFIERS:
            if record[name] is not None:
                self._ids[name].pop(_key(name, record[name]), None)

    def touch(self, record: Record) -> None:
        """Moves `updated` forward; never two profiles at the same microsecond."""
        self._newest_update = max(self._now(), self._newest_update + timedelta(microseconds=1))
        record["updated"] = self._newest_update.isoformat(timespec="microseconds")

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        return {
            "counter": self._counter,
            "newest_update": self._newest_update.isoformat(),
            "records": list(self._records.values()),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self._counter = state["counter"]
        self._newest_update = datetime.fromisoformat(state["newest_update"])
        self._records = {record["id"]: record for record in state["records"]}
        self._sorted_ids = []
        self._ids = {name: dict(_index(name, self)) for name in IDENTIFIERS}

    def _write(self, record: Record, data: Mapping[str, Any], rules: WriteRules) -> None:
        attributes = data["attributes"]
        for name in IDENTIFIERS:
            if name in attributes and (rules.nulls_clear or attributes[name] is not None):
                self._identify(record, name, attributes[name])
        apply_attributes(record, attributes, nulls_clear=rules.nulls_clear)
        patch = patch_of(data)
        if patch and rules.apply_meta:
            apply_patch(record, patch, append_is_set=rules.append_is_set)
        self.touch(record)

    def _identify(self, record: Record, name: str, value: str | None) -> None:
        if name == "phone_number" and value is not None and not is_phone(value):
            return  # accepted beside a valid e-mail and silently not stored
        if record[name] is not None:
            self._ids[name].pop(_key(name, record[name]), None)
        record[name] = value
        if value is not None:
            self._ids[name][_key(name, value)] = record["id"]

    def _merge(self, stronger: Record, weaker: Record) -> None:
        self.remove(weaker["id"])
        for name, value in weaker.items():
            if name in ("location", "properties"):
                stronger[name] = {**value, **stronger[name]}
            elif stronger[name] is None and value is not None:
                if name in IDENTIFIERS:
                    self._identify(stronger, name, value)
                else:
                    stronger[name] = value


def _key(identifier: str, value: str) -> str:
    return email_key(value) if identifier == "email" else value


def _index(name: str, records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    for record in records:
        if record[name] is not None:
            yield _key(name, record[name]), record["id"]
