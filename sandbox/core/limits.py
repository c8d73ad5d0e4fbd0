"""Request limits: fixed windows that begin with the first request after the last one ended, or
sliding ones, which count the requests of the last `seconds` at any moment.

Windows run on real time, whatever the sandbox's calendar says. A limiter has one or several
windows (burst and steady) and may be kept per key (an operation, a token).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """At most `requests` in `seconds`."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WindowState:
    """One window after a charge: what it allows, what is left, seconds until it starts anew."""

    window: Window
    limit: int
    remaining: int
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a charge; `states` are in the order in which the windows were declared."""

    allowed: bool
    states: tuple[WindowState, ...]

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds until every exhausted window starts anew, at least 1."""
        waits = [state.reset_seconds for state in self.states if state.remaining == 0]
        return max(1, math.ceil(max(waits, default=0.0)))


class Limiter:
    """Counts requests of one account against its windows.

    A refused request is not counted: the windows end when they would have ended anyway.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        scale: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        is_sliding: bool = False,
    ) -> None:
        self.windows = tuple(windows)
        self._limits = [max(1, round(window.requests * scale)) for window in windows]
        self._monotonic = monotonic
        self.is_sliding = is_sliding
        self._counted: list[deque[float]] = [deque() for _ in self.windows]

    def charge(self) -> Verdict:
        """Count one request, if every window has room for it."""
        now = self._monotonic()
        for window, counted in zip(self.windows, self._counted, strict=True):
            if not self.is_sliding and counted and now - counted[0] >= window.seconds:
                counted.clear()
            while counted and now - counted[0] >= window.seconds:
                counted.popleft()
        allowed = all(
            len(counted) < limit for counted, limit in zip(self._counted, self._limits, strict=True)
        )
        if allowed:
            for counted in self._counted:
                counted.append(now)
        states = tuple(
            WindowState(
                window=window,
                limit=self._limits[index],
                remaining=self._limits[index] - len(counted),
                reset_seconds=max(0.0, counted[0] + window.seconds - now) if counted else 0.0,
            )
            for index, (window, counted) in enumerate(zip(self.windows, self._counted, strict=True))
        )
        return Verdict(allowed, states)
