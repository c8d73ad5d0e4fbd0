"""Properties of the sandbox's parts that must hold for any input."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.faults import Faults
from sandbox.core.limits import Limiter, Window
from sandbox.shop.agenda import DAY_MS, Agenda, normalise, plus_days, stamp
from sandbox.shop.smile_records import Customer
from sandbox.shop.smile_vip import current_tier, vip_status
from sandbox.smile import paging as smile_paging
from sandbox.yotpo import paging as yotpo_paging

DAY = 739_941  # 2026-11-21


@dataclass(frozen=True)
class Row:
    """Something with an id."""

    id: int


@given(ids=st.sets(st.integers(1, 10_000), max_size=60), size=st.integers(1, 20), data=st.data())
def test_a_keyset_walk_gives_each_row_once_and_survives_new_rows(
    ids: set[int], size: int, data: st.DataObject
) -> None:
    rows = [Row(number) for number in sorted(ids)]
    seen: list[int] = []
    cursor = None
    while True:
        page, following, _ = smile_paging.cut_page(rows, cursor, size)
        seen += [row.id for row in page]
        if following is None:
            break
        cursor = smile_paging.decode(smile_paging.Cursor(following, "next").encode())
        if data.draw(st.booleans()):
            rows.append(Row(rows[-1].id + 1))
    assert seen == sorted(ids, reverse=True)


@given(ids=st.sets(st.integers(1, 500), min_size=1, max_size=40), size=st.integers(1, 10))
def test_walking_back_visits_the_same_pages(ids: set[int], size: int) -> None:
    rows = [Row(number) for number in sorted(ids)]
    forward, cursor = [], None
    while True:
        page, following, preceding = smile_paging.cut_page(rows, cursor, size)
        forward.append(page)
        if following is None:
            break
        cursor = smile_paging.Cursor(following, "next")
    for expected in reversed(forward[:-1]):
        assert preceding is not None
        back = smile_paging.Cursor(preceding, "previous")
        page, _, preceding = smile_paging.cut_page(rows, back, size)
        assert page == expected
    assert preceding is None


@given(text=st.text(max_size=40))
def test_any_text_is_a_cursor_or_is_refused_without_a_crash(text: str) -> None:
    smile_paging.decode(text)
    yotpo_paging.decode(text)


@given(
    keys=st.sets(st.tuples(st.text("ab", max_size=3), st.integers(0, 9)), max_size=40),
    size=st.integers(1, 9),
    descending=st.booleans(),
)
def test_the_yotpo_walk_gives_each_key_once(
    keys: set[tuple[str, int]], size: int, descending: bool
) -> None:
    ordered = sorted(keys, reverse=descending)
    seen: list[tuple[str, int]] = []
    position = None
    while True:
        start = yotpo_paging.start_of(ordered, position, is_descending=descending)
        seen += ordered[start : start + size]
        if start + size >= len(ordered):
            break
        position = yotpo_paging.decode(yotpo_paging.Position(seen[-1]).encode())
    assert seen == ordered


@given(
    limit=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 0.6, allow_nan=False), max_size=80),
)
def test_no_window_ever_lets_more_through_than_it_says(limit: int, gaps: list[float]) -> None:
    now = 0.0
    limiter = Limiter([Window(limit, 1.0)], monotonic=lambda: now)
    allowed: list[float] = []
    for gap in gaps:
        now += gap
        if limiter.charge().allowed:
            allowed.append(now)
    for first in allowed:
        # A fixed window lets at most two windows' worth through in any one second.
        assert sum(first <= moment < first + 1.0 for moment in allowed) <= 2 * limit


@given(after=st.integers(0, 10), count=st.integers(0, 10), requests=st.integers(0, 40))
def test_next_fires_exactly_that_often(after: int, count: int, requests: int) -> None:
    faults = Faults("acme")
    faults.set({"error": {"after": after, "next": count}})
    fired = [faults.draw("error", "GET /a") is not None for _ in range(requests)]
    expected = [after <= index < after + count for index in range(requests)]
    assert fired == expected


@given(
    first=st.tuples(st.integers(DAY, DAY + 900), st.integers(0, DAY_MS - 1)),
    second=st.tuples(st.integers(DAY, DAY + 900), st.integers(0, DAY_MS - 1)),
)
def test_stamps_sort_like_the_moments_they_name(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    assert (stamp(*first) < stamp(*second)) == (first < second)
    assert normalise(stamp(*first)) == stamp(*first)
    assert plus_days(stamp(*first), 3) == stamp(first[0] + 3, first[1])


@given(moments=st.lists(st.integers(0, DAY_MS - 1), max_size=30))
def test_a_day_is_lived_in_the_order_of_time(moments: list[int]) -> None:
    agenda, lived = Agenda(), []

    def happen(day: int, ms: int, follows: bool) -> None:
        lived.append(ms)
        if follows and ms + 5 < DAY_MS:
            agenda.add(day, ms + 5, happen, False)

    for ms in moments:
        agenda.add(DAY, ms, happen, ms % 2 == 0)
    agenda.run(DAY)
    assert lived == sorted(lived)
    assert len(lived) >= len(moments)


@given(
    earned=st.dictionaries(st.sampled_from([2024, 2025, 2026]), st.integers(0, 9_000)),
    spent=st.dictionaries(st.sampled_from([2024, 2025, 2026]), st.integers(0, 90_000)),
    basis=st.sampled_from(["points", "amount"]),
    timeframe=st.sampled_from(["calendar_year", "lifetime"]),
)
def test_vip_status_is_consistent_for_any_progress(
    earned: dict[int, int], spent: dict[int, int], basis: str, timeframe: str
) -> None:
    milestones = (250.0, 800.0, 2000.0, 5000.0)
    customer = Customer(
        1, 1, None, None, None, "member", None, "x", "", "", "", 0, earned=earned, spent=spent
    )
    vip = vip_status(customer, 2026, basis, timeframe, milestones)
    tier = -1 if vip.tier is None else vip.tier
    assert tier == current_tier(customer, 2026, basis, timeframe, milestones)
    assert vip.progress is not None
    assert vip.next_tier == (tier + 1 if tier < 3 else None)
    assert (vip.to_next is None) == (vip.next_tier is None)
    assert vip.to_next is None or vip.to_next > 0
    if vip.to_retain is not None:
        assert vip.to_retain == round(milestones[tier] - vip.progress, 2) > 0
        assert vip.expires_at == vip.period_end
    if timeframe == "lifetime":
        assert vip.expires_at is vip.period_end is vip.to_retain is None
