"""The sandbox's clock: stands at 06:00 UTC of a day and moves by whole days, only when told.

The shop's business day `D` is the 24 hours that end at 06:00 UTC of `D`, so nothing it records
lies after the clock. Whoever lives by the calendar subscribes and is called once per day passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from sandbox.core.errors import SandboxError

DAY_ENDS_AT = time(6, tzinfo=UTC)
DayListener = Callable[[date], Mapping[str, int]]


def newest_day(real_now: datetime) -> date:
    """The newest date whose 06:00 UTC has passed: never ahead of the real world."""
    return (real_now.astimezone(UTC) - timedelta(hours=6)).date()


def end_of(day: date) -> datetime:
    """The moment at which the sandbox's day is over and its clock shows it."""
    return datetime.combine(day, DAY_ENDS_AT)


class SandboxClock:
    """`start` is the first day it showed, `today` the present one."""

    def __init__(self, start: date) -> None:
        self.start = start
        self.today = start
        self._listeners: list[DayListener] = []

    def now(self) -> datetime:
        return end_of(self.today)

    @property
    def days(self) -> int:
        """Days passed since the start."""
        return (self.today - self.start).days

    def subscribe(self, listener: DayListener) -> None:
        """`listener(day)` is called after the clock reached each new day; returns what happened."""
        self._listeners.append(listener)

    def advance(self, days: int) -> Counter[str]:
        """Pass whole days one by one; returns what happened, by kind.

        Raises:
            SandboxError: not a positive whole number of days.
        """
        if type(days) is not int or not 1 <= days <= 3660:
            raise SandboxError("The clock moves forward by 1 to 3660 whole days.")
        happened: Counter[str] = Counter()
        for _ in range(days):
            self.today += timedelta(days=1)
            for listener in self._listeners:
                happened.update(listener(self.today))
        return happened
