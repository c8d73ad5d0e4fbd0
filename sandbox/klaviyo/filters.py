"""Klaviyo's filter expressions: `any(email,["a@b.co"]),greater-than(updated,2026-01-01T00:00:00Z)`.

Pure: text in, conditions out. Which fields and operators an operation takes is in the published
document; what a condition means for a record is decided by the reader of the store.
Grammar: https://developers.klaviyo.com/en/docs/filtering_
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>[()\[\],])|(?P<word>[^()\[\],\s"']+))"""
)


class FilterError(Exception):
    """The expression cannot be read or is not allowed here; says why in one sentence."""


@dataclass(frozen=True)
class Condition:
    """`operator(field, values)`; a single value is a list of one."""

    operator: str
    field: str
    values: tuple[str, ...]


def parse_filter(
    text: str, allowed: Mapping[str, list[str]], max_any_values: int
) -> list[Condition]:
    """The conditions of `text`, all of which must hold.

    Raises:
        FilterError: unreadable, or a field, operator or number of values that is not allowed.
    """
    tokens = _tokens(text)
    conditions, position = _expressions(tokens, 0)
    if position != len(tokens):
        raise FilterError("The filter could not be parsed.")
    for condition in conditions:
        if condition.field not in allowed:
            raise FilterError(f"'{condition.field}' is not an allowed filter for this resource.")
        if condition.operator not in allowed[condition.field]:
            raise FilterError(
                f"'{condition.operator}' is not an allowed operator for '{condition.field}'."
            )
        if condition.operator != "has" and not condition.values:
            raise FilterError(f"'{condition.operator}' needs a value.")
        if condition.operator == "any" and len(condition.values) > max_any_values:
            raise FilterError(f"'any' takes at most {max_any_values} values.")
    return conditions


def moment(text: str) -> str:
    """A filter's point in time as UTC text with microseconds, which compares like the moment.

    Raises:
        FilterError: not an ISO 8601 date and time.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(f"'{text}' is not a valid datetime.") from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise FilterError("The filter could not be parsed.")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


def _expressions(tokens: list[str], position: int) -> tuple[list[Condition], int]:
    found: list[Condition] = []
    while True:
        conditions, position = _call(tokens, position)
        found += conditions
        if position >= len(tokens) or tokens[position] != ",":
            return found, position
        position += 1


def _call(tokens: list[str], position: int) -> tuple[list[Condition], int]:
    operator, position = _take(tokens, position), position + 1
    position = _expect(tokens, position, "(")
    if operator == "and":
        inner, position = _expressions(tokens, position)
        return inner, _expect(tokens, position, ")")
    field, position = _take(tokens, position), position + 1
    values: list[str] = []
    if operator != "has":
        position = _expect(tokens, position, ",")
        values, position = _values(tokens, position)
    return [Condition(operator, field, tuple(values))], _expect(tokens, position, ")")


def _values(tokens: list[str], position: int) -> tuple[list[str], int]:
    if _take(tokens, position) != "[":
        return [_literal(_take(tokens, position))], position + 1
    values: list[str] = []
    position += 1
    while _take(tokens, position) != "]":
        values.append(_literal(_take(tokens, position)))
        position += 1
        if _take(tokens, position) == ",":
            position += 1
    return values, position + 1


def _literal(token: str) -> str:
    if token[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return token


def _take(tokens: list[str], position: int) -> str:
    if position >= len(tokens):
        raise FilterError("The filter could not be parsed.")
    return tokens[position]


def _expect(tokens: list[str], position: int, mark: str) -> int:
    if _take(tokens, position) != mark:
        raise FilterError("The filter could not be parsed.")
    return position + 1
