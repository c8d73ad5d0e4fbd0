"""Rule's second budget, the share of errors, and its way of saying when to come back.

The first budget, 2000 requests per 10 minutes, is an ordinary window. Observed by the SDK's authors
(https://github.com/rulecom/rule-io-sdk): more than 49 % errors blocks too, and `Retry-After` is
Stockholm wall time without a zone.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.core.switches import Switches

REQUESTS_PER_WINDOW = 2000
WINDOW_SECONDS = 600
MAX_ERROR_PERCENT = 49
STOCKHOLM = ZoneInfo("Europe/Stockholm")


def wall_time(seconds: float, now: datetime | None = None) -> str:
    """The moment `seconds` from now (UTC) as a clock in Stockholm shows it."""
    moment = (now or datetime.now(UTC)) + timedelta(seconds=seconds)
    return moment.astimezone(STOCKHOLM).strftime("%Y-%m-%d %H:%M:%S")


class ErrorBudget:
    """Counts replies of the current window; blocks when too many of them are errors."""

    def __init__(self, switches: Switches, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._switches = switches
        self._monotonic = monotonic
        self._window_ends = 0.0
        self._blocked_until = 0.0
        self._replies = 0
        self._errors = 0

    @property
    def percent(self) -> int:
        """Errors among the replies of this window, rounded down."""
        return self._errors * 100 // self._replies if self._replies else 0

    def blocked_seconds(self) -> float:
        """Seconds until requests are answered again; 0 when they are."""
        return max(0.0, self._blocked_until - self._monotonic())

    def count(self, status: int) -> None:
        """Counts one reply; throttled ones are left out."""
        if status == 429:
            return
        now = self._monotonic()
        if now >= self._window_ends:
            self._window_ends = now + self._switches["error_window_seconds"]
            self._replies = self._errors = 0
        self._replies += 1
        self._errors += self._is_error(status)
        if self._replies < self._switches["error_min_requests"]:
            return
        if self._errors * 100 > MAX_ERROR_PERCENT * self._replies:
            self._blocked_until = now + self._switches["error_block_seconds"]
            self._window_ends = now

    def reset(self) -> None:
        """Forgets everything counted and lifts a block."""
        self._window_ends = self._blocked_until = 0.0
        self._replies = self._errors = 0

    def _is_error(self, status: int) -> bool:
        match self._switches["errors_counted"]:
            case "5xx":
                return status >= 500
            case "all but 404":
                return status >= 400 and status != 404
            case _:
                return status >= 400
