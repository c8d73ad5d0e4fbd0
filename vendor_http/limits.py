"""Request budgets of one account, charged before every request, retries included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyrate_limiter import Limiter, Rate

# A vendor counts when a request arrives, we count when it leaves. Requests sent evenly can arrive
# bunched, so each window is kept this much longer than the vendor's.
_WINDOW_MARGIN = 1.05


@dataclass(frozen=True)
class RateLimit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise ValueError(f"a rate limit needs at least 1 request and a window, got {self}")


class Budgets:
    """One limiter per limit name; shared by all threads of a client."""

    def __init__(self, limits: Mapping[str, RateLimit | Sequence[RateLimit]]) -> None:
        self._limiters = {name: _limiter(windows) for name, windows in limits.items()}

    def charge(self, name: str) -> None:
        """Wait until the budget `name` has room for one request, and take it."""
        try:
            limiter = self._limiters[name]
        except KeyError:
            raise KeyError(f"no limit named {name!r}; declared: {sorted(self._limiters)}") from None
        limiter.try_acquire(name)

    def close(self) -> None:
        """Stop the limiters' housekeeping."""
        for limiter in self._limiters.values():
            limiter.close()


def _limiter(windows: RateLimit | Sequence[RateLimit]) -> Limiter:
    several = [windows] if isinstance(windows, RateLimit) else list(windows)
    rates = [
        Rate(window.requests, int(window.seconds * 1000 * _WINDOW_MARGIN))
        for window in sorted(several, key=lambda window: window.seconds)
    ]
    return Limiter(rates)
