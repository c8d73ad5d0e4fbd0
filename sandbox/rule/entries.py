"""Checks the entries of a create or update call and writes them.

`prepare` looks and refuses, `write` changes: nothing is written before every entry was looked at.
It must not know about requests; reasons for refusal are by field, as Rule's 400 names them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.core.addresses import is_email, is_phone
from sandbox.rule.catalogue import Record
from sandbox.rule.services import Services
from sandbox.rule.values import (
    MAX_GROUP_CHARACTERS,
    TYPES,
    FieldValueError,
    Stored,
    size,
    split_key,
    stored_value,
)

LANGUAGE = re.compile(r"[a-z]{2}")
Values = dict[tuple[str, str], Stored | None]


class EntryRefusedError(Exception):
    """One entry is not valid; `fields` maps a field to reasons."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        super().__init__("An entry of the call is not valid.")
        self.fields = fields


@dataclass(frozen=True)
class Entry:
    """A checked entry: identifiers, values by (group, field), types of new or changed fields."""

    identifiers: Mapping[str, str]
    language: str | None
    values: Values
    types: Mapping[tuple[str, str], str]
    matches: tuple[Record, ...]


class FieldReader:
    """Reads the `fields` of one call; what it learnt about a key serves all entries of the call."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._places: dict[Any, tuple[str, str]] = {}
        self._kinds: dict[tuple[Any, Any], tuple[str, bool]] = {}

    def read(self, fields: Any) -> tuple[Values, dict[tuple[str, str], str]]:
        """Values by (group, field), and the types of fields that are new or change.

        Raises:
            EntryRefusedError: a key, type or value that Rule refuses.
        """
        if fields is None:
            return {}, {}
        if not isinstance(fields, list):
            raise EntryRefusedError({"fields": ["The fields must be an array."]})
        values: Values = {}
        types: dict[tuple[str, str], str] = {}
        for index, field in enumerate(fields):
            if not isinstance(field, dict) or "key" not in field or "value" not in field:
                reason = "A field needs a key and a value."
                raise EntryRefusedError({f"fields.{index}": [reason]})
            try:
                place = self._place(field["key"])
                kind, is_news = self._kind(place, field.get("type"))
                action, value = self._value(field["value"], kind)
            except FieldValueError as error:
                raise EntryRefusedError({f"fields.{index}": [str(error)]}) from None
            if action == "ignored":
                continue
            values[place] = value
            if is_news:
                types[place] = kind
        return values, types

    def _place(self, key: Any) -> tuple[str, str]:
        if not isinstance(key, str) or key not in self._places:
            switches = self._services.switches
            names = split_key(key, switches["reserved_characters"], switches["max_name_characters"])
            self._places[key] = self._services.catalogue.spelling(*names)
        return self._places[key]

    def _kind(self, place: tuple[str, str], wanted: Any) -> tuple[str, bool]:
        if wanted is not None and wanted not in TYPES:
            raise FieldValueError("The type is not known.")
        if (place, wanted) not in self._kinds:
            known = self._services.catalogue.field(*place)
            kind = wanted or (known["type"] if known else "text")
            is_changed = known is not None and known["type"] != kind
            if is_changed and self._services.switches["type_change"] == "refused":
                raise FieldValueError("The field exists with another type.")
            self._kinds[place, wanted] = kind, known is None or is_changed
        return self._kinds[place, wanted]

    def _value(self, value: Any, kind: str) -> tuple[str, Stored | None]:
        switches = self._services.switches
        if value is None:
            action = switches["null_value"]
            if action == "refused":
                raise FieldValueError("The value is required.")
            return action, None
        if isinstance(value, str) and not value:
            if kind != "text" and switches["empty_typed_value"] == "refused":
                raise FieldValueError(f"The value is not a valid {kind}.")
            action = switches["empty_value"]
            return action, "" if action == "stored" else None
        return "stored", stored_value(value, kind)


def prepare(
    services: Services,
    raw: Any,
    reader: FieldReader,
    *,
    clears: bool = False,
    needs_identifier: bool = True,
) -> Entry:
    """Checks one entry; `clears` says that the call empties fields first.

    Raises:
        EntryRefusedError: with the reasons by field.
    """
    if not isinstance(raw, dict):
        raise EntryRefusedError({"subscribers": ["The subscriber must be an object."]})
    identifiers: dict[str, str] = {}
    email, phone = raw.get("email"), raw.get("phone_number")
    if email:
        if not isinstance(email, str) or not is_email(email):
            raise EntryRefusedError({"email": ["The email must be a valid email address."]})
        identifiers["email"] = email.strip()
    if phone:
        number = swedish_default(str(phone))
        if not is_phone(number):
            raise EntryRefusedError({"phone_number": ["The phone number is not valid."]})
        identifiers["phone_number"] = number
    if needs_identifier and not identifiers:
        raise EntryRefusedError({"email": ["The email field is required"]})
    language = raw.get("language")
    if language is not None and (
        not isinstance(language, str) or LANGUAGE.fullmatch(language) is None
    ):
        raise EntryRefusedError({"language": ["The language must be an ISO 639-1 code."]})
    values, types = reader.read(raw.get("fields"))
    matches = tuple(services.people.matches(identifiers))
    check_group_sizes(values, {} if clears or not matches else matches[0]["fields"])
    return Entry(identifiers, language, values, types, matches)


def check_group_sizes(values: Values, held: Mapping[str, Mapping[str, Stored]]) -> None:
    """Refuses a group whose values would grow beyond 65,000 characters together.

    Raises:
        EntryRefusedError: naming the group.
    """
    total = sum(size(value) for value in values.values() if value is not None)
    for group in {group for group, _ in values}:
        merged = {**held.get(group, {})}
        if not merged and total <= MAX_GROUP_CHARACTERS:
            continue
        for (owner, name), value in values.items():
            if owner == group:
                merged[name] = "" if value is None else value
        if sum(map(size, merged.values())) > MAX_GROUP_CHARACTERS:
            reason = "The values of a group must be below 65 KB together."
            raise EntryRefusedError({group: [reason]})


def write(services: Services, record: Record, entry: Entry, clears: str = "") -> None:
    """Writes a checked entry; `clears` is "", "all" or "written" (what is emptied first)."""
    people = services.people
    people.identify(record, entry.identifiers)
    if entry.language:
        record["language"] = entry.language
    if clears == "all":
        record["fields"] = {}
    elif clears == "written":
        for group, _ in entry.values:
            record["fields"].pop(group, None)
    for (group, name), kind in entry.types.items():
        known = services.catalogue.field(group, name)
        if known is None or known["type"] != kind:
            services.catalogue.use_field(group, name, kind)
    people.write_fields(record, entry.values)
    people.touch(record)


def swedish_default(phone: str) -> str:
    """A number without a country code is read as a Swedish one."""
    digits = re.sub(r"[\s()-]", "", phone)
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return f"+46{digits[1:]}" if digits.startswith("0") else digits
