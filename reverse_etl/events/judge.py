"""Limits of Klaviyo on an event's properties that SQL cannot see; pure.

https://developers.klaviyo.com/en/reference/events_api_overview
"""

from typing import Any

import orjson

LONGEST_STRING_BYTES = 100_000
MOST_ITEMS = 4_000
MOST_LEVELS = 10


def json_fault(text: str) -> str | None:
    """Reason code why a JSON object cannot be an event's properties, or None."""
    try:
        found = orjson.loads(text)  # refuses integers beyond 64 bits by reading them as floats
    except orjson.JSONDecodeError:
        return "unreadable_json"
    return _fault(found, MOST_LEVELS)


def _fault(value: Any, levels: int) -> str | None:
    """The first fault of a value; `levels`: how many may still lie below it."""
    if isinstance(value, str):
        return "string_too_long" if len(value.encode()) > LONGEST_STRING_BYTES else None
    if not isinstance(value, dict | list):
        return None
    if levels < 0:
        return "nested_too_deep"
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        return "list_too_long"
    members = value.values() if isinstance(value, dict) else value
    faults = (_fault(member, levels - 1) for member in members)
    return next((fault for fault in faults if fault), None)
