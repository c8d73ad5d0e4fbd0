"""Budgets: which windows are in force, and how requests are let through them."""

import itertools
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendor_http import RateLimit
from vendor_http.limits import Budgets, tightest

WINDOWS = st.lists(
    st.builds(RateLimit, st.integers(1, 1000), st.sampled_from([1.0, 10.0, 60.0, 600.0])),
    max_size=4,
)


def departures(budgets: Budgets, count: int) -> list[float]:
    moments = []
    for _ in range(count):
        budgets.charge("default")
        moments.append(time.monotonic())
    return moments


@pytest.mark.parametrize(
    ("learned", "in_force"),
    [
        ([], [(5, 1)]),
        ([(10, 1)], [(5, 1)]),
        ([(3, 1)], [(3, 1)]),
        ([(100, 60)], [(5, 1), (100, 60)]),
        ([(600, 60)], [(5, 1)]),
        ([(4, 60)], [(4, 60)]),
        ([(3, 1), (100, 60)], [(3, 1), (100, 60)]),
    ],
    ids=[
        "nothing",
        "a looser one",
        "a tighter one",
        "a longer window",
        "one that cannot bind",
        "one that alone binds",
        "both",
    ],
)
def test_the_smaller_of_two_limits_is_in_force(
    learned: list[tuple[int, float]], in_force: list[tuple[int, float]]
) -> None:
    budgets = Budgets({"default": RateLimit(5, 1)})
    budgets.learn("default", [RateLimit(*one) for one in learned])
    windows = budgets.in_force("default")
    assert [(window.requests, window.seconds) for window in windows] == in_force


def test_what_is_stated_later_replaces_what_was_stated_before() -> None:
    budgets = Budgets({"default": RateLimit(5, 1), "bulk": RateLimit(5, 1)})
    budgets.learn("default", [RateLimit(2, 1), RateLimit(50, 60)])
    budgets.learn("default", [RateLimit(9, 1)])
    assert budgets.in_force("default") == (RateLimit(5, 1), RateLimit(50, 60))
    assert budgets.in_force("bulk") == (RateLimit(5, 1),)


def test_a_learned_limit_leaves_even_spacing_as_it_was() -> None:
    budgets = Budgets({"default": RateLimit(5, 1, is_even=True)})
    budgets.learn("default", [RateLimit(3, 1)])
    assert budgets.in_force("default") == (RateLimit(3, 1, is_even=True),)


@given(WINDOWS.filter(bool), WINDOWS)
def test_no_window_is_ever_looser_than_configured(
    configured: list[RateLimit], learned: list[RateLimit]
) -> None:
    kept = tightest(configured, learned)
    for window in (*configured, *learned):
        # the most requests that the kept windows let through in this window's length
        allowed = min(one.requests * -(-window.seconds // one.seconds) for one in kept)
        assert allowed <= window.requests
    Budgets({"default": kept}).charge("default")  # the limiter takes the list


@pytest.mark.parametrize("garbage", [(0, 1.0), (-3, 1.0), (5, 0.0), (5, -1.0)])
def test_a_limit_without_requests_or_length_is_refused(garbage: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="at least 1 request"):
        RateLimit(*garbage)


def test_a_whole_window_may_leave_at_once_and_the_next_one_later() -> None:
    moments = departures(Budgets({"default": RateLimit(5, 0.5)}), 6)
    assert moments[4] - moments[0] < 0.3
    assert moments[5] - moments[0] >= 0.5


def test_an_even_limit_spaces_its_requests() -> None:
    moments = departures(Budgets({"default": RateLimit(5, 0.5, is_even=True)}), 6)
    gaps = [later - first for first, later in itertools.pairwise(moments)]
    assert min(gaps) >= 0.09
    assert moments[5] - moments[0] >= 0.5


def test_an_even_limit_of_many_requests_is_not_slowed_down_by_spacing() -> None:
    moments = departures(Budgets({"default": RateLimit(200, 1, is_even=True)}), 200)
    assert moments[-1] - moments[0] < 0.5


def test_threads_share_a_budget_and_use_at_least_nine_tenths_of_it() -> None:
    budgets = Budgets({"default": RateLimit(10, 0.5, is_even=True)})
    moments: list[float] = []

    def work() -> None:
        moments.extend(departures(budgets, 10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments.sort()
    spans = [later - first for first, later in zip(moments, moments[10:], strict=False)]
    assert min(spans) >= 0.5
    assert moments[-1] - moments[0] < 39 * 0.05 / 0.9


def test_learning_reaches_a_thread_that_is_already_waiting() -> None:
    budgets = Budgets({"default": RateLimit(1, 0.2)})
    budgets.charge("default")
    waiting = threading.Thread(target=budgets.charge, args=("default",))
    began = time.monotonic()
    waiting.start()
    budgets.learn("default", [RateLimit(1, 0.8)])
    waiting.join()
    assert time.monotonic() - began >= 0.7
