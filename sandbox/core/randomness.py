"""Random numbers that depend on the seed and a name only, never on the order of calls."""

from __future__ import annotations

from random import Random


def seeded(seed: int, *names: object) -> Random:
    """A generator of its own for each name: adding a draw in one place moves nothing elsewhere."""
    return Random("/".join(str(part) for part in (seed, *names)))  # noqa: S311 - a simulation
