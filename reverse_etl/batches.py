"""Rows into batches by count and bytes; a pure function over an iterator.

Rows of one request share lane and group and arrive beside each other. Greedy filling gives the
fewest requests for rows in a given order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from reverse_etl.destinations.base import Batch, LaneLimits
from reverse_etl.planned import PlannedRow


def batch_rows(
    rows: Iterable[PlannedRow],
    lanes: Mapping[str, LaneLimits],
    row_bytes: Callable[[PlannedRow], int],
) -> Iterator[Batch]:
    """Batches no larger than their lane allows; a row larger than that travels alone."""
    current: list[PlannedRow] = []
    size = 0
    for row in rows:
        weight = row_bytes(row)
        if current:
            first = current[0]
            limits = lanes[first.lane]
            is_full = len(current) >= limits.rows or size + weight > limits.bytes
            if is_full or (row.lane, row.group_key) != (first.lane, first.group_key):
                yield Batch(first.lane, tuple(current))
                current, size = [], 0
        current.append(row)
        size += weight
    if current:
        yield Batch(current[0].lane, tuple(current))
