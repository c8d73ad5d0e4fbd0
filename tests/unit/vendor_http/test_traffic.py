"""Figures per resource: adding up, across threads, and as a client fills them."""

import gzip
import threading

import pytest
from misbehaving_vendor import OK, client, vendor

from vendor_http import RateLimit, RequestRefusedError, Traffic
from vendor_http.traffic import TrafficMeter


def test_figures_of_a_resource_add_up_and_so_do_the_resources() -> None:
    meter = TrafficMeter()
    meter.add("GET /a", Traffic(requests=1, waited_seconds=0.5))
    meter.add("GET /a", Traffic(retries=1, throttled=1))
    meter.add("GET /b", Traffic(requests=1, bytes_received=10))
    assert meter.by_resource()["GET /a"] == Traffic(1, 1, 1, 0.5, 0)
    assert meter.total() == Traffic(2, 1, 1, 0.5, 10)


def test_what_was_handed_out_does_not_change_with_later_traffic() -> None:
    meter = TrafficMeter()
    before = meter.by_resource()
    meter.add("GET /a", Traffic(requests=1))
    assert before == {}


def test_no_request_of_any_thread_is_lost() -> None:
    meter = TrafficMeter()

    def add() -> None:
        for _ in range(1000):
            meter.add("GET /a", Traffic(requests=1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.total().requests == 4000


def test_a_client_without_requests_has_no_traffic() -> None:
    with client("http://127.0.0.1:9") as api:
        assert (dict(api.traffic), api.total_traffic()) == ({}, Traffic())


def test_requests_are_kept_apart_by_the_name_that_messages_use() -> None:
    with vendor([OK]) as (url, _), client(url) as api:
        api.get_json("/customers")
        api.get_json("/customers", params={"page": 2})
        api.get_json("/subscribers/ava@mail.dev", name="GET subscriber")
        assert {name: one.requests for name, one in api.traffic.items()} == {
            "GET /customers": 2,
            "GET subscriber": 1,
        }
        assert api.total_traffic().requests == api.counts["GET"] == 3


def test_retries_and_429_are_told_apart() -> None:
    answers = [(429, {"Retry-After": "0"}, b"slow"), (500, {}, b"oops"), OK]
    with vendor(answers) as (url, _), client(url) as api:
        api.get_json("/customers")
        figures = api.traffic["GET /customers"]
    assert (figures.requests, figures.retries, figures.throttled) == (3, 2, 1)
    assert figures.bytes_received == len(b"slow" + b"oops" + OK[2])


def test_a_refused_request_and_a_cut_connection_are_traffic_too() -> None:
    with vendor([(0, {}, b""), (422, {}, b"no")]) as (url, _), client(url) as api:
        with pytest.raises(RequestRefusedError):
            api.get_json("/customers")
        figures = api.total_traffic()
    assert (figures.requests, figures.retries, figures.bytes_received) == (2, 1, 2)


def test_bytes_are_those_on_the_wire() -> None:
    packed = gzip.compress(b"[" + b"0," * 5000 + b"0]")
    with vendor([(200, {"Content-Encoding": "gzip"}, packed)]) as (url, _), client(url) as api:
        assert len(api.get_json("/customers")) == 5001
        assert api.total_traffic().bytes_received == len(packed) < 1000


def test_waiting_for_the_budget_and_for_silence_is_measured() -> None:
    limits = {"default": RateLimit(1, 0.3)}
    with vendor([OK]) as (url, _), client(url, limits=limits) as api:
        api.get_json("/first")
        api.get_json("/second")
        assert api.traffic["GET /first"].waited_seconds < 0.1
        assert 0.2 < api.traffic["GET /second"].waited_seconds < 2
    silence = [(200, {"Retry-After": "1"}, b"{}"), OK]
    with vendor(silence) as (url, _), client(url) as api:
        api.get_json("/first")
        api.get_json("/second")
        assert 0.9 < api.traffic["GET /second"].waited_seconds < 3
