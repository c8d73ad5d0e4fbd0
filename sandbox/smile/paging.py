"""Smile's two paginations (smile.md §2): keyset cursors on id, and page numbers.

A cursor is the base64 of `id:2,direction:next`, as the documented sample decodes; clients must
treat it as opaque. Rows are listed by id descending.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

DEFAULT_SIZE, MAX_SIZE = 50, 250


class HasId(Protocol):
    """Anything listed by id."""

    @property
    def id(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position: rows after (`next`) or before (`previous`) this id; `filters` if remembered."""

    id: int
    direction: str
    filters: str = ""

    def encode(self) -> str:
        text = f"id:{self.id},direction:{self.direction}"
        if self.filters:
            text += f",filters:{quote(self.filters, safe='')}"
        return base64.b64encode(text.encode()).decode()


def decode(text: str) -> Cursor | None:
    """The cursor, or None if it is malformed."""
    try:
        plain = base64.b64decode(text, validate=True).decode()
        parts = dict(part.split(":", 1) for part in plain.split(","))
        cursor = Cursor(int(parts["id"]), parts["direction"], unquote(parts.get("filters", "")))
    except (binascii.Error, ValueError, KeyError):
        return None
    return cursor if cursor.direction in ("next", "previous") else None


def cut_page(
    rows: Sequence[Any], cursor: Cursor | None, size: int
) -> tuple[list[Any], int | None, int | None]:
    """One page of rows given by ascending id: rows (id descending) and the ids at which the next
    and the previous page begin, None where there is none.
    """
    end, start = len(rows), 0
    if cursor is not None and cursor.direction == "next":
        end = bisect_left(rows, cursor.id, key=_id)
    elif cursor is not None:
        start = bisect_right(rows, cursor.id, key=_id)
        end = min(end, start + size)
    start = max(start, end - size)
    page = list(rows[start:end])
    page.reverse()
    following = page[-1].id if page and start > 0 else None
    preceding = page[0].id if page and end < len(rows) else None
    return page, following, preceding


def _id(row: HasId) -> int:
    return row.id
