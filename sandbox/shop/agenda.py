"""What happens when: events by business day and, within it, in the order of time.

A business day `D` (its ordinal) runs from 06:00 UTC of `D - 1` to 06:00 UTC of `D`; `ms` counts
milliseconds from its beginning. Events may add further events, of the same day too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

DAY_MS = 86_400_000
_OFFSET_MS = 6 * 3_600_000

Action = Callable[..., None]


@lru_cache(maxsize=8192)
def iso_day(day: int) -> str:
    """A date's ordinal as `YYYY-MM-DD`."""
    return date.fromordinal(day).isoformat()


_MINUTES = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}." for second in range(60))


def stamp(day: int, ms: int) -> str:
    """The moment as `2026-11-21T05:59:59.999Z`; such texts sort like the moments."""
    ms += _OFFSET_MS
    text = iso_day(day - 1) if ms < DAY_MS else iso_day(day)
    seconds, milli = divmod(ms % DAY_MS, 1000)
    return f"{text}{_MINUTES[seconds // 60]}{_SECONDS[seconds % 60]}{milli:03}Z"


def end_stamp(day: int) -> str:
    """The moment at which the clock stands when the day is over: 06:00 UTC."""
    return f"{iso_day(day)}T06:00:00.000Z"


def plus_days(moment: str, days: int) -> str:
    """A stamp moved by whole days."""
    moved = date.fromisoformat(moment[:10]) + timedelta(days=days)
    return f"{moved.isoformat()}{moment[10:]}"


def normalise(moment: str) -> str:
    """Any ISO 8601 moment as a stamp, so that it compares with others.

    Raises:
        ValueError: not a moment.
    """
    parsed = datetime.fromisoformat(moment)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    text = parsed.astimezone(UTC).isoformat(timespec="milliseconds")
    return f"{text[:23]}Z"


class Agenda:
    """Events to come. `add` while a day runs puts the event into that very day's order."""

    def __init__(self) -> None:
        self._days: dict[int, list[tuple[int, int, Action, tuple[Any, ...]]]] = {}
        self._sequence = 0

    def add(self, day: int, ms: int, action: Action, *arguments: Any) -> None:
        """Call `action(day, ms, *arguments)` at that moment."""
        self._sequence += 1
        heap = self._days.setdefault(day, [])
        heapq.heappush(heap, (ms, self._sequence, action, arguments))

    def run(self, day: int) -> None:
        """Live through the day."""
        heap = self._days.setdefault(day, [])
        while heap:
            ms, _, action, arguments = heapq.heappop(heap)
            action(day, ms, *arguments)
        del self._days[day]
