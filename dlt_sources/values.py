"""One value at a time: what the vendors send, read as the type a column declares.

Pure functions `value -> value | None`. They raise ValueError with a reason that never repeats the
value (it may be personal data). The vendors' drift they cover: `smile.md` §9 (ids as int or text),
`yotpo.md` §6.5 (five date formats), numbers as text, floats that are whole, flags as text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import orjson
from price_parser import Price

from dlt_sources.declarations import MONEY_PRECISION, MONEY_SCALE, ColumnType

_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
# A symbol or code, digits with their separators, a symbol or code: "$2,620", "1.234,50 kr", "-€5".
_MONEY = re.compile(r"[^\d]{0,6}\d[\d.,'’\s]*[^\d]{0,6}")
_CENT = Decimal(1).scaleb(-MONEY_SCALE)
_TOO_MUCH_MONEY = Decimal(10) ** (MONEY_PRECISION - MONEY_SCALE)
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_SMALLEST_BIGINT, _LARGEST_BIGINT = -(2**63), 2**63 - 1


class UnreadableError(ValueError):
    """A value that is not what its column holds; says what was expected, not what came."""


def kind(value: object) -> str:
    """What JSON calls this value, for reasons: "object", "array", "text", ..."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case dict():
            return "object"
        case list():
            return "array"
    return type(value).__name__


def to_text(value: object) -> str | None:
    """Scalars as text: 12 and 12.0 -> "12", True -> "true". "" stays ""."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    raise UnreadableError(f"expected text, got {kind(value)}")


def to_bigint(value: object) -> int | None:
    """Whole numbers, also as text or as a float without fraction; "" is null."""
    number: int
    match value:
        case None:
            return None
        case bool():
            raise UnreadableError("expected a whole number, got boolean")
        case int():
            number = value
        case float() if value.is_integer():
            number = int(value)
        case str():
            text = value.strip()
            if not text:
                return None
            if not _WHOLE_NUMBER.fullmatch(text):
                raise UnreadableError("expected a whole number, got other text")
            number = int(text.partition(".")[0])
        case float():
            raise UnreadableError("expected a whole number, got a fraction")
        case _:
            raise UnreadableError(f"expected a whole number, got {kind(value)}")
    if not _SMALLEST_BIGINT <= number <= _LARGEST_BIGINT:
        raise UnreadableError("expected a whole number of at most 64 bits")
    return number


def to_double(value: object) -> float | None:
    """Numbers, also as text; "" is null."""
    match value:
        case None:
            return None
        case bool():
            raise UnreadableError("expected a number, got boolean")
        case int() | float():
            return float(value)
        case str():
            text = value.strip()
            if not text:
                return None
            if not _NUMBER.fullmatch(text):
                raise UnreadableError("expected a number, got other text")
            return float(text)
    raise UnreadableError(f"expected a number, got {kind(value)}")


def to_decimal(value: object) -> Decimal | None:
    """Money in currency units, also as people read it ("$2,620", "1.234,50 kr"); "" is null.

    Which sign separates the cents is told by its place (`price-parser`); more than two decimals
    are rounded half to even.
    """
    amount: Decimal | None
    match value:
        case None:
            return None
        case bool():
            raise UnreadableError("expected an amount of money, got boolean")
        case int() | float():
            amount = Decimal(str(value))
        case str():
            text = value.strip()
            if not text:
                return None
            amount = Price.fromstring(text).amount if _MONEY.fullmatch(text) else None
            if amount is not None and text.startswith(("-", "−", "(")):
                amount = -amount
        case _:
            raise UnreadableError(f"expected an amount of money, got {kind(value)}")
    if amount is None or not amount.is_finite():
        raise UnreadableError("expected an amount of money, got other text")
    if abs(amount) >= _TOO_MUCH_MONEY:
        raise UnreadableError(f"expected an amount of money of at most {MONEY_PRECISION} digits")
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def to_bool(value: object) -> bool | None:
    """True and false, also as text, 0 or 1; "" is null."""
    match value:
        case None | bool():
            return value
        case 0 | 1:
            return bool(value)
        case str():
            text = value.strip().lower()
            if text in _TRUE:
                return True
            if text in _FALSE:
                return False
            if not text:
                return None
    raise UnreadableError(f"expected true or false, got {kind(value)}")


def to_timestamp(value: object) -> datetime | None:
    """ISO 8601 in any of the vendors' forms, as aware UTC; without a zone it is UTC; "" is null.

    Forms: `Z`, offset, no zone, milli- to nanoseconds (cut to microseconds), date only, a space for
    the `T`, a trailing ` UTC`.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableError(f"expected a date and time, got {kind(value)}")
    text = value.strip().removesuffix(" UTC")
    if not text:
        return None
    if not _ISO_DAY.match(text):
        raise UnreadableError("expected a date and time in ISO 8601, got other text")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableError("expected a date and time in ISO 8601, got other text") from None


def to_date(value: object) -> date | None:
    """A calendar date; of a date and time, the date as written; "" is null."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableError(f"expected a date, got {kind(value)}")
    text = value.strip()
    if not text:
        return None
    to_timestamp(text)  # all of it must make sense, not only its first ten characters
    return date.fromisoformat(text[:10])


def to_json(value: object) -> str | None:
    """Anything but null as JSON text."""
    return None if value is None else orjson.dumps(value).decode()


def to_loose_text(value: object) -> str | None:
    """For fields nobody declared: scalars as text, objects and arrays as JSON text."""
    return to_json(value) if isinstance(value, (dict, list)) else to_text(value)


READERS: Mapping[ColumnType, Callable[[Any], Any]] = {
    "text": to_text,
    "bigint": to_bigint,
    "double": to_double,
    "decimal": to_decimal,
    "bool": to_bool,
    "timestamp": to_timestamp,
    "date": to_date,
    "json": to_json,
}
