"""Repeatable chance without order: the same person, day and question give the same number.

Because nothing is drawn from a shared stream, changing one member by hand (a test does) changes
nobody else's life.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """A 64-bit hash of whole numbers.

    Python's own hash of a tuple of integers (fast, and the same in every process: only texts are
    salted), followed by a finaliser that spreads it over all bits.
    """
    state = hash(parts) & _MASK
    state = ((state ^ (state >> 32)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 29)


def unit(*parts: int) -> float:
    """A number in [0, 1)."""
    return mix(*parts) / 18446744073709551616.0


def below(limit: int, *parts: int) -> int:
    """A whole number in [0, limit)."""
    return mix(*parts) % limit


def code(length: int, *parts: int) -> str:
    """A readable code of letters and digits without look-alikes."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    state = mix(*parts)
    letters = []
    for index in range(length):
        if index % 12 == 11:
            state = mix(state, index)
        state, position = divmod(state, len(alphabet))
        letters.append(alphabet[position])
    return "".join(letters)
