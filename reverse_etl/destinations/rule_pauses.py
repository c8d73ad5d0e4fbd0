"""Rule's two blocks: 2,000 requests per ten minutes, and more than 49 % error answers.

Every answer passes here (`AnswerWatch` is the client's `pause_seconds`), so that retries count too.
Rule's `Retry-After` is a wall time in Stockholm without a zone; the wait is computed from the
answer's own `Date`. Neither the period nor the least sample of the error share is published.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx

from vendor_http import retry_after_seconds
from vendor_http.pauses import answer_date

STOCKHOLM = ZoneInfo("Europe/Stockholm")
WINDOW_SECONDS = 600.0
# Rule blocks above 49 %. Stopping at 40 % leaves room for errors that other users of the account
# make, which count as well.
ERROR_SHARE = 0.40
# A share of fewer answers says nothing; Rule's own least sample is unknown.
LEAST_SAMPLE = 10
# Without a readable moment, the length of the window is the longest a block can need.
_UNREADABLE_WAIT_SECONDS = WINDOW_SECONDS


class AnswerWatch:
    """Share of error answers in the window, and the pause that a 429 asks for."""

    def __init__(
        self,
        *,
        window_seconds: float = WINDOW_SECONDS,
        error_share: float = ERROR_SHARE,
        least_sample: int = LEAST_SAMPLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window_seconds
        self._error_share = error_share
        self._least_sample = least_sample
        self._clock = clock
        self._answers: deque[tuple[float, bool]] = deque()
        self._errors = 0
        self._lock = threading.Lock()
        self.longest_pause = 0.0

    def __call__(self, response: httpx.Response) -> float | None:
        """Note an answer; seconds to stay silent, or None."""
        with self._lock:
            self._answers.append((self._clock(), response.is_error))
            self._errors += response.is_error
        if response.status_code != 429:
            return None
        wait = stockholm_wait_seconds(response)
        self.longest_pause = max(self.longest_pause, wait)
        return wait

    def leaves_room(self) -> bool:
        """True while one more error answer keeps the share below the limit."""
        with self._lock:
            horizon = self._clock() - self._window
            while self._answers and self._answers[0][0] < horizon:
                self._errors -= self._answers.popleft()[1]
            total = len(self._answers) + 1
            if total <= self._least_sample:
                return True
            return (self._errors + 1) / total < self._error_share


def stockholm_wait_seconds(response: httpx.Response) -> float:
    """Seconds from the answer's `Date` to the moment its `Retry-After` names."""
    value = response.headers.get("retry-after", "").strip()
    try:
        named = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=STOCKHOLM)
    except ValueError:
        seconds = retry_after_seconds(response)  # the documentation claims plain seconds
        return _UNREADABLE_WAIT_SECONDS if seconds is None else seconds
    # The night that summer time ends, an hour of wall time happens twice: the next one is meant.
    moments = (named.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    waits = [(moment - answer_date(response)).total_seconds() for moment in moments]
    return min((wait for wait in waits if wait >= 0), default=0.0)
