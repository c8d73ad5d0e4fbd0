"""Keys and values of custom fields: what Rule takes, and what it keeps of it.

Pure functions. A value is text, or a list of texts for `multiple`; there is no number and no
boolean type. Facts: https://help.rule.io/en/articles/348454-custom-fields and the official SDK.
"""

import re
from datetime import datetime, time
from typing import Any

import orjson

TYPES = ("text", "date", "datetime", "time", "multiple", "json", "single")
# 65 KB of values per group.
MAX_GROUP_CHARACTERS = 65_000
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
DATETIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
TIME = re.compile(r"\d{2}:\d{2}:\d{2}")

Stored = str | list[str]


class FieldValueError(Exception):
    """A key or value that Rule would refuse; the message is Rule's reason, without the value."""


def split_key(key: Any, reserved: str = "", max_characters: int = 0) -> tuple[str, str]:
    """`Group.Field` as two names.

    Raises:
        FieldValueError: not exactly one dot, an empty part, or a part that is not allowed.
    """
    parts = key.split(".") if isinstance(key, str) else []
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise FieldValueError("The key must have the format Group.Field.")
    if reserved and any(character in reserved for part in parts for character in part):
        raise FieldValueError("The key contains reserved characters.")
    if max_characters and any(len(part) > max_characters for part in parts):
        raise FieldValueError("The key is too long.")
    return parts[0], parts[1]


def stored_value(value: Any, kind: str) -> Stored:
    """The value as it is kept.

    Raises:
        FieldValueError: the value does not match the type.
    """
    if kind == "multiple":
        return _multiple(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FieldValueError(f"The value is not a valid {kind}.")
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if not _matches(text, kind):
        raise FieldValueError(f"The value is not a valid {kind}.")
    return text


def size(value: Stored) -> int:
    """Characters that a value takes of its group's 65,000."""
    return len(value) if isinstance(value, str) else sum(len(item) for item in value)


def _multiple(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise FieldValueError("The value is not a valid multiple.") from None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FieldValueError("The value is not a valid multiple.")
    return list(value)


def _matches(text: str, kind: str) -> bool:
    try:
        if kind == "date":
            return DATE.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
        if kind == "datetime":
            # The plain form is documented, the ISO form is what an official client sends.
            parsed = datetime.fromisoformat(text)
            return DATETIME.fullmatch(text) is not None or ("T" in text and parsed.year > 0)
        if kind == "time":
            return TIME.fullmatch(text) is not None and time.fromisoformat(text) is not None
        if kind == "json":
            orjson.loads(text)
    except ValueError:
        return False
    return True
