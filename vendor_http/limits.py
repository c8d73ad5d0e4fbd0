"""Request budgets of one account, charged before every request, retries included.

The windows are pyrate-limiter's sliding log; the waiting is done here. Its own `Limiter` adds 50 ms
to every wait, a twentieth of a one-second window, and dates the request by reckoning instead of by
the clock, so that a thread which wakes late is followed too closely.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pyrate_limiter import InMemoryBucket, Rate, RateItem

# A vendor counts when a request arrives, we count when it leaves; so each window is kept this much
# longer than the vendor's. Measured at 10 a second and 300 ms of latency: 96 % of the documented
# rate. Arrivals scattered by up to 40 ms then met no 429, at 1.02 several a minute; 1.05 with
# pyrate-limiter's own waiting gave 92 to 95 %.
_WINDOW_MARGIN = 1.04
# Of an even window's length per request. Just below 1, so that a thread that woke late delays
# nobody but itself. New connections arrive later than the warm ones after them: a burst onto cold
# connections met eight 429 at its second window, evenly spaced requests one at most.
_SPACING_SHARE = 0.99
# Below this, what a sleep oversleeps is no longer small beside the spacing.
_FINEST_SPACING_MS = 20


@dataclass(frozen=True)
class RateLimit:
    """At most `requests` in any `seconds`.

    Attributes:
        is_even: space the requests instead of letting a whole window's worth leave at once.
    """

    requests: int
    seconds: float
    is_even: bool = False

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise ValueError(f"a rate limit needs at least 1 request and a window, got {self}")


class Budgets:
    """One budget per limit name; shared by all threads of a client."""

    def __init__(self, limits: Mapping[str, RateLimit | Sequence[RateLimit]]) -> None:
        self._budgets = {name: _Budget(_several(windows)) for name, windows in limits.items()}

    def charge(self, name: str) -> None:
        """Wait until the budget `name` has room for one request, and take it."""
        self._named(name).charge()

    def learn(self, name: str, windows: Sequence[RateLimit]) -> None:
        """Keep these windows too from now on; never looser than what was configured."""
        if windows:
            self._named(name).learn(windows)

    def in_force(self, name: str) -> Sequence[RateLimit]:
        """The windows that the budget `name` keeps at present, the shortest first."""
        return self._named(name).windows

    def _named(self, name: str) -> "_Budget":
        try:
            return self._budgets[name]
        except KeyError:
            raise KeyError(f"no limit named {name!r}; declared: {sorted(self._budgets)}") from None


class _Budget:
    """Requests of one limit name: one of those who ask waits, the others wait for their turn."""

    def __init__(self, configured: Sequence[RateLimit]) -> None:
        self._configured = configured
        self._learned: dict[float, RateLimit] = {}
        self._turn = threading.Lock()
        self._lessons = threading.Lock()
        self.windows = tightest(configured)
        self._bucket = InMemoryBucket(_rates(self.windows))

    def charge(self) -> None:
        with self._turn:
            while not self._bucket.put(item := _request()):
                time.sleep(cast("int", self._bucket.waiting(item)) / 1000)
            self._bucket.leak(item.timestamp)

    def learn(self, windows: Sequence[RateLimit]) -> None:
        fresh = {window.seconds: window for window in windows}
        with self._lessons:
            if fresh.items() <= self._learned.items():
                return  # as with nearly every answer
            self._learned.update(fresh)
            in_force = tightest(self._configured, tuple(self._learned.values()))
            if in_force != self.windows:
                self.windows = in_force
                self._bucket.rates = _rates(in_force)


def tightest(
    configured: Sequence[RateLimit], learned: Sequence[RateLimit] = ()
) -> Sequence[RateLimit]:
    """The smaller of each two windows of a length, without those that another one always implies.

    A window is implied by a longer one that allows no more requests, and by a shorter one that is
    no faster; pyrate-limiter refuses a list that holds such windows.
    """
    by_length: dict[float, RateLimit] = {}
    for window in (*configured, *learned):
        known = by_length.setdefault(window.seconds, window)
        if window.requests < known.requests:
            by_length[window.seconds] = RateLimit(window.requests, window.seconds, known.is_even)
    kept: list[RateLimit] = []
    for window in sorted(by_length.values(), key=lambda one: one.seconds):
        if kept and window.requests * kept[-1].seconds >= kept[-1].requests * window.seconds:
            continue
        while kept and kept[-1].requests >= window.requests:
            kept.pop()
        kept.append(window)
    return tuple(kept)


def _request() -> RateItem:
    return RateItem("request", time.monotonic_ns() // 1_000_000)


def _several(windows: RateLimit | Sequence[RateLimit]) -> Sequence[RateLimit]:
    return (windows,) if isinstance(windows, RateLimit) else tuple(windows)


def _rates(windows: Sequence[RateLimit]) -> list[Rate]:
    rates = [
        Rate(window.requests, int(window.seconds * 1000 * _WINDOW_MARGIN)) for window in windows
    ]
    shortest = windows[0]
    spacing_ms = int(rates[0].interval / shortest.requests * _SPACING_SHARE)
    if shortest.is_even and shortest.requests > 1 and spacing_ms >= _FINEST_SPACING_MS:
        rates.insert(0, Rate(1, spacing_ms))
    return rates
