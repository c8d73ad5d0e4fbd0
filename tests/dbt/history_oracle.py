"""Tier changes once more, in plain Python, from what each day's reading showed.

Written from the design and not from the SQL. Owns the rule for one member at a time
(`changes_of`) and the comparison of two tiers (`direction_between`); a catalogue is, per day, the
thresholds of the tiers that were part of the programme.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNNAMED = "a name that no tier has"
Catalogue = list[dict[str, int]]


@dataclass(frozen=True)
class Reading:
    """What one day showed of one member; equal ones in a row are one state."""

    day: int
    at: datetime
    is_member: bool
    tier: str | None
    entered_at: datetime | None
    others: tuple[object, ...] = ()

    def same_as(self, other: Reading) -> bool:
        return (self.is_member, self.tier, self.others) == (
            other.is_member,
            other.tier,
            other.others,
        )


@dataclass(frozen=True)
class Change:
    changed_at: datetime
    from_tier: str | None
    to_tier: str | None
    direction: str | None


def direction_between(from_tier: str, to_tier: str, day: int, catalogue: Catalogue) -> str | None:
    """By the thresholds of that day, else of the last day before, else of the first one after."""
    together = [
        number
        for number, tiers in enumerate(catalogue)
        if from_tier in tiers and to_tier in tiers and tiers[from_tier] != tiers[to_tier]
    ]
    if together:
        before = [number for number in together if number <= day]
        tiers = catalogue[before[-1] if before else together[0]]
        return "up" if tiers[from_tier] < tiers[to_tier] else "down"
    last = {tier: threshold for tiers in catalogue for tier, threshold in tiers.items()}
    below, above = last.get(from_tier), last.get(to_tier)
    if below is None or above is None or below == above:
        return None
    return "up" if below < above else "down"


def changes_of(readings: list[Reading], catalogue: Catalogue) -> list[Change]:
    """All changes of one member's tier."""
    changes: list[Change] = []
    held: str | None = None
    state: Reading | None = None
    known_since: datetime | None = None
    for reading in readings:
        if state is not None and reading.same_as(state):
            continue
        state = reading
        if reading.is_member and reading.tier == UNNAMED:
            continue
        now = reading.tier if reading.is_member else None
        if now != held:
            at = reading.at
            told = reading.entered_at
            if (
                now is not None
                and told is not None
                and told <= reading.at
                and (known_since is None or told > known_since)
            ):
                at = told
            if held is None or now is None:
                direction = "enter" if held is None else "leave"
            else:
                direction = direction_between(held, now, reading.day, catalogue)
            changes.append(Change(at, held, now, direction))
            held = now
        known_since = reading.at
    return changes
