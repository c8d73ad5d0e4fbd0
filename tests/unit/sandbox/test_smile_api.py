"""The Smile API of the sandbox against its published structure and each of its switches."""

import base64
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from sandbox_desk import NOW, Desk

from sandbox.shop.agenda import plus_days
from sandbox.shop.smile_catalogue import MILESTONES
from sandbox.smile.switches import SCOPES

SCHEMAS = orjson.loads((Path(__file__).parents[2] / "fixtures" / "smile_schemas.json").read_bytes())
CURSOR_LISTS = ("customers", "points_transactions", "reward_fulfillments", "earning_rules")


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A sandbox that the tests of this module only read."""
    return Desk(customers=700)


@pytest.fixture
def own() -> Desk:
    """A sandbox that a test may change."""
    return Desk(customers=150)


def assert_fits(name: str, value: Any) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]}
    jsonschema_rs.validate(schema, value)


@pytest.mark.parametrize(
    ("resource", "schema", "query"),
    [
        ("customers", "Customer", {"include": "vip_status"}),
        ("customers", "Customer", {}),
        ("points_transactions", "PointsTransaction", {}),
        ("reward_fulfillments", "RewardFulfillment", {}),
        ("earning_rules", "EarningRule", {}),
    ],
)
def test_every_row_of_a_cursor_list_has_the_published_structure(
    desk: Desk, resource: str, schema: str, query: dict[str, str]
) -> None:
    for page in desk.smile_pages(resource, limit=250, **query):
        assert set(page) == {resource, "metadata"}
        assert_fits("PaginationMetadata", page["metadata"])
        for row in page[resource]:
            assert_fits(schema, row)
            assert set(SCHEMAS["$defs"][schema]["properties"]) - set(row) <= {"vip_status"}


def test_the_other_resources_have_the_published_structure(desk: Desk) -> None:
    for row in desk.get("smile", "/points_products")["points_products"]:
        assert_fits("PointsProduct", row)
    for row in desk.get("smile", "/vip_tiers", include="perks,entry_rewards")["vip_tiers"]:
        assert_fits("VipTier", row)
        assert {"perks", "entry_rewards"} <= set(row)
    assert_fits("PointsSettings", desk.get("smile", "/points_settings")["points_settings"])


@pytest.mark.parametrize("limit", [1, 7, 250])
@pytest.mark.parametrize("resource", CURSOR_LISTS)
def test_paging_gives_each_row_once_newest_id_first(resource: str, limit: int) -> None:
    desk = Desk(customers=40)
    ids = [row["id"] for row in desk.smile_all(resource, limit=limit)]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == len(desk.smile_all(resource, limit=250))


def test_previous_cursors_lead_back_over_the_same_pages(desk: Desk) -> None:
    pages = list(desk.smile_pages("customers", limit=50))
    assert pages[0]["metadata"]["previous_cursor"] is None
    cursor = pages[-1]["metadata"]["previous_cursor"]
    back = desk.get("smile", "/customers", limit=50, cursor=cursor)
    assert back["customers"] == pages[-2]["customers"]


def test_a_page_holds_fifty_rows_unless_asked_otherwise(desk: Desk) -> None:
    assert len(desk.get("smile", "/customers")["customers"]) == 50


def test_the_cursor_reads_like_the_documented_sample(desk: Desk) -> None:
    page = desk.get("smile", "/customers", limit=2)
    text = base64.b64decode(page["metadata"]["next_cursor"]).decode()
    assert text == f"id:{page['customers'][-1]['id']},direction:next"


def test_points_products_are_paged_by_number_and_end_with_a_short_page(desk: Desk) -> None:
    pages = [
        desk.get("smile", "/points_products", page_size=4, page=page)["points_products"]
        for page in (1, 2, 3)
    ]
    assert [len(page) for page in pages] == [4, 2, 0]
    kinds = desk.get("smile", "/points_products", exchange_type="variable")["points_products"]
    assert [row["exchange_type"] for row in kinds] == ["variable"]


def test_tiers_come_by_milestone_and_their_objects_only_when_included(desk: Desk) -> None:
    tiers = desk.get("smile", "/vip_tiers")["vip_tiers"]
    assert [row["milestone"] for row in tiers] == list(MILESTONES["points"])
    assert set(tiers[0]) == {"id", "name", "image_url", "milestone"}


def test_filters_narrow_a_list(desk: Desk) -> None:
    customers = desk.smile_all("customers", limit=250)
    someone = next(row for row in customers if row["email"])
    found = desk.smile_all("customers", email=someone["email"])
    assert someone in found
    for state in ("candidate", "member", "disabled"):
        wanted = [row for row in customers if row["state"] == state]
        assert desk.smile_all("customers", state=state, limit=250) == wanted
    ledger = desk.smile_all("points_transactions", customer_id=someone["id"])
    assert sum(row["points_change"] for row in ledger) == someone["points_balance"]
    coupons = desk.smile_all("reward_fulfillments", limit=250)
    for field, value in (("fulfillment_status", "issued"), ("usage_status", "used")):
        wanted = [row for row in coupons if row[field] == value]
        assert desk.smile_all("reward_fulfillments", limit=250, **{field: value}) == wanted


@pytest.mark.parametrize("resource", ["customers", "points_transactions", "reward_fulfillments"])
def test_updated_at_min_takes_any_iso_8601_spelling(desk: Desk, resource: str) -> None:
    rows = desk.smile_all(resource, limit=250)
    since = plus_days(NOW, -30)
    wanted = [row["id"] for row in rows if row["updated_at"] > since]
    assert wanted
    for text in (since, "2026-10-22T06:00:00+00:00", "2026-10-22T08:00:00.000+02:00"):
        assert [
            row["id"] for row in desk.smile_all(resource, limit=250, updated_at_min=text)
        ] == wanted


def test_vip_numbers_are_consistent_with_the_tiers(desk: Desk) -> None:
    tiers = desk.get("smile", "/vip_tiers")["vip_tiers"]
    milestones = {row["id"]: row["milestone"] for row in tiers}
    rank = {row["id"]: position for position, row in enumerate(tiers)}
    for row in desk.smile_all("customers", limit=250, include="vip_status"):
        vip = row["vip_status"]
        assert row["vip_tier_id"] == vip["vip_tier_id"]
        if row["state"] != "member":
            assert set(vip.values()) == {None}
            continue
        following, missing = vip["next_vip_tier_id"], vip["delta_to_next_vip_tier"]
        current = rank.get(vip["vip_tier_id"], -1)
        assert (following is None) == (current == len(tiers) - 1)
        if following is not None:
            assert rank[following] == current + 1
            assert missing == milestones[following] - vip["progress_value"] > 0
        if vip["delta_to_retain_vip_tier"] is not None:
            kept = milestones[vip["vip_tier_id"]] - vip["progress_value"]
            assert vip["delta_to_retain_vip_tier"] == kept > 0
            assert vip["vip_tier_expires_at"] == vip["current_vip_period_end"]


def test_one_customer_may_be_read_with_the_tiers_themselves(desk: Desk) -> None:
    members = desk.smile_all("customers", state="member", limit=250)
    number = next(row["id"] for row in members if row["vip_tier_id"])
    include = "vip_status,vip_status.vip_tier,vip_status.next_vip_tier"
    row = desk.get("smile", f"/customers/{number}", include=include)["customer"]
    assert row["vip_status"]["vip_tier"]["id"] == row["vip_tier_id"]
    assert "vip_status" not in desk.get("smile", f"/customers/{number}")["customer"]


def test_single_reads_find_what_the_lists_show(desk: Desk) -> None:
    row = desk.get("smile", "/points_transactions", limit=1)["points_transactions"][0]
    found = desk.get("smile", f"/points_transactions/{row['id']}")
    assert found["points_transaction"] == row
    product = desk.get("smile", "/points_products")["points_products"][2]
    assert desk.get("smile", f"/points_products/{product['id']}")["points_product"] == product


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/customers", {"limit": 0}, 400),
        ("/customers", {"limit": 251}, 400),
        ("/customers", {"limit": "many"}, 400),
        ("/customers", {"cursor": "nonsense"}, 400),
        ("/customers", {"include": "orders"}, 400),
        ("/customers", {"state": "paused"}, 400),
        ("/customers", {"updated_at_min": "yesterday"}, 400),
        ("/points_transactions", {"customer_id": "x"}, 400),
        ("/points_products", {"page_size": 251}, 400),
        ("/points_products", {"page": 0}, 400),
        ("/customers/1", {}, 404),
        ("/customers/x", {}, 400),
        ("/points_transactions/1", {}, 404),
        ("/points_products/1", {}, 404),
        ("/activities", {}, 405),
    ],
)
def test_a_wrong_request_is_answered_with_the_error_object(
    desk: Desk, path: str, query: dict[str, Any], status: int
) -> None:
    reply = desk.ask("smile", path, **query)
    assert reply.status == status
    error = orjson.loads(reply.body)["error"]
    assert set(error) == {"message", "request_id"}
    assert len(error["request_id"]) == 36


def test_a_wrong_key_is_401_and_a_write_403(desk: Desk) -> None:
    assert desk.ask("smile", "/customers", headers=[]).status == 401
    wrong = [(b"authorization", b"Bearer api_wrong")]
    assert desk.ask("smile", "/customers", headers=wrong).status == 401
    assert desk.ask("smile", "/points_transactions", method="POST").status == 403


def test_the_eleventh_request_of_a_second_is_refused() -> None:
    desk = Desk(customers=5, limits_scale=1.0)
    replies = [desk.ask("smile", "/points_settings") for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    assert "retry-after" not in replies[-1].headers
    desk.switch("smile", retry_after_header=True)
    replies = [desk.ask("smile", "/points_settings") for _ in range(11)]
    assert replies[-1].headers["retry-after"] == "1"


def test_switch_page_size_out_of_range(own: Desk) -> None:
    own.switch("smile", page_size_out_of_range="clamp")
    assert len(own.get("smile", "/points_transactions", limit=9999)["points_transactions"]) == 250
    assert len(own.get("smile", "/customers", limit=0)["customers"]) == 1


def test_switch_malformed_cursor(own: Desk) -> None:
    own.switch("smile", malformed_cursor="first_page")
    first = own.get("smile", "/customers", limit=3)
    assert own.get("smile", "/customers", limit=3, cursor="%%%") == first


def test_switch_cursor_remembers_filters(own: Desk) -> None:
    for remembers in (False, True):
        own.switch("smile", cursor_remembers_filters=remembers)
        cursor = own.get("smile", "/customers", limit=1, state="candidate")["metadata"]
        page = own.get("smile", "/customers", limit=250, cursor=cursor["next_cursor"])
        states = {row["state"] for row in page["customers"]}
        assert (states == {"candidate"}) is remembers


def test_switch_end_cursor(own: Desk) -> None:
    own.switch("smile", end_cursor="empty")
    page = own.get("smile", "/earning_rules")
    assert page["metadata"] == {"next_cursor": "", "previous_cursor": ""}


def test_switch_updated_at_min(own: Desk) -> None:
    customers = own.smile_all("customers", limit=250)
    moment = max(row["updated_at"] for row in customers)
    newest = [row["id"] for row in customers if row["updated_at"] == moment]
    assert own.smile_all("customers", updated_at_min=moment) == []
    ledger = max(row["updated_at"] for row in own.smile_all("points_transactions", limit=250))
    assert own.smile_all("points_transactions", updated_at_min=ledger)
    own.switch("smile", updated_at_min="inclusive")
    assert [row["id"] for row in own.smile_all("customers", updated_at_min=moment)] == newest


def test_switch_absent_include(own: Desk) -> None:
    own.switch("smile", absent_include="null")
    assert own.get("smile", "/customers")["customers"][0]["vip_status"] is None
    tier = own.get("smile", "/vip_tiers")["vip_tiers"][0]
    assert tier["perks"] is None
    assert tier["entry_rewards"] is None


def test_switch_vip_status_without_tier(own: Desk) -> None:
    own.switch("smile", vip_status_without_tier="null")
    rows = own.smile_all("customers", include="vip_status", limit=250)
    assert all((row["vip_status"] is None) == (row["vip_tier_id"] is None) for row in rows)


@pytest.mark.parametrize("scope", SCOPES)
def test_switch_missing_scope(own: Desk, scope: str) -> None:
    own.switch("smile", missing_scope=scope)
    paths = {
        "customer:read": "/customers",
        "points_transaction:read": "/points_transactions",
        "reward_fulfillment:read": "/reward_fulfillments",
        "points_product:read": "/points_products",
        "vip_tier:read": "/vip_tiers",
        "earning_rule:read": "/earning_rules",
        "points_settings:read": "/points_settings",
    }
    refused = [name for name, path in paths.items() if own.ask("smile", path).status == 403]
    assert refused == [scope]


def test_switch_customer_without_email() -> None:
    desk = Desk(customers=700)
    without = [row["id"] for row in desk.smile_all("customers", limit=250) if row["email"] is None]
    assert without
    desk.switch("smile", customer_without_email="empty")
    rows = desk.smile_all("customers", limit=250)
    assert [row["id"] for row in rows if row["email"] == ""] == without


def test_switch_customer_id_type(own: Desk) -> None:
    own.switch("smile", customer_id_type="string")
    for resource in ("points_transactions", "reward_fulfillments"):
        row = own.get("smile", f"/{resource}")[resource][0]
        assert row["customer_id"].isdigit()
        assert own.smile_all(resource, customer_id=row["customer_id"])


def test_switch_unknown_state(own: Desk) -> None:
    own.switch("smile", unknown_state="one")
    states = [row["state"] for row in own.smile_all("customers", limit=250)]
    assert states.count("paused") == 1


@pytest.mark.parametrize(("habit", "rows_stay"), [("rows_stay", True), ("rows_disappear", False)])
def test_switch_deleted_customer(own: Desk, habit: str, rows_stay: bool) -> None:
    own.switch("smile", deleted_customer=habit)
    number = own.get("smile", "/points_transactions")["points_transactions"][0]["customer_id"]
    own.control("DELETE", f"/smile/customers/{number}")
    assert number not in [row["id"] for row in own.smile_all("customers", limit=250)]
    assert own.ask("smile", f"/customers/{number}").status == 404
    assert bool(own.smile_all("points_transactions", customer_id=number)) is rows_stay


def test_switch_tier_basis(own: Desk) -> None:
    own.switch("smile", tier_basis="amount")
    tiers = own.get("smile", "/vip_tiers")["vip_tiers"]
    assert [row["milestone"] for row in tiers] == list(MILESTONES["amount"])
    rows = own.smile_all("customers", include="vip_status", limit=250, state="member")
    assert any(row["vip_status"]["progress_value"] % 1 for row in rows)


def test_switch_vip_timeframe(own: Desk) -> None:
    own.switch("smile", vip_timeframe="lifetime")
    for row in own.smile_all("customers", include="vip_status", limit=250, state="member"):
        vip = row["vip_status"]
        assert vip["vip_tier_expires_at"] is vip["current_vip_period_end"] is None
        assert vip["delta_to_retain_vip_tier"] is None


def test_switch_vip_programme(own: Desk) -> None:
    own.switch("smile", vip_programme="off")
    assert own.get("smile", "/vip_tiers") == {"vip_tiers": []}
    rows = own.smile_all("customers", include="vip_status", limit=250)
    assert all(row["vip_tier_id"] is None for row in rows)
    assert all(set(row["vip_status"].values()) == {None} for row in rows)


def test_switch_points_programme(own: Desk) -> None:
    own.switch("smile", points_programme="none")
    assert own.ask("smile", "/points_settings").status == 404


def test_switch_updated_at_moves_with_points(own: Desk) -> None:
    own.switch("smile", updated_at_moves_with_points=False)
    rows = own.smile_all("customers", limit=250)
    assert sum(row["updated_at"] > plus_days(NOW, -300) for row in rows) < len(rows) / 4


def test_switch_description_language(own: Desk) -> None:
    own.switch("smile", description_language="sv")
    texts = {row["description"] for row in own.smile_all("points_transactions", limit=250)}
    assert "La en beställning" in texts
    assert any(text.startswith("Använde poäng på belöning - ") for text in texts)


def test_switch_points_products_order(own: Desk) -> None:
    own.switch("smile", points_products_order="id_descending")
    ids = [row["id"] for row in own.get("smile", "/points_products")["points_products"]]
    assert ids == sorted(ids, reverse=True)


def test_switch_variable_points_max(own: Desk) -> None:
    own.switch("smile", variable_points_max="null")
    rows = own.get("smile", "/points_products", exchange_type="variable")["points_products"]
    assert rows[0]["variable_points_max"] is None


def test_switch_points_expiry_days() -> None:
    never, soon = Desk(customers=300), Desk(customers=300)
    never.switch("smile", points_expiry_days=0)
    before = sum(row.kind == "expire" for row in never.shop.smile.transactions)
    never.advance(40)
    assert sum(row.kind == "expire" for row in never.shop.smile.transactions) == before
    soon.advance(40)
    assert sum(row.kind == "expire" for row in soon.shop.smile.transactions) > before


def test_page_drift_shows_new_rows_and_keeps_the_rest_of_the_walk(own: Desk) -> None:
    known = {row["id"] for row in own.smile_all("customers", limit=250)}
    own.control("PUT", "/faults/smile", {"page_drift": {"next": 2}})
    walked = [row["id"] for row in own.smile_all("customers", limit=20)]
    assert set(walked) == known
    assert len(own.smile_all("customers", limit=250)) == len(known) + 2


def test_a_page_is_kept_until_something_changes(own: Desk) -> None:
    first = own.ask("smile", "/customers", limit=5)
    assert own.ask("smile", "/customers", limit=5) is first
    own.control("PATCH", f"/smile/customers/{orjson.loads(first.body)['customers'][0]['id']}", {})
    assert own.ask("smile", "/customers", limit=5) is not first


def test_a_member_changed_by_hand_shows_it_everywhere(own: Desk) -> None:
    added = own.control("POST", "/smile/customers/ada@mail.loyalty-sandbox.dev", {})
    path = f"/smile/customers/{added['id']}"
    changed = own.control("PATCH", path, {"points_balance": 500, "points_earned": 2000})
    assert changed["ledger_points"] == 500
    assert changed["tier"] == "Gold"
    own.control("POST", f"{path}/coupons", {"expires_at": "2026-12-24T00:00:00Z"})
    coupons = own.smile_all("reward_fulfillments", customer_id=added["id"])
    assert coupons[0]["expires_at"] == "2026-12-24T00:00:00.000Z"
    row = own.smile_all("customers", email="ada@mail.loyalty-sandbox.dev")[0]
    assert (row["points_balance"], row["updated_at"]) == (500, NOW)


def test_catalogue_rows_can_be_changed_and_ended(own: Desk) -> None:
    own.control("PATCH", "/smile/points_products/132456911", {"points_price": 400})
    own.control("DELETE", "/smile/points_products/132456938")
    own.control("PATCH", "/smile/vip_tiers/426715790", {"milestone": 100})
    prices = [
        row["points_price"] for row in own.get("smile", "/points_products")["points_products"]
    ]
    assert prices == [400, 750, None, 1000, 1800]
    assert own.get("smile", "/vip_tiers")["vip_tiers"][0]["milestone"] == 100.0
    own.advance(3)
