"""The real purchase history, shifted so that it ends on the sandbox's today, and its replay.

A purchase of business day `D` after today repeats a real one of exactly 364 days earlier (the same
weekday), by the same customer; after a year, of 728 days earlier, and so on.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

from sandbox.core.errors import SandboxError
from sandbox.shop.dice import mix

LAST_DAY = date(1998, 6, 30)
REPLAY_DAYS = 364


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order: the customer's number in the history, count of items, amount in cents."""

    customer: int
    items: int
    cents: int


@lru_cache(maxsize=1)
def _read() -> tuple[tuple[int, tuple[tuple[int, Purchase], ...]], tuple[int, ...]]:
    """(first day's ordinal, ((day's ordinal, purchase), ...)) and all customer numbers."""
    packed = (files("sandbox.shop") / "data" / "cdnow_purchases.csv.gz").read_bytes()
    rows = list(csv.reader(gzip.decompress(packed).decode().splitlines()))[1:]
    ordinals: dict[str, int] = {}
    purchases = []
    customers = set()
    for customer, day, items, amount in rows:
        ordinal = ordinals.get(day)
        if ordinal is None:
            ordinal = ordinals[day] = date.fromisoformat(day).toordinal()
        number = int(customer)
        customers.add(number)
        purchases.append((ordinal, Purchase(number, int(items), round(float(amount) * 100))))
    return (min(ordinals.values()), tuple(purchases)), tuple(sorted(customers))


def sample(seed: int, count: int) -> tuple[int, ...]:
    """The customers who take part; a smaller sample is contained in every larger one.

    Raises:
        SandboxError: more than the history has, or fewer than one.
    """
    _, customers = _read()
    if not 1 <= count <= len(customers):
        raise SandboxError(f"The shop has 1 to {len(customers)} customers, not {count}.")
    if count == len(customers):
        return customers
    return tuple(sorted(sorted(customers, key=lambda number: mix(seed, number))[:count]))


class History:
    """Purchases by business day (ordinals), of the customers given."""

    def __init__(self, today: date, customers: Sequence[int]) -> None:
        (first, purchases), _ = _read()
        shift = today.toordinal() - LAST_DAY.toordinal()
        self.first_day = first + shift
        self.last_day = today.toordinal()
        wanted = set(customers)
        self._days: dict[int, list[Purchase]] = {}
        for ordinal, purchase in purchases:
            if purchase.customer in wanted:
                self._days.setdefault(ordinal + shift, []).append(purchase)

    def on(self, day: int) -> Sequence[Purchase]:
        """The day's purchases: real up to `last_day`, replayed after it."""
        if day > self.last_day:
            ahead = day - self.last_day
            day -= REPLAY_DAYS * -(-ahead // REPLAY_DAYS)
        return self._days.get(day, ())
