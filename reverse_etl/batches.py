"""Rows into batches by count and bytes: functions over iterators, the first one pure.

Rows of one request share lane and group and arrive beside each other. Greedy filling gives the
fewest requests for rows in a given order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

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


def one_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; the next one is made in a thread while the last one is worked on."""
    with ThreadPoolExecutor(1, "batches") as thread:
        coming = thread.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, batches, None)
            yield batch
