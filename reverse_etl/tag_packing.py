"""Few calls for people with many sets of tags: pure arithmetic over how many have which set.

A vendor that gives the tags of a call to everybody in it (Rule) needs a call per set of tags and
thousand people; sets are many and most are small. So people may travel in a call with fewer tags
than they get, and are left some, which calls that hold nothing but e-mails add later: those who are
left the same tag share them. Per set of tags:

    full calls     of people who all get the same tags: nothing beats them
    the rest       begins as a call of its own; the smallest is dissolved into the room of calls
                   whose tags are part of its own, as long as that costs less than the call

Least calls is a hard problem (its simplest case is bin packing). This takes 1,159 for a million
people in 4,172 sets, where each set for itself takes nearly 5,000 and no way at all less than 1,072
(`benchmarks/activate`); a second, and some megabytes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TagSet = frozenset[str]
Bits = NDArray[np.uint64]

# What dissolving may cost, in shares of the call it saves: what is cheap first, for room is scarce.
_PRICES = (0.2, 0.4, 0.6, 0.8, 0.95)
# Comparing each with each takes some seconds for so many, and grows with the square.
_COMPARED_SETS = 5_000
_WORD = 64


@dataclass(frozen=True)
class Call:
    """People of one request: how many of each set, and the tags that all of them get."""

    tags: TagSet
    people: Mapping[TagSet, int]


def pack(people: Mapping[TagSet, int], size: int) -> list[Call]:
    """Distribute people over calls of at most `size`.

    Args:
        people: set of tags -> people who get it.
        size: most people of one call.

    Returns:
        calls in a stable order; everybody is in exactly one. What they lack after it: `left_over`.
    """
    full = [
        Call(tags, {tags: size}) for tags in sorted(people, key=sorted)
        for _ in range(people[tags] // size)
    ]  # fmt: skip
    rests = {tags: count % size for tags, count in people.items() if count % size}
    by_size = sorted(rests, key=lambda tags: (-rests[tags], sorted(tags)))
    compared = {tags: rests[tags] for tags in by_size[:_COMPARED_SETS]}
    others = {tags: rests[tags] for tags in by_size[_COMPARED_SETS:]}
    found = _Rests(compared, size).packed() + _as_they_come(others, size)
    # Where few people have many sets, hardly anything can be shared but the tags themselves.
    return full + min(found, _as_they_come(rests, size), key=lambda calls: requests(calls, size))


def calls_of(groups: Mapping[str, int], size: int) -> list[Call]:
    """`pack` for a plan's group keys: the tags of a row, each on a line of its own."""
    return pack({frozenset(key.split("\n")) - {""}: rows for key, rows in groups.items()}, size)


def pieces(calls: Sequence[Call]) -> pa.Table:
    """From which row of a group on which call takes it: `group_key, begin, place` of the call."""
    taken: Counter[str] = Counter()
    found = []
    for place, call in enumerate(calls):
        for tags, count in call.people.items():
            key = "\n".join(sorted(tags))
            found.append({"group_key": key, "begin": taken[key], "place": place})
            taken[key] += count
    return pa.Table.from_pylist(found)


def left_over(calls: Iterable[Call]) -> Counter[str]:
    """Per tag: people who get it and whose call does not give it."""
    lacking: Counter[str] = Counter()
    for call in calls:
        for tags, count in call.people.items():
            for tag in tags - call.tags:
                lacking[tag] += count
    return lacking


def requests(calls: Sequence[Call], size: int) -> int:
    """Requests that these calls take, and those for what they leave."""
    return len(calls) + sum(ceil(count / size) for count in left_over(calls).values())


def _as_they_come(rests: Mapping[TagSet, int], size: int) -> list[Call]:
    calls: list[Call] = []
    people: dict[TagSet, int] = {}
    room = size
    for tags in sorted(rests, key=sorted):
        count = rests[tags]
        while count:
            taken = min(count, room)
            people[tags] = taken
            count -= taken
            room -= taken
            if not room:
                calls.append(_call(people))
                people, room = {}, size
    return [*calls, _call(people)] if people else calls


def _call(people: Mapping[TagSet, int]) -> Call:
    return Call(frozenset.intersection(*people), people)


class _Rests:
    """Calls with room: begins with one for each set, then dissolves the small ones."""

    def __init__(self, rests: Mapping[TagSet, int], size: int) -> None:
        self._size = size
        self._sets = sorted(rests, key=lambda tags: (rests[tags], sorted(tags)))
        names = sorted(set().union(*self._sets))
        place = {tag: index for index, tag in enumerate(names)}
        words = len(names) // _WORD + 1
        self._bits = np.array(
            [_bits([place[tag] for tag in tags], words) for tags in self._sets], np.uint64
        ).reshape(len(self._sets), words)
        self._load = np.array([rests[tags] for tags in self._sets], np.int64)
        self._content: list[dict[int, int]] = [
            {index: int(load)} for index, load in enumerate(self._load)
        ]

    def packed(self) -> list[Call]:
        """The calls of the cheapest state on the way."""
        best = self._calls()
        for price in _PRICES:
            # By load, as it was before this round: calls that were filled stay.
            for index in np.argsort(self._load, kind="stable"):
                if self._content[index]:
                    self._dissolve(int(index), price)
            found = self._calls()
            if requests(found, self._size) < requests(best, self._size):
                best = found
        return best

    def _calls(self) -> list[Call]:
        return [
            Call(self._sets[index], {self._sets[each]: count for each, count in content.items()})
            for index, content in enumerate(self._content)
            if content
        ]

    def _dissolve(self, index: int, price: float) -> None:
        """Move everybody of a call into others, if that costs no more than `price` calls."""
        room = np.where(self._load > 0, self._size - self._load, 0)
        room[index] = 0
        own = self._bits[index]
        cost = -sum(n * _count(self._bits[each] & ~own) for each, n in self._content[index].items())
        most = price * self._size
        moves: list[tuple[int, int, int]] = []
        for each, count in self._content[index].items():
            for target, lacking in self._targets(each, room):
                taken = min(count, int(room[target]))
                moves.append((target, each, taken))
                room[target] -= taken
                count -= taken
                cost += taken * lacking
                if not count or cost > most:
                    break
            if count or cost > most:
                return
        self._content[index] = {}
        self._load[index] = 0
        for target, each, taken in moves:
            self._content[target][each] = self._content[target].get(each, 0) + taken
            self._load[target] += taken

    def _targets(self, each: int, room: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
        """Calls with room whose tags are part of a set's, and how many tags each lacks."""
        wanted = self._bits[each]
        fitting = np.nonzero((room > 0) & ~np.any(self._bits & ~wanted, axis=1))[0]
        lacking = np.bitwise_count(wanted & ~self._bits[fitting]).sum(axis=1)
        order = np.lexsort((room[fitting], lacking))  # of equals the fullest: fill what is begun
        return zip(fitting[order].tolist(), lacking[order].tolist(), strict=True)


def _bits(places: Iterable[int], words: int) -> list[int]:
    found = [0] * words
    for place in places:
        found[place // _WORD] |= 1 << place % _WORD
    return found


def _count(bits: Bits) -> int:
    return int(np.bitwise_count(bits).sum())
