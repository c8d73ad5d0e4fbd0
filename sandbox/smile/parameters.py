"""Query parameters of the Smile API: read, checked, and refused in words.

Pure functions of a parameter's text.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.shop.agenda import normalise
from sandbox.smile.paging import DEFAULT_SIZE, MAX_SIZE


class RefusedError(Exception):
    """A request that Smile refuses, with the status and the words of the error object."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def integer(text: str | None, name: str) -> int | None:
    """A whole number, None if the parameter is absent."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise RefusedError(f"`{name}` must be an integer.") from error


def size(text: str | None, name: str, out_of_range: str) -> int:
    """A page size within 1..250 (smile.md §2); `out_of_range` is `error` or `clamp`."""
    number = integer(text, name)
    if number is None:
        return DEFAULT_SIZE
    if 1 <= number <= MAX_SIZE:
        return number
    if out_of_range == "clamp":
        return min(max(number, 1), MAX_SIZE)
    raise RefusedError(f"`{name}` must be between 1 and {MAX_SIZE}.")


def includes(text: str, known: Sequence[str]) -> set[str]:
    """A comma-separated list of related objects."""
    wanted = {part.strip() for part in text.split(",")} - {""}
    if not wanted <= set(known):
        raise RefusedError(f"`include` may be {', '.join(known)}.")
    return wanted


def choice(text: str | None, name: str, known: Sequence[str]) -> str | None:
    """One of the documented values, or None if the parameter is absent."""
    if text is not None and text not in known:
        raise RefusedError(f"`{name}` may be {', '.join(known)}.")
    return text


def moment(text: str, name: str) -> str:
    """An ISO 8601 moment as a stamp.

    The plus sign of an offset arrives as a blank unless the client encoded it.
    """
    try:
        return normalise(text.replace(" ", "+"))
    except ValueError as error:
        raise RefusedError(f"`{name}` must be an ISO 8601 date-time.") from error
