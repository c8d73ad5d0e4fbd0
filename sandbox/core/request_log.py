"""Counts every request, refused ones included, by vendor and operation. No bodies, no queries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Counts:
    reads: int = 0
    writes: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)


class RequestLog:
    """What each vendor was asked since the last reset."""

    def __init__(self, vendors: tuple[str, ...] = ()) -> None:
        self._counts = {vendor: _Counts() for vendor in vendors}

    def record(self, vendor: str, operation: str, *, writes: bool, status: int) -> None:
        """Count one request. `status` 0 stands for a connection that was cut."""
        counts = self._counts.setdefault(vendor, _Counts())
        if writes:
            counts.writes += 1
        else:
            counts.reads += 1
        counts.operations[operation] += 1
        counts.statuses[str(status)] += 1

    def reset(self) -> None:
        self._counts = {vendor: _Counts() for vendor in self._counts}

    def describe(self) -> dict[str, dict[str, Any]]:
        return {
            vendor: {
                "reads": counts.reads,
                "writes": counts.writes,
                "operations": dict(counts.operations),
                "statuses": dict(counts.statuses),
            }
            for vendor, counts in self._counts.items()
        }
