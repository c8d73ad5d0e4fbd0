"""Trouble with lists, and limits over sliding windows, at both loyalty vendors of the sandbox."""

from typing import Any

import orjson
import pytest
from sandbox_desk import Desk

CURSOR_LISTS = ("customers", "points_transactions", "reward_fulfillments")


@pytest.fixture
def own() -> Desk:
    """A sandbox that a test may change."""
    return Desk(customers=200)


def order(desk: Desk, vendor: str, **faults: Any) -> None:
    desk.control("PUT", f"/faults/{vendor}", faults)


@pytest.mark.parametrize("resource", CURSOR_LISTS)
def test_a_short_list_of_smile_is_the_head_of_the_whole_one(own: Desk, resource: str) -> None:
    whole = own.smile_all(resource, limit=250)
    order(own, "smile", short_list={})
    short = own.smile_all(resource, limit=20)
    assert len(short) == -(-len(whole) // 10)
    assert short == whole[: len(short)]
    order(own, "smile")
    assert own.smile_all(resource, limit=20) == whole


def test_a_short_list_of_smile_may_be_cut_within_one_resource_and_to_nothing(own: Desk) -> None:
    products = own.get("smile", "/points_products")["points_products"]
    whole = own.smile_all("customers", limit=250)
    order(own, "smile", short_list={"share": 0, "operation": "GET /customers"})
    assert own.smile_all("customers", limit=250) == []
    assert own.get("smile", "/points_products")["points_products"] == products
    order(own, "smile", short_list={"share": 0.5, "operation": "GET /points_products"})
    short = own.get("smile", "/points_products")["points_products"]
    assert short == products[: -(-len(products) // 2)]
    assert own.smile_all("customers", limit=250) == whole


def test_a_short_list_of_yotpo_is_the_head_of_the_whole_one(own: Desk) -> None:
    whole = own.yotpo_all(per_page=250)
    order(own, "yotpo", short_list={"share": 0.25})
    short = own.yotpo_all(per_page=20)
    assert len(short) == -(-len(whole) // 4)
    assert short == whole[: len(short)]
    order(own, "yotpo")
    assert own.yotpo_all(per_page=20) == whole


def test_the_list_of_2020_can_be_short_too_and_its_links_agree(own: Desk) -> None:
    own.switch("yotpo", customers_all="on")
    pages = own.get("yotpo", "/customers/all", per_page=10)["links"]["total_pages"]
    order(own, "yotpo", short_list={})
    page = own.get("yotpo", "/customers/all", per_page=10)
    assert page["links"]["total_pages"] == -(-pages // 10)
    beyond = own.get("yotpo", "/customers/all", per_page=10, page=pages)
    assert beyond["customers"] == []


def test_an_expired_cursor_of_smile_answers_400_with_the_error_object(own: Desk) -> None:
    order(own, "smile", expired_cursor={"next": 1})
    first = own.get("smile", "/customers", limit=20)
    cursor = first["metadata"]["next_cursor"]
    reply = own.ask("smile", "/customers", limit=20, cursor=cursor)
    assert reply.status == 400
    assert set(orjson.loads(reply.body)["error"]) == {"message", "request_id"}
    assert own.ask("smile", "/customers", limit=20, cursor=cursor).status == 200


def test_an_expired_cursor_of_yotpo_answers_400(own: Desk) -> None:
    cursor = own.get("yotpo", "/customers/recent", per_page=20)["metadata"]["next_page_info"]
    order(own, "yotpo", expired_cursor={})
    assert own.ask("yotpo", "/customers/recent", per_page=20).status == 200
    assert own.ask("yotpo", "/customers/recent", page_info=cursor).status == 400


@pytest.mark.parametrize(
    ("vendor", "path"), [("smile", "/points_settings"), ("yotpo", "/vip_tiers")]
)
def test_switch_window_style(vendor: str, path: str) -> None:
    desk = Desk(customers=5, limits_scale=1.0)
    for style in ("sliding", "fixed"):
        desk.switch(vendor, window_style=style)
        limiter = desk.sandbox.vendors[vendor]._limiters["default"]
        assert limiter.is_sliding == (style == "sliding")
        replies = [desk.ask(vendor, path) for _ in range(11)]
        assert [reply.status for reply in replies] == [200] * 10 + [429]
