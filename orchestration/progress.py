"""How far an extraction is, in one line: records, pages, rate, time left where anything tells."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

_SHOWN_CHAINS = 3


@dataclass
class _Chain:
    rows: int
    pages: int
    expected: int | None
    first_rows: int
    first_pages: int
    started: float


class Progress:
    """An `dlt_sources.extraction.Observer` that says what it hears."""

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._chains: dict[str, _Chain] = {}
        self._lock = Lock()
        self._started = clock()

    def __call__(self, chain: str, rows: int, pages: int, expected: int | None) -> None:
        """Take one report; chains report from threads of their own."""
        with self._lock:
            known = self._chains.get(chain)
            if known is None:
                # What an earlier process read says nothing about the rate of this one.
                known = _Chain(rows, pages, expected, rows, pages - 1, self._clock())
                self._chains[chain] = known
            known.rows, known.pages, known.expected = rows, pages, expected
            text = self.text()
        self._say(text)

    def text(self) -> str:
        """The line, such as `1,200 of 4,000 records, 12 pages, 9.8 pages/s, about 29 s left: …`."""
        chains = self._chains.values()
        rows = sum(chain.rows for chain in chains)
        pages = sum(chain.pages for chain in chains)
        elapsed = max(self._clock() - self._started, 0.001)
        rate = sum(chain.pages - chain.first_pages for chain in chains) / elapsed
        expected = [max(chain.expected, chain.rows) for chain in chains if chain.expected]
        whole = f" of {sum(expected):,}" if len(expected) == len(self._chains) else ""
        parts = [f"{rows:,}{whole} records", f"{pages:,} pages", f"{rate:,.1f} pages/s"]
        left = self._seconds_left()
        if left is not None and left >= 1:
            parts.append(f"about {_duration(left)} left")
        longest = sorted(self._chains.items(), key=lambda entry: -entry[1].rows)[:_SHOWN_CHAINS]
        detail = ", ".join(f"{name} {chain.rows:,}" for name, chain in longest if chain.rows)
        return f"{', '.join(parts)}: {detail}" if detail else ", ".join(parts)

    def _seconds_left(self) -> float | None:
        """Of the chain that takes longest; None where one that is under way cannot be foreseen."""
        now = self._clock()
        longest: float | None = None
        for chain in self._chains.values():
            done = chain.rows - chain.first_rows
            if chain.expected is None or done <= 0:
                continue
            rate = done / max(now - chain.started, 0.001)
            left = max(chain.expected - chain.rows, 0) / rate
            longest = left if longest is None else max(longest, left)
        return longest


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
