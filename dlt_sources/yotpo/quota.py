"""What Yotpo's `ratelimit-*` headers say: the limits in force, and how long to stay silent.

Reads answers; must not sleep, the client of `vendor_http` does. Every integration of a merchant
spends the same quota, so it can be gone although this one kept within it
(https://loyaltyapi.yotpo.com/reference/guidelines-and-conventions).
"""

import re
import threading
import time
from collections.abc import Callable, Sequence

import httpx

from vendor_http import RateLimit, retry_after_seconds

_MINUTE_SECONDS = 60.0
# For a 429 whose headers are missing: the minute quota is the longest window there is.
_PAUSE_AFTER_429_SECONDS = 60.0
_NUMBER = re.compile(r"[0-9]{1,9}")
_LIMITS = (("ratelimit-limit", 1.0), ("x-ratelimit-limit-minute", _MINUTE_SECONDS))


def stated_limits(response: httpx.Response) -> Sequence[RateLimit]:
    """The limits that an answer states: per second, per minute; what is no limit is left out."""
    stated = ((_whole(response, header), seconds) for header, seconds in _LIMITS)
    return [RateLimit(number, seconds) for number, seconds in stated if number]


class MinuteQuota:
    """How long to stay silent after an answer; one for all threads of a client.

    No header tells when the minute's window ends: `ratelimit-reset` belongs to the window of a
    second. A window that was seen to begin (the remaining number went up) is over a minute after
    that; of any other window only the length is known.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._remaining: int | None = None
        self._over_at = 0.0

    def pause_seconds(self, response: httpx.Response) -> float | None:
        """Seconds of silence: the answer's own `Retry-After`, else after a spent quota or a 429."""
        left = self._seconds_left(_whole(response, "x-ratelimit-remaining-minute"))
        asked = retry_after_seconds(response)
        if asked is not None:
            return asked
        if left is not None or response.status_code != 429:
            return left
        reset = _whole(response, "ratelimit-reset")
        return _PAUSE_AFTER_429_SECONDS if reset is None else max(1.0, float(reset))

    def _seconds_left(self, remaining: int | None) -> float | None:
        """Until the minute's window is new, if nothing remains of this one."""
        if remaining is None:
            return None
        now = self._monotonic()
        with self._lock:
            if self._remaining is not None and remaining > self._remaining:
                self._over_at = now + _MINUTE_SECONDS
            self._remaining = remaining
            if remaining > 0:
                return None
            return self._over_at - now if self._over_at > now else _MINUTE_SECONDS


def _whole(response: httpx.Response, header: str) -> int | None:
    """A header as a whole number of at least 0; None if it is missing or anything else."""
    text = response.headers.get(header, "").strip()
    return int(text) if _NUMBER.fullmatch(text) else None
