"""The shop: one purchase history, one population, both programmes, moved by the clock."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from sandbox.core.clock import SandboxClock
from sandbox.shop.history import History, sample
from sandbox.shop.people import population
from sandbox.shop.smile_programme import SmileProgramme
from sandbox.shop.yotpo_programme import YotpoProgramme


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the cyclic collector: a history of half a million objects holds no garbage to find."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Shop:
    """`customers` people whose history ends on the clock's first day, lived through to it."""

    def __init__(self, seed: int, customers: int, clock: SandboxClock) -> None:
        numbers = sample(seed, customers)
        self.people = population(seed, numbers)
        self.history = History(clock.start, numbers)
        self.smile = SmileProgramme(seed, self.people, self.history)
        self.yotpo = YotpoProgramme(seed, self.people, self.history)
        with _without_collector():
            for day in range(self.history.first_day, self.history.last_day + 1):
                self.smile.step(day)
                self.yotpo.step(day)
        clock.subscribe(self._live)

    def _live(self, today: date) -> Counter[str]:
        day = today.toordinal()
        happened = Counter({"purchases": len(self.history.on(day))})
        happened.update(self.smile.step(day))
        happened.update(self.yotpo.step(day))
        return happened

    def summary(self) -> dict[str, Any]:
        """Counts per programme, for the control API."""
        smile, yotpo = self.smile, self.yotpo
        return {
            "smile": {
                "customers": len(smile.customers),
                "members": sum(one.state == "member" for one in smile.customers.values()),
                "points_transactions": len(smile.transactions),
                "reward_fulfillments": len(smile.coupons),
            },
            "yotpo": {
                "customers": len(yotpo.members),
                "members": sum(one.opt_in for one in yotpo.members.values()),
                "history_items": sum(len(one.history) for one in yotpo.members.values()),
            },
        }
