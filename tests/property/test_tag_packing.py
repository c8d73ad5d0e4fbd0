"""Packing people by tags: everybody once, no call too large, never more calls than without it."""

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from reverse_etl import tag_packing
from reverse_etl.tag_packing import left_over, pack, requests

TAGS = [f"tag-{number}" for number in range(70)]  # more than a machine word has bits
SETS = st.dictionaries(
    st.frozensets(st.sampled_from(TAGS[:6]) | st.sampled_from(TAGS), max_size=6),
    st.integers(1, 45),
    max_size=40,
)


@given(people=SETS, size=st.integers(1, 30))
def test_everybody_is_in_one_call_that_gives_no_foreign_tag(
    people: dict[frozenset[str], int], size: int
) -> None:
    calls = pack(people, size)
    found: Counter[frozenset[str]] = Counter()
    for call in calls:
        assert 0 < sum(call.people.values()) <= size
        assert all(call.tags <= tags and count > 0 for tags, count in call.people.items())
        found.update(call.people)
    assert found == Counter(people)


@given(people=SETS, size=st.integers(1, 30))
def test_it_takes_no_more_requests_than_every_set_for_itself(
    people: dict[frozenset[str], int], size: int
) -> None:
    alone = sum(ceil(count / size) for count in people.values())
    assert requests(pack(people, size), size) <= alone
    assert pack(people, size) == pack(dict(reversed(people.items())), size)


@given(people=SETS, size=st.integers(1, 30))
def test_beyond_what_is_compared_everybody_still_travels(
    people: dict[frozenset[str], int], size: int
) -> None:
    usual = tag_packing._COMPARED_SETS
    try:
        tag_packing._COMPARED_SETS = 3
        calls = pack(people, size)
    finally:
        tag_packing._COMPARED_SETS = usual
    assert sum((Counter(call.people) for call in calls), Counter()) == Counter(people)
    assert all(sum(call.people.values()) <= size for call in calls)


def test_few_people_with_a_tag_more_travel_with_the_many() -> None:
    gold, plain = frozenset({"member", "gold"}), frozenset({"member"})
    born = frozenset({"birthday"})
    calls = pack({gold: 1_900, gold | born: 60, plain: 940, plain | born: 60}, 1_000)
    assert [call.tags for call in calls] == [gold, gold, plain]
    assert left_over(calls) == Counter({"birthday": 120})
    assert requests(calls, 1_000) == 4
