"""The client against a real server on loopback that misbehaves on demand."""

import threading
import time

import httpx
import pytest
from misbehaving_vendor import OK, Answer, client, vendor

from vendor_http import (
    ConfigurationError,
    RateLimit,
    RequestRefusedError,
    VendorUnavailableError,
)


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {}, b"oops"),
        (503, {}, b""),
        (429, {}, b"slow down"),
        (423, {}, b"busy"),
        (0, {}, b""),
        (200, {}, b'{"ok": tr'),
        (200, {"Content-Length": "400"}, b'{"ok": true}'),
    ],
    ids=["500", "503", "429", "423", "cut connection", "truncated json", "short body"],
)
def test_passing_trouble_is_retried_and_counted(trouble: Answer) -> None:
    with vendor([trouble, OK]) as (url, _), client(url, timeout_seconds=5) as api:
        assert api.get_json("/customers") == {"ok": True}
        assert api.counts["retries"] == 1
        assert api.counts["GET"] == 2


def test_a_request_that_must_not_be_repeated_is_made_once() -> None:
    with (
        vendor([(503, {}, b""), OK]) as (url, arrivals),
        client(url) as api,
        pytest.raises(VendorUnavailableError, match="failed 1 times"),
    ):
        api.send("GET", "/tags", max_attempts=1)
    assert len(arrivals) == 1


def test_retry_after_is_waited_for() -> None:
    with vendor([(429, {"Retry-After": "1"}, b""), OK]) as (url, arrivals), client(url) as api:
        api.get_json("/customers")
    assert arrivals[1] - arrivals[0] >= 1.0


def test_a_storm_of_429_is_sat_out_however_few_failures_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pause = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    storm: list[Answer] = [(429, {}, b"")] * 20
    with vendor([*storm, OK]) as (url, arrivals), client(url, max_attempts=2) as api:
        assert api.get_json("/customers") == {"ok": True}
    assert len(arrivals) == 21


def test_a_429_for_ever_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pause = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    with (
        vendor([(429, {}, b"")]) as (url, _),
        client(url, max_attempts=2) as api,
        pytest.raises(VendorUnavailableError, match=r"GET /customers failed 60 times.*429"),
    ):
        api.get_json("/customers")


def test_a_redirect_is_not_followed_and_names_the_address_setting() -> None:
    with (
        vendor([(301, {"Location": "https://elsewhere.test/"}, b"")]) as (url, _),
        client(url, base_url_variable="SMILE_BASE_URL") as api,
        pytest.raises(ConfigurationError, match="SMILE_BASE_URL"),
    ):
        api.get_json("/customers")


def test_a_page_that_is_not_there_names_the_address_setting() -> None:
    with (
        vendor([(404, {}, b"<html>")]) as (url, _),
        client(url, base_url_variable="SMILE_BASE_URL") as api,
        pytest.raises(RequestRefusedError, match="SMILE_BASE_URL"),
    ):
        api.get_json("/customers")


def test_a_pause_longer_than_the_run_waits_is_an_error_at_once() -> None:
    with (
        vendor([(429, {"Retry-After": "600"}, b"")]) as (url, arrivals),
        client(url) as api,
        pytest.raises(VendorUnavailableError, match="600 s of silence"),
    ):
        api.get_json("/customers")
    assert len(arrivals) == 1


def test_after_the_last_try_the_error_says_what_failed_and_why() -> None:
    with (
        vendor([(500, {}, b"")]) as (url, arrivals),
        client(url, max_attempts=2) as api,
        pytest.raises(VendorUnavailableError, match=r"GET /customers failed 2 times.*500"),
    ):
        api.get_json("/customers")
    assert len(arrivals) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_variable_and_never_the_key(status: int) -> None:
    with (
        vendor([(status, {}, b"")]) as (url, _),
        client(url) as api,
        pytest.raises(ConfigurationError, match="Check SMILE_API_KEY") as caught,
    ):
        api.get_json("/customers")
    assert "secret-key" not in str(caught.value)
    assert "secret-key" not in repr(api)


def test_another_4xx_is_the_callers_to_judge() -> None:
    with vendor([(422, {}, b'{"error": 1}')]) as (url, arrivals), client(url) as api:
        with pytest.raises(RequestRefusedError) as caught:
            api.get_json("/customers")
        assert (caught.value.status, caught.value.body) == (422, b'{"error": 1}')
        assert api.get_json("/customers", accept={422}) is None
        assert api.send("GET", "/customers", accept={422}).status_code == 422
    assert len(arrivals) == 3


def test_an_e_mail_in_the_path_stays_out_of_the_message() -> None:
    with (
        vendor([(404, {}, b"")]) as (url, _),
        client(url) as api,
        pytest.raises(RequestRefusedError) as caught,
    ):
        api.send("GET", "/subscribers/ava@mail.dev", name="GET subscriber")
    assert "ava" not in str(caught.value)


def test_an_e_mail_in_the_address_stays_out_of_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with vendor([OK]) as (url, _), client(url) as api:
        api.get_json("/customers", params={"customer_email": "ava@mail.dev"})
    assert "ava" not in caplog.text


def test_every_request_is_charged_across_threads() -> None:
    with vendor([OK]) as (url, arrivals):
        api = client(url, limits={"default": RateLimit(5, 0.5)})
        threads = [threading.Thread(target=api.get_json, args=("/x",)) for _ in range(15)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        api.close()
    arrivals.sort()
    # 5 in any half second: the sixth after the first cannot come sooner than the window
    assert all(later - first >= 0.45 for first, later in zip(arrivals, arrivals[5:], strict=False))


def test_an_undeclared_limit_is_a_programming_error_that_lists_the_declared_ones() -> None:
    with client("http://127.0.0.1:9") as api, pytest.raises(KeyError, match="default"):
        api.get_json("/x", limit="bulk")


def test_nobody_at_the_address_names_the_address_variable() -> None:
    with (
        client("http://127.0.0.1:9", max_attempts=1, base_url_variable="SMILE_BASE_URL") as api,
        pytest.raises(VendorUnavailableError, match="SMILE_BASE_URL"),
    ):
        api.get_json("/customers")


def test_a_limit_that_an_answer_states_is_kept_from_then_on() -> None:
    def learn(response: httpx.Response) -> list[RateLimit]:
        stated = response.headers.get("ratelimit-limit")
        return [RateLimit(int(stated), 0.5)] if stated else []

    answers: list[Answer] = [(200, {"ratelimit-limit": "2"}, b"{}"), OK]
    limits = {"default": RateLimit(1000, 0.5)}
    with (
        vendor(answers) as (url, arrivals),
        client(url, limits=limits, learn_limits=learn) as api,
    ):
        for _ in range(4):
            api.get_json("/customers")
    assert arrivals[1] - arrivals[0] < 0.4
    # Counted when they leave; on the way the first can be held up a little longer than the third.
    assert arrivals[2] - arrivals[0] >= 0.4
    assert arrivals[3] - arrivals[1] >= 0.4


def test_threads_do_not_leave_as_one_burst_when_silence_ends() -> None:
    answers: list[Answer] = [(429, {"Retry-After": "1"}, b""), OK]
    with vendor(answers) as (url, arrivals):
        api = client(url, limits={"default": RateLimit(2, 0.4)})
        threads = [threading.Thread(target=api.get_json, args=("/x",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        api.close()
    arrivals.sort()
    spans = [later - first for first, later in zip(arrivals, arrivals[2:], strict=False)]
    assert min(spans) >= 0.35, "more than two requests within one window"
