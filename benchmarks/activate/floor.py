"""The least that the vendors' limits leave: requests, and seconds from the first one on.

Pure arithmetic over a population; what a sync took is held against it.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations

from benchmarks.activate.vendors import BULK_BYTES, BULK_ROWS, RULE_ROWS
from sandbox.core.limits import Window

TagSet = frozenset[str]


def bulk_jobs(rows: int, payload_bytes: int) -> int:
    """Import jobs for so many profiles of so many bytes together, commas included."""
    return max(math.ceil(rows / BULK_ROWS), math.ceil(payload_bytes / BULK_BYTES))


def seconds(requests: int, windows: Sequence[Window]) -> float:
    """When the last of `requests` may leave at the earliest, windows beginning with the first."""
    longest = max(windows, key=lambda window: window.seconds)
    full, rest = divmod(requests - 1, longest.requests)
    began = full * longest.seconds
    shortest = min(windows, key=lambda window: window.seconds)
    return began + rest // shortest.requests * shortest.seconds


def steady_seconds(requests: int, windows: Sequence[Window]) -> float:
    """How long `requests` take at the documented steady rate."""
    longest = max(windows, key=lambda window: window.seconds)
    return requests / longest.requests * longest.seconds


def upserts(people: Mapping[TagSet, int]) -> float:
    """A number of upserts that no way of grouping can go below.

    One upsert gives its tags to all of its people, at most 1,000. So an upsert with tags L serves
    min(1,000, people whose tags include L) at best, and each of them bears that share of it.
    Whoever gets tags T needs upserts whose tags make up T: at least the cheapest such cover,
    by shares. Ways of grouping that reach this for everybody at once need not exist.
    """
    having: Counter[TagSet] = Counter()
    for tags, count in people.items():
        for subset in _subsets(tags):
            having[subset] += count
    share = {subset: 1 / min(RULE_ROWS, count) for subset, count in having.items()}

    @cache
    def cover(missing: TagSet) -> float:
        """Cheapest shares of upserts that give all of `missing`."""
        if not missing:
            return 0.0
        first = min(missing)
        return min(
            share[part] + cover(missing - part) for part in _subsets(missing) if first in part
        )

    return sum(count * cover(tags) for tags, count in people.items() if tags) + (
        people.get(frozenset(), 0) / RULE_ROWS
    )


@cache
def _subsets(tags: TagSet) -> tuple[TagSet, ...]:
    ordered = sorted(tags)
    return tuple(
        frozenset(chosen)
        for size in range(1, len(ordered) + 1)
        for chosen in combinations(ordered, size)
    )
