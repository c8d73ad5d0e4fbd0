"""The cursor of /customers/recent: a keyset on the sort key, opaque to clients.

A position is the sort key of the last row seen, so rows that move while somebody pages are missed
or seen twice, as with any real keyset.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Position:
    """After which key the page begins; `size` is the page size, if the cursor keeps it."""

    after: Key
    size: int | None = None

    def encode(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([*self.after, self.size])).decode()


def decode(text: str) -> Position | None:
    """The position, or None if it is malformed."""
    try:
        moment, number, size = orjson.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError, TypeError):
        return None
    if not isinstance(moment, str) or not isinstance(number, int):
        return None
    return Position((moment, number), size)


def start_of(keys: Sequence[Key], position: Position | None, *, is_descending: bool) -> int:
    """Where the page begins in the keys, which are sorted ascending or descending."""
    if position is None:
        return 0
    if not is_descending:
        return bisect_right(keys, position.after)
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] >= position.after:
            low = middle + 1
        else:
            high = middle
    return low
