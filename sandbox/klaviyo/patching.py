"""Applies one profile payload to one stored profile: fields, location, properties, `meta`.

Pure functions over dicts. What null means depends on the endpoint, so the caller says whether
nulls clear; identity (which profile a payload belongs to) is not decided here.
Rules: https://developers.klaviyo.com/en/reference/create_or_update_profile
"""

from collections.abc import Mapping
from typing import Any

Record = dict[str, Any]

IDENTIFIERS = ("email", "phone_number", "external_id")
TEXT_FIELDS = ("first_name", "last_name", "organization", "locale", "title", "image")
LOCATION_FIELDS = (
    "address1",
    "address2",
    "city",
    "country",
    "latitude",
    "longitude",
    "region",
    "zip",
    "timezone",
    "ip",
)


def empty_profile() -> Record:
    """A profile nobody has written to yet."""
    return {
        **dict.fromkeys((*IDENTIFIERS, *TEXT_FIELDS)),
        "location": {},
        "properties": {},
        "last_event_date": None,
        "consent": "NEVER_SUBSCRIBED",
        "suppressions": [],
    }


def apply_attributes(record: Record, attributes: Mapping[str, Any], *, nulls_clear: bool) -> None:
    """Writes what is present; absent members stay, null clears or is left out."""
    for name in TEXT_FIELDS:
        if name in attributes and (nulls_clear or attributes[name] is not None):
            record[name] = attributes[name]
    for name in ("location", "properties"):
        if name not in attributes:
            continue
        incoming = attributes[name]
        if incoming is None:
            if nulls_clear:
                record[name] = {}
            continue
        target = record[name]
        for key, value in incoming.items():
            if value is not None:
                target[key] = value
            elif nulls_clear:
                target.pop(key, None)


def apply_patch(record: Record, patch: Mapping[str, Any], *, append_is_set: bool) -> None:
    """`meta.patch_properties`: append to lists, take away from lists, delete keys."""
    properties = record["properties"]
    for key, value in (patch.get("append") or {}).items():
        held = _as_list(properties.get(key))
        properties[key] = held + [
            item for item in _as_list(value) if not (append_is_set and item in held)
        ]
    for key, value in (patch.get("unappend") or {}).items():
        if key in properties:
            gone = _as_list(value)
            properties[key] = [item for item in _as_list(properties[key]) if item not in gone]
    for key in unset_keys(patch):
        properties.pop(key, None)


def unset_keys(patch: Mapping[str, Any]) -> list[str]:
    """The keys of `unset`, which may be one string or several."""
    return [str(key) for key in _as_list(patch.get("unset"))]


def patch_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `meta.patch_properties` of a profile payload, `{}` when there is none."""
    return (data.get("meta") or {}).get("patch_properties") or {}


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
