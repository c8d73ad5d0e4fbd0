"""What Yotpo's rate headers mean: limits that are learned, and silences that are asked for."""

from typing import Any

import httpx
import pytest

from dlt_sources.yotpo.client import client
from dlt_sources.yotpo.quota import MinuteQuota, stated_limits
from sandbox.config import SandboxConfig
from sandbox.server import running
from vendor_http import RateLimit


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int = 200, **headers: Any) -> httpx.Response:
    names = {"minute": "x-ratelimit-remaining-minute", "reset": "ratelimit-reset"}
    return httpx.Response(
        status,
        headers={names.get(key, key.replace("_", "-")): str(text) for key, text in headers.items()},
    )


def test_both_limits_are_read_from_an_answer() -> None:
    stated = stated_limits(answer(ratelimit_limit=10, x_ratelimit_limit_minute=600))
    assert stated == [RateLimit(10, 1.0), RateLimit(600, 60.0)]


@pytest.mark.parametrize(
    "garbage", ["", "0", "-5", "ten", "10.5", "1e3", "10, 10;w=1", "9" * 5000, "\u0661\u0660"]
)
def test_what_is_no_limit_is_ignored(garbage: str) -> None:
    headers = [(b"ratelimit-limit", garbage.encode()), (b"x-ratelimit-limit-minute", b"300")]
    assert stated_limits(httpx.Response(200, headers=headers)) == [RateLimit(300, 60.0)]
    assert stated_limits(httpx.Response(200)) == []


@pytest.mark.parametrize("garbage", ["", "-1", "none", "0.5"])
def test_a_malformed_remaining_number_asks_for_no_silence(garbage: str) -> None:
    assert MinuteQuota().pause_seconds(answer(minute=garbage, reset=garbage)) is None


def test_while_something_remains_nothing_is_asked_for() -> None:
    assert MinuteQuota().pause_seconds(answer(minute=1, reset=1, ratelimit_remaining=0)) is None


def test_a_spent_minute_of_unknown_age_is_sat_out_whole() -> None:
    quota = MinuteQuota(Watch())
    assert quota.pause_seconds(answer(minute=3)) is None
    assert quota.pause_seconds(answer(minute=0, reset=1)) == 60


def test_a_minute_that_was_seen_to_begin_is_sat_out_to_its_end() -> None:
    watch = Watch()
    quota = MinuteQuota(watch)
    for remaining in (2, 1, 599):
        quota.pause_seconds(answer(minute=remaining))
    watch.now += 45
    assert quota.pause_seconds(answer(minute=0, reset=1)) == 15


def test_a_minute_that_began_unseen_is_not_taken_for_the_one_before() -> None:
    watch = Watch()
    quota = MinuteQuota(watch)
    for remaining in (1, 599):
        quota.pause_seconds(answer(minute=remaining))
    watch.now += 61
    assert quota.pause_seconds(answer(minute=0)) == 60


def test_answers_that_overtake_each_other_lengthen_the_silence_and_never_shorten_it() -> None:
    watch = Watch()
    quota = MinuteQuota(watch)
    for remaining in (5, 599, 598):
        quota.pause_seconds(answer(minute=remaining))
    watch.now += 10
    for remaining in (300, 301):
        quota.pause_seconds(answer(minute=remaining))
    watch.now += 20
    assert quota.pause_seconds(answer(minute=0)) == 40


def test_a_429_of_the_second_waits_for_the_second_and_one_of_the_minute_for_the_minute() -> None:
    quota = MinuteQuota(Watch())
    assert quota.pause_seconds(answer(429, minute=300, reset=2)) == 2
    assert quota.pause_seconds(answer(429, minute=300, reset=0)) == 1
    assert quota.pause_seconds(answer(429, minute=0, reset=1)) == 60


def test_a_429_that_tells_nothing_is_sat_out_for_the_longest_window() -> None:
    assert MinuteQuota().pause_seconds(answer(429)) == 60
    assert MinuteQuota().pause_seconds(answer(500)) is None


def test_a_retry_after_is_obeyed_before_anything_else() -> None:
    assert MinuteQuota().pause_seconds(answer(429, minute=0, reset=1, retry_after=7)) == 7


def test_a_client_that_is_set_too_fast_keeps_the_limit_that_yotpo_states() -> None:
    with running(SandboxConfig(customers=20, limits_scale=1.0)) as sandbox:
        sandbox.control.switch("yotpo", requests_per_second=5)
        keys = sandbox.environment
        address = keys["YOTPO_BASE_URL"]
        with client(keys["YOTPO_GUID"], keys["YOTPO_API_KEY"], address, 10) as api:
            for _ in range(12):
                api.get_json("/vip_tiers")
            assert api.total_traffic().throttled == 0
