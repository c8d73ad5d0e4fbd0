"""The Yotpo API of the sandbox: shapes, vanishing keys, and each of its switches."""

import re
from typing import Any

import orjson
import pytest
from sandbox_desk import NOW, Desk

from sandbox.credentials import YOTPO_API_KEY, YOTPO_GUID
from sandbox.shop.yotpo_catalogue import TIERS

RECENT_FIELDS = {
    "email", "first_name", "last_name", "phone_number", "points_balance", "points_earned",
    "points_expire_at", "perks_redeemed", "total_purchases", "total_spend_cents",
    "last_purchase_at", "last_seen_at", "third_party_id", "thirty_party_id", "pos_account_id",
    "has_store_account", "opt_in", "opted_in_at", "birth_day", "birthday_month", "vip_tier_name",
    "vip_tier_entry_date", "vip_tier_expiration", "vip_tier_actions_completed",
    "vip_tier_maintenance_requirements", "vip_tier_upgrade_requirements",
}  # fmt: skip
VANISHING = {
    "birth_day", "birthday_month", "vip_tier_name", "vip_tier_entry_date", "vip_tier_expiration",
    "vip_tier_maintenance_requirements",
}  # fmt: skip


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A sandbox that the tests of this module only read."""
    return Desk(customers=900)


@pytest.fixture
def own() -> Desk:
    """A sandbox that a test may change."""
    return Desk(customers=200)


def one(desk: Desk, email: str, **query: Any) -> Any:
    return desk.get("yotpo", "/customers", customer_email=email, **query)


def detailed(desk: Desk) -> list[Any]:
    query = {"with_history": "true", "with_referral_code": "true"}
    return [one(desk, row["email"], **query) for row in desk.yotpo_all(per_page=250)]


def test_the_bulk_list_has_the_listed_fields_and_unset_keys_vanish(desk: Desk) -> None:
    rows = desk.yotpo_all(per_page=250)
    assert set().union(*rows) == RECENT_FIELDS
    for row in rows:
        assert RECENT_FIELDS - set(row) <= VANISHING
        assert None not in {row.get(name, 0) for name in VANISHING - {
            "vip_tier_maintenance_requirements"}}  # fmt: skip
        assert row["third_party_id"] == row["thirty_party_id"]
        assert ("vip_tier_name" in row) == row["opt_in"]
    assert any("birth_day" not in row for row in rows)


@pytest.mark.parametrize("per_page", [1, 13, 100, 250])
def test_walking_the_bulk_list_gives_everybody_once(per_page: int) -> None:
    desk = Desk(customers=120)
    emails = [row["email"].lower() for row in desk.yotpo_all(per_page=per_page)]
    assert sorted(emails) == sorted(desk.shop.yotpo.members)


@pytest.mark.parametrize("sort", ["last_seen_descending", "last_seen_ascending", "email"])
def test_switch_recent_sort(own: Desk, sort: str) -> None:
    own.switch("yotpo", recent_sort=sort)
    rows = own.yotpo_all(per_page=9)
    assert len({row["email"] for row in rows}) == len(rows) == len(own.shop.yotpo.members)
    key = "email" if sort == "email" else "last_seen_at"
    values = [row[key].lower() for row in rows]
    assert values == sorted(values, reverse=sort == "last_seen_descending")


def test_the_balance_is_the_sum_of_what_counts_in_the_history(desk: Desk) -> None:
    for row in detailed(desk):
        items = row["history_items"]
        counted = sum(
            item["points"]
            for item in items
            if item["status"] not in ("Pending", "Reversed") and not item["status"].endswith("%")
        )
        assert counted == row["points_balance"], row["third_party_id"]
        moments = [item["created_at"] for item in items]
        assert moments == sorted(moments, reverse=True)
        assert all(item["created_at"] <= NOW for item in items)


def test_tier_requirements_fit_the_thresholds_and_the_counters(desk: Desk) -> None:
    names = [tier.name for tier in TIERS]
    for row in detailed(desk):
        done, upgrade = row["vip_tier_actions_completed"], row["vip_tier_upgrade_requirements"]
        if not row["opt_in"]:
            assert not any(upgrade.values())
            assert "vip_tier_name" not in row
            continue
        position = names.index(row["vip_tier_name"])
        maintain = row["vip_tier_maintenance_requirements"]
        retain = TIERS[position].retain
        missing = max(0, retain.amount_spent_cents - done["amount_spent_cents"])
        assert maintain["amount_cents_needed"] == missing
        if position + 1 < len(TIERS):
            entry = TIERS[position + 1].entry
            cents = max(0, entry.amount_spent_cents - done["amount_spent_cents"])
            purchases = max(0, entry.purchases_made - done["purchases_made"])
            assert (upgrade["amount_cents_needed"], upgrade["purchases_needed"]) == (
                cents,
                purchases,
            )
            assert cents or purchases
        else:
            assert not upgrade["amount_cents_needed"]


def test_a_single_customer_is_a_bare_object_found_by_any_identifier(desk: Desk) -> None:
    rows = desk.yotpo_all(per_page=250)
    row = next(row for row in rows if row["third_party_id"] and row["phone_number"])
    found = one(desk, row["email"])
    assert found["email"] == row["email"]
    assert one(desk, f" {row['email'].upper()} ") == found
    assert desk.get("yotpo", "/customers", customer_id=row["third_party_id"]) == found
    assert desk.get("yotpo", "/customers", phone_number=row["phone_number"]) == found
    assert {"history_items", "referral_code", "referral_link"}.isdisjoint(found)
    assert found["credit_balance"].startswith("$")


def test_an_unknown_customer_is_404_and_none_named_400(desk: Desk) -> None:
    nobody = desk.ask("yotpo", "/customers", customer_email="nobody@mail.loyalty-sandbox.dev")
    assert nobody.status == 404
    assert desk.ask("yotpo", "/customers", customer_id="1").status == 404
    assert desk.ask("yotpo", "/customers").status == 400


def test_keys_travel_in_headers_or_in_the_query_and_wrong_ones_are_401(desk: Desk) -> None:
    path = "/vip_tiers"
    query = {"guid": YOTPO_GUID, "api_key": YOTPO_API_KEY}
    assert desk.ask("yotpo", path, headers=[], **query).status == 200
    assert desk.ask("yotpo", path, headers=[]).status == 401
    assert desk.ask("yotpo", path, headers=[(b"x-guid", YOTPO_GUID.encode())]).status == 401


def test_every_discount_type_is_on_offer_and_the_list_can_be_narrowed(desk: Desk) -> None:
    options = desk.get("yotpo", "/redemption_options")
    kinds = {row["discount_type"] for row in options}
    assert kinds == {
        "fixed_amount", "percentage", "variable", "shipping", "product", "custom", "donation",
    }  # fmt: skip
    for kind in kinds:
        rows = desk.get("yotpo", "/redemption_options", discount_type=kind)
        assert rows == [row for row in options if row["discount_type"] == kind]
    assert any(row["amount"] == 0 for row in options)
    with_variant = [row for row in options if "variant_id" in row]
    assert [row["discount_type"] for row in with_variant] == ["product"]
    assert desk.get("yotpo", "/redemption_options", is_offline="true") == []
    email = desk.yotpo_all(per_page=250)[0]["email"]
    reach = desk.get("yotpo", "/redemption_options", customer_email=email)
    assert all(row["amount"] <= one(desk, email)["points_balance"] for row in reach)


def test_campaigns_and_tiers_are_bare_lists(desk: Desk) -> None:
    campaigns = desk.get("yotpo", "/campaigns")
    assert {row["type"] for row in campaigns} >= {"SpendBasedCampaign", "ReferralCampaign"}
    email = desk.yotpo_all(per_page=250)[0]["email"]
    with_status = desk.get("yotpo", "/campaigns", with_status="true", customer_email=email)
    assert all("status" in row for row in with_status)
    assert [row["name"] for row in desk.get("yotpo", "/vip_tiers")] == [one.name for one in TIERS]


def test_every_answer_tells_what_is_left_of_both_windows() -> None:
    desk = Desk(customers=10, limits_scale=1.0)
    replies = [desk.ask("yotpo", "/vip_tiers") for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    first, last = replies[0].headers, replies[-1].headers
    assert (first["ratelimit-limit"], first["ratelimit-remaining"]) == ("10", "9")
    assert first["x-ratelimit-limit-minute"] == "600"
    assert first["x-ratelimit-remaining-minute"] == "599"
    assert last["ratelimit-remaining"] == "0"
    assert last["ratelimit-reset"] == "1"


def test_switches_of_the_limits() -> None:
    desk = Desk(customers=10, limits_scale=1.0)
    desk.switch("yotpo", requests_per_second=5, retry_after_header=True)
    replies = [desk.ask("yotpo", "/vip_tiers") for _ in range(6)]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert replies[-1].headers["retry-after"] == "1"
    desk.switch("yotpo", minute_quota=3)
    replies = [desk.ask("yotpo", "/vip_tiers") for _ in range(4)]
    assert [reply.status for reply in replies] == [200] * 3 + [429]
    assert int(replies[-1].headers["retry-after"]) > 50


def test_switch_recent_list_key(own: Desk) -> None:
    own.switch("yotpo", recent_list_key="bare")
    assert len(own.get("yotpo", "/customers/recent")) == len(own.shop.yotpo.members)


def test_switch_recent_cursor_key(own: Desk) -> None:
    own.switch("yotpo", recent_cursor_key="next_page_info")
    page = own.get("yotpo", "/customers/recent", per_page=2)
    assert page["next_page_info"]
    assert "metadata" not in page


@pytest.mark.parametrize(
    ("habit", "metadata"),
    [("null", {"next_page_info": None}), ("empty", {"next_page_info": ""}), ("absent", {})],
)
def test_switch_recent_end(own: Desk, habit: str, metadata: Any) -> None:
    own.switch("yotpo", recent_end=habit)
    assert own.get("yotpo", "/customers/recent", per_page=250)["metadata"] == metadata


def test_switches_of_the_page_size(own: Desk) -> None:
    assert len(own.get("yotpo", "/customers/recent")["customers"]) == 50
    own.switch("yotpo", recent_default_per_page=7, recent_max_per_page=20)
    assert len(own.get("yotpo", "/customers/recent")["customers"]) == 7
    assert len(own.get("yotpo", "/customers/recent", per_page=100)["customers"]) == 20
    own.switch("yotpo", per_page_too_large="error")
    assert own.ask("yotpo", "/customers/recent", per_page=21).status == 400


def test_switch_cursor_keeps_per_page(own: Desk) -> None:
    for keeps, expected in ((False, 50), (True, 3)):
        own.switch("yotpo", cursor_keeps_per_page=keeps)
        cursor = own.get("yotpo", "/customers/recent", per_page=3)["metadata"]["next_page_info"]
        page = own.get("yotpo", "/customers/recent", page_info=cursor)
        assert len(page["customers"]) == expected


def test_switch_malformed_cursor(own: Desk) -> None:
    assert own.ask("yotpo", "/customers/recent", page_info="nonsense").status == 400
    own.switch("yotpo", malformed_cursor="first_page")
    first = own.get("yotpo", "/customers/recent")
    assert own.get("yotpo", "/customers/recent", page_info="nonsense") == first


def test_switch_recent_updated_filter(own: Desk) -> None:
    since = "2026-11-01T00:00:00Z"
    everybody = own.get("yotpo", "/customers/recent", per_page=250, updated_since=since)
    assert len(everybody["customers"]) == len(own.shop.yotpo.members)
    own.switch("yotpo", recent_updated_filter="updated_since")
    some = own.get("yotpo", "/customers/recent", per_page=250, updated_since=since)["customers"]
    assert 0 < len(some) < len(own.shop.yotpo.members)
    assert all(row["last_seen_at"] >= since[:19] for row in some)


def test_switch_recent_window_days(own: Desk) -> None:
    own.switch("yotpo", recent_window_days=30)
    rows = own.yotpo_all(per_page=250)
    assert 0 < len(rows) < len(own.shop.yotpo.members)
    assert min(row["last_seen_at"] for row in rows) >= "2026-10-22T06:00:00.000Z"


def test_switch_customers_all(own: Desk) -> None:
    assert own.ask("yotpo", "/customers/all").status == 404
    own.switch("yotpo", customers_all="on")
    first = own.get("yotpo", "/customers/all", per_page=20)
    pages = [
        own.get("yotpo", "/customers/all", per_page=20, page=page)["customers"]
        for page in range(1, first["links"]["total_pages"] + 1)
    ]
    emails = [row["email"] for page in pages for row in page]
    assert len(set(emails)) == len(emails) == len(own.shop.yotpo.members)
    recent = own.get("yotpo", "/customers/all", last_seen_at="2026-11-01", per_page=999)
    assert len(recent["customers"]) < len(emails)
    own.switch("yotpo", customers_all="without_links")
    assert set(own.get("yotpo", "/customers/all")) == {"customers"}


@pytest.mark.parametrize(
    ("style", "body"),
    [
        ("message", b'{"message":"Could not find customer"}'),
        ("errors", b'{"errors":["Could not find customer"]}'),
        ("empty", b""),
        ("text", b"Could not find customer"),
    ],
)
def test_switch_error_body(own: Desk, style: str, body: bytes) -> None:
    own.switch("yotpo", error_body=style)
    assert own.ask("yotpo", "/customers", customer_email="nobody").body == body


def test_switch_unknown_customer(own: Desk) -> None:
    own.switch("yotpo", unknown_customer=400)
    assert own.ask("yotpo", "/customers", customer_email="nobody").status == 400


def test_switch_referral_program() -> None:
    desk = Desk(customers=700)
    legacy = [row["referral_code"] for row in detailed(desk)]
    friends = [friend for row in legacy for friend in row["completed_referral_customers"]]
    assert friends
    assert set(friends[0]) == {
        "email", "first_name", "last_name", "referral_points_contributed", "last_seen_at",
    }  # fmt: skip
    desk.switch("yotpo", referral_program="link")
    email = desk.yotpo_all()[0]["email"]
    row = one(desk, email, with_referral_code="true")
    assert "referral_code" not in row
    assert row["referral_link"]["link"].startswith("rwrd.io/")
    assert isinstance(row["referral_link"]["customer_id"], int)
    desk.switch("yotpo", referral_link_key="referal_link")
    assert "referal_link" in one(desk, email, with_referral_code="true")


def test_switch_points_method(own: Desk) -> None:
    richest = max(own.shop.yotpo.members.values(), key=lambda member: member.points_balance)
    row = one(own, richest.email)
    assert row["points_expire_at"] > NOW
    assert "next_points_expire_on" not in row
    own.switch("yotpo", points_method="date_earned")
    row = one(own, richest.email)
    assert row["points_expire_at"][:10] == row["next_points_expire_on"]
    assert 0 < row["next_points_expire_amount"] <= row["points_balance"]
    own.advance(2)
    for member in own.shop.yotpo.members.values():
        counted = sum(item.points for item in member.history if item.counts)
        assert member.points_balance == counted
    own.switch("yotpo", points_method="never")
    assert one(own, richest.email)["points_expire_at"] is None
    before = sum(
        item.action == "Points Expired"
        for member in own.shop.yotpo.members.values()
        for item in member.history
    )
    own.advance(20)
    after = sum(
        item.action == "Points Expired"
        for member in own.shop.yotpo.members.values()
        for item in member.history
    )
    assert after == before


def test_switch_tier_term(own: Desk) -> None:
    own.switch("yotpo", tier_term="calendar_year")
    ends = {row.get("vip_tier_expiration", "")[4:] for row in own.yotpo_all(per_page=250)}
    assert ends == {"", "-12-31T23:59:59.999Z"}
    own.advance(3)
    own.switch("yotpo", tier_term="lifetime")
    assert not any("vip_tier_expiration" in row for row in own.yotpo_all(per_page=250))
    own.advance(3)
    own.switch("yotpo", tier_term="rolling_year")
    now = own.control("GET", "/")["now"][:19]
    for row in own.yotpo_all(per_page=250):
        assert row.get("vip_tier_expiration", "9999") > now


def test_switch_requirement_mode(own: Desk) -> None:
    own.switch("yotpo", requirement_mode="all_requirements")
    tier = own.get("yotpo", "/vip_tiers")[2]
    assert tier["entry_threshold"]["requirement_mode"] == "all_requirements"


def test_switch_empty_keys(own: Desk) -> None:
    own.switch("yotpo", empty_keys="null")
    rows = own.yotpo_all(per_page=250)
    assert all(set(row) == RECENT_FIELDS for row in rows)
    assert any(row["vip_tier_name"] is None for row in rows)


def test_switches_of_types(own: Desk) -> None:
    assert own.get("yotpo", "/vip_tiers")[1]["points_multiplier"] == "1.25"
    own.switch(
        "yotpo",
        points_multiplier_type="number",
        option_amount_type="string",
        order_ids_type="integer",
    )
    assert own.get("yotpo", "/vip_tiers")[1]["points_multiplier"] == 1.25
    assert own.get("yotpo", "/redemption_options")[0]["amount"] == "150"
    orders = [item["order_ids"] for row in detailed(own) for item in row["history_items"]]
    assert any(orders)
    assert all(isinstance(order, int) for ids in orders for order in ids)


@pytest.mark.parametrize(
    ("style", "pattern"),
    [
        ("milliseconds", r"\.\d{3}Z$"),
        ("seconds", r":\d\dZ$"),
        ("naive", r"T\d\d:\d\d:\d\d$"),
        ("microseconds", r"\.\d{6}$"),
        ("offset", r"\.\d{3}\+02:00$"),
    ],
)
def test_switch_tier_date_format(own: Desk, style: str, pattern: str) -> None:
    own.switch("yotpo", tier_date_format=style)
    dates = [row["vip_tier_entry_date"] for row in own.yotpo_all() if row["opt_in"]]
    assert all(re.search(pattern, one) for one in dates)


def test_switches_of_the_history(own: Desk) -> None:
    email = max(own.shop.yotpo.members.values(), key=lambda member: len(member.history)).email
    newest_first = one(own, email, with_history="true")["history_items"]
    own.switch("yotpo", history_order="oldest_first", with_history_default=True)
    moments = [item["created_at"] for item in one(own, email)["history_items"]]
    assert moments == sorted(item["created_at"] for item in newest_first)
    assert "history_items" not in one(own, email, with_history="false")


def test_switch_vip_tiers_wrapper(own: Desk) -> None:
    own.switch("yotpo", vip_tiers_wrapper="vip_tiers")
    assert set(own.get("yotpo", "/vip_tiers")) == {"vip_tiers"}


def test_a_locked_record_answers_423(own: Desk) -> None:
    own.control("PUT", "/faults/yotpo", {"locked": {"next": 1}})
    email = own.yotpo_all()[0]["email"]
    assert own.ask("yotpo", "/customers", customer_email=email).status == 423
    assert own.ask("yotpo", "/customers", customer_email=email).status == 200


def test_page_drift_moves_somebody_to_the_head_of_the_list(own: Desk) -> None:
    before = len(own.shop.yotpo.members)
    own.control("PUT", "/faults/yotpo", {"page_drift": {"next": 1}})
    own.yotpo_all(per_page=20)
    rows = own.yotpo_all(per_page=20)
    assert len(rows) == before + 1
    assert rows[0]["last_seen_at"] == NOW


def test_a_member_changed_by_hand_shows_it_everywhere(own: Desk) -> None:
    email = "ada@mail.loyalty-sandbox.dev"
    added = own.control("POST", f"/yotpo/customers/{email}", {"points_balance": 150})
    assert (added["points_balance"], added["ledger_points"], added["tier"]) == (150, 150, "Member")
    changed = own.control("PATCH", f"/yotpo/customers/{email}", {"tier_amount_spent_cents": 10_000})
    assert changed["tier"] == "Insider"
    assert own.yotpo_all()[0]["email"] == email
    own.control("PATCH", f"/yotpo/customers/{email}", {"opt_in": False})
    row = one(own, email, with_history="true")
    assert (row["opt_in"], row["points_balance"]) == (False, 0)
    own.control("DELETE", f"/yotpo/customers/{email}")
    assert own.ask("yotpo", "/customers", customer_email=email).status == 404


def test_catalogue_rows_can_be_changed_and_ended(own: Desk) -> None:
    own.control("DELETE", "/yotpo/redemption_options/123451")
    own.control("PATCH", "/yotpo/campaigns/12305", {"ends_at": "2026-11-20"})
    ids = [row["id"] for row in own.get("yotpo", "/redemption_options")]
    assert 123451 not in ids
    assert 12305 not in [row["id"] for row in own.get("yotpo", "/campaigns")]
    own.advance(3)


def test_everything_is_json_that_parses(desk: Desk) -> None:
    for path in ("/customers/recent", "/redemption_options", "/campaigns", "/vip_tiers"):
        orjson.loads(desk.ask("yotpo", path).body)


def anniversaries(desk: Desk) -> dict[str, Any]:
    replies = {
        row["email"]: desk.ask("yotpo", "/customer_anniversary", customer_email=row["email"])
        for row in desk.yotpo_all(per_page=250)
    }
    assert {reply.status for reply in replies.values()} == {200, 404}
    return {
        email: orjson.loads(reply.body) for email, reply in replies.items() if reply.status == 200
    }


def test_some_customers_have_an_anniversary_and_the_year_may_be_missing(desk: Desk) -> None:
    found = anniversaries(desk)
    joined = {row["email"]: row["opted_in_at"] for row in desk.yotpo_all(per_page=250)}
    assert 0.1 < len(found) / len(joined) < 0.4
    assert {row["year"] is None for row in found.values()} == {True, False}
    for email, row in found.items():
        assert set(row) == {"day", "month", "year"}
        year, month, day = (int(part) for part in joined[email].split("-"))
        assert (row["month"], row["day"]) == (month, day)
        assert row["year"] in (year, None)


def test_an_anniversary_of_nobody_is_404_and_one_without_e_mail_400(desk: Desk) -> None:
    path = "/customer_anniversary"
    assert desk.ask("yotpo", path, customer_email="nobody@mail.dev").status == 404
    assert desk.ask("yotpo", path).status == 400
    assert desk.ask("yotpo", path, body=b"{").status == 400
    assert desk.ask("yotpo", path, body=b"[]").status == 400


@pytest.mark.parametrize(
    ("place", "by_query", "by_body"), [("both", 200, 200), ("query", 200, 400), ("body", 400, 200)]
)
def test_switch_anniversary_parameter(own: Desk, place: str, by_query: int, by_body: int) -> None:
    email = next(iter(anniversaries(own)))
    own.switch("yotpo", anniversary_parameter=place)
    body = orjson.dumps({"customer_email": email})
    asked = own.ask("yotpo", "/customer_anniversary", customer_email=email)
    assert asked.status == by_query
    assert own.ask("yotpo", "/customer_anniversary", body=body).status == by_body
