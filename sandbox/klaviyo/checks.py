"""What Klaviyo refuses although the published schema allows it: values, identifiers, sizes.

Pure functions from payload parts to problems with pointers. Structure has been checked by
`schema.py` before. Limits: https://developers.klaviyo.com/en/reference/profiles_api_overview and
https://developers.klaviyo.com/en/reference/events_api_overview
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.core.addresses import is_phone
from sandbox.klaviyo.identity import BAD_EMAIL, BAD_PHONE, is_email
from sandbox.klaviyo.patching import unset_keys
from sandbox.klaviyo.schema import Problem

NO_IDENTIFIER = "One of the following identifiers is required: id, email, phone_number, external_id"
MAX_EVENT_PROPERTIES = 400
MAX_METRIC_CHARACTERS = 127
MAX_UNIQUE_ID_CHARACTERS = 255
MAX_STRING_BYTES = 100 * 1024
MAX_ARRAY_ITEMS = 4_000
MAX_NESTING = 10
CURRENCY = re.compile(r"[A-Z]{3}")


def profile_problems(
    data: Mapping[str, Any], pointer: str, *, is_bulk: bool = False, refuses_phone: bool = True
) -> Iterator[Problem]:
    """Identifiers of one profile payload whose resource sits at `pointer`."""
    attributes = data["attributes"]
    email = attributes.get("email")
    phone = attributes.get("phone_number")
    if email is not None and not is_email(email):
        yield Problem(BAD_EMAIL, pointer=f"{pointer}/attributes/email")
    has_other = bool(
        data.get("id") or email or attributes.get("external_id") or attributes.get("_kx")
    )
    is_bad_phone = phone is not None and not is_phone(phone)
    if is_bad_phone and (refuses_phone or not has_other):
        yield Problem(BAD_PHONE, pointer=f"{pointer}/attributes/phone_number")
    if not has_other and phone is None:
        # In bulk the pointer was seen to end in a slash, without a field.
        yield Problem(NO_IDENTIFIER, pointer=f"{pointer}/attributes{'/' if is_bulk else ''}")


def property_problems(
    data: Mapping[str, Any], stored: Mapping[str, Any], pointer: str, switches: Mapping[str, Any]
) -> Iterator[Problem]:
    """Optional refusals, each behind a switch: number and type of properties, unknown unset keys.

    `stored` are the properties the profile has now.
    """
    properties = data["attributes"].get("properties") or {}
    most = switches["max_properties"]
    if most and len({*stored, *properties}) > most:
        yield Problem(
            f"A profile can have at most {most} properties.",
            pointer=f"{pointer}/attributes/properties",
        )
    if switches["property_types"] == "locked":
        for key, value in properties.items():
            known = stored.get(key)
            if value is not None and known is not None and _kind(value) != _kind(known):
                yield Problem(
                    f"The value must be a {_kind(known)}.",
                    pointer=f"{pointer}/attributes/properties/{key}",
                )
    if switches["unset_missing"] == "refused":
        patch = (data.get("meta") or {}).get("patch_properties") or {}
        for key in unset_keys(patch):
            if key not in stored:
                yield Problem(
                    f"The property '{key}' does not exist.",
                    pointer=f"{pointer}/meta/patch_properties/unset",
                )


def event_problems(
    attributes: Mapping[str, Any], pointer: str, now: datetime, floor_year: int
) -> Iterator[Problem]:
    """Values of one event whose attributes sit at `pointer`."""
    name = attributes["metric"]["data"]["attributes"]["name"]
    if not 0 < len(name) <= MAX_METRIC_CHARACTERS:
        yield Problem(
            "The metric name must have between 1 and 127 characters.",
            pointer=f"{pointer}/metric/data/attributes/name",
        )
    unique_id = attributes.get("unique_id")
    if unique_id is not None and not 0 < len(unique_id) <= MAX_UNIQUE_ID_CHARACTERS:
        yield Problem(
            "The unique_id must have between 1 and 255 characters.", pointer=f"{pointer}/unique_id"
        )
    currency = attributes.get("value_currency")
    if currency is not None and CURRENCY.fullmatch(currency) is None:
        yield Problem("Invalid ISO 4217 currency code.", pointer=f"{pointer}/value_currency")
    time = attributes.get("time")
    if time is not None:
        try:
            moment = event_time(time)
        except ValueError:  # a leap second, say: valid in RFC 3339, unknown to Python
            moment = datetime.min.replace(tzinfo=UTC)
        if moment.year < floor_year or moment > now + timedelta(days=365):
            yield Problem(
                f"The time must lie between {floor_year} and one year from now.",
                pointer=f"{pointer}/time",
            )
    properties = attributes["properties"]
    if len(properties) > MAX_EVENT_PROPERTIES:
        yield Problem("An event can have at most 400 properties.", pointer=f"{pointer}/properties")
    if not _fits(properties, MAX_NESTING + 1):
        yield Problem(
            "A property is too large: strings 100 KB, arrays 4000 items, 10 levels.",
            pointer=f"{pointer}/properties",
        )


def event_time(text: str) -> datetime:
    """An event's `time` in UTC, truncated to the second."""
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(microsecond=0)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "object" if isinstance(value, dict) else "text"


def _fits(value: Any, levels: int) -> bool:
    if levels < 0:
        return False
    if isinstance(value, str):
        return len(value.encode()) <= MAX_STRING_BYTES
    if isinstance(value, list):
        return len(value) <= MAX_ARRAY_ITEMS and all(_fits(item, levels - 1) for item in value)
    if isinstance(value, dict):
        return all(_fits(item, levels - 1) for item in value.values())
    return True
