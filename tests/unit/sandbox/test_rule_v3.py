"""v3: create, tags of one and of many, block, suppressions; what happens at once, what later."""

from typing import Any

import pytest
from rule_account import SUBSCRIBERS, V3, RuleAccount, person

ANNA = [{"email": "anna@shop.se"}]
V2_SUPPRESSIONS = "/api/v2/suppressions"
V3_SUPPRESSIONS = "/api/v3/suppressions/"


@pytest.fixture
def rule() -> RuleAccount:
    account = RuleAccount()
    account.create(person("anna@shop.se"))
    return account


def test_create_answers_with_data_and_says_phone(rule: RuleAccount) -> None:
    body = {"email": "eva@shop.se", "phone_number": "+46701234567", "custom_identifier": "c1"}
    response = rule.post(V3, {**body, "status": "PENDING"})
    assert response.status_code == 201
    data = response.json()["data"]
    assert data["phone"] == "+46701234567"
    assert data["status"] == "PENDING"
    assert {"id", "email", "custom_identifier", "account_id", "created_at", "language"} <= set(data)


def test_create_without_an_identifier_is_422(rule: RuleAccount) -> None:
    response = rule.post(V3, {"language": "sv"})
    assert response.status_code == 422
    assert response.json()["errors"] == {"email": ["The email field is required."]}
    assert rule.post(V3, {"email": "bad"}).status_code == 422
    assert rule.post(V3, {"email": "eva@shop.se", "status": "HAPPY"}).status_code == 422


@pytest.mark.parametrize(
    ("position", "status", "language"),
    [("conflict", 409, "en"), ("invalid", 422, "en"), ("updated", 200, "sv")],
)
def test_create_of_a_known_person(
    rule: RuleAccount, position: str, status: int, language: str
) -> None:
    rule.switch(v3_create_existing=position)
    assert rule.post(V3, {"email": "anna@shop.se", "language": "sv"}).status_code == status
    assert rule.stored("anna@shop.se")["language"] == language


def test_delete_is_204_and_then_404(rule: RuleAccount) -> None:
    response = rule.delete(f"{V3}/anna@shop.se?identified_by=email")
    assert response.status_code == 204
    assert response.content == b""
    assert rule.delete(f"{V3}/anna@shop.se").status_code == 404


def test_tags_of_one_are_set_at_once_and_start_nothing(rule: RuleAccount) -> None:
    rule.switch(async_seconds=60.0)
    response = rule.put(f"{V3}/anna@shop.se/tags?identified_by=email", {"tags": ["x"]})
    assert response.status_code == 204
    assert response.content == b""
    tags = rule.get(f"{SUBSCRIBERS}/anna@shop.se/tags").json()["tags"]
    assert [tag["name"] for tag in tags] == ["x"]
    assert rule.started() == []


@pytest.mark.parametrize("automation", ["send", "force", "reset"])
def test_any_automation_value_unblocks(rule: RuleAccount, automation: str) -> None:
    rule.control("PATCH", "/rule/subscribers/anna@shop.se", {"status": "BLOCKED"})
    rule.put(f"{V3}/anna@shop.se/tags", {"tags": ["x"]})
    rule.put(f"{V3}/anna@shop.se/tags", {"tags": ["x"], "automation": None})
    assert rule.stored("anna@shop.se")["status"] == "BLOCKED"
    rule.put(f"{V3}/anna@shop.se/tags", {"tags": ["x"], "automation": automation})
    assert rule.stored("anna@shop.se")["status"] == "ACTIVE"


def test_a_tag_call_is_refused_as_v3_does(rule: RuleAccount) -> None:
    path = f"{V3}/anna@shop.se/tags"
    assert rule.put(path, {"tags": []}).status_code == 422
    assert rule.put(path, {"tags": ["x"], "automation": "later"}).status_code == 422
    assert rule.put(path, {"tags": ["500"]}).status_code == 404
    assert rule.put(f"{V3}/nobody@shop.se/tags", {"tags": ["x"]}).status_code == 404


def test_one_tag_is_removed_at_once(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["x"])
    assert rule.delete(f"{V3}/anna@shop.se/tags/x").status_code == 204
    assert rule.stored("anna@shop.se")["tags"] == []
    assert rule.delete(f"{V3}/anna@shop.se/tags/x").status_code == 404


def test_tags_of_many_are_set_and_removed_later(rule: RuleAccount) -> None:
    rule.switch(async_seconds=60.0)
    body = {"subscribers": [*ANNA, {"email": "nobody@shop.se"}], "tags": ["x", "y"]}
    response = rule.post(f"{V3}/tags", body)
    assert response.status_code == 204
    assert rule.get(f"{SUBSCRIBERS}/anna@shop.se/tags").json()["tags"] == []
    assert rule.stored("anna@shop.se")["tags"] == ["x", "y"]
    assert rule.delete(f"{V3}/tags", {"subscribers": ANNA, "tags": ["x", "z"]}).status_code == 204
    assert len(rule.get(f"{SUBSCRIBERS}/anna@shop.se/tags").json()["tags"]) == 2
    assert rule.stored("anna@shop.se")["tags"] == ["y"]


@pytest.mark.parametrize(
    ("position", "started", "status"),
    [("ignored", [], "BLOCKED"), ("applied", [("x", "send")], "ACTIVE")],
)
def test_automation_of_the_bulk_tag_call(
    rule: RuleAccount, position: str, started: list[tuple[str, str]], status: str
) -> None:
    rule.switch(bulk_tags_automation=position)
    rule.control("PATCH", "/rule/subscribers/anna@shop.se", {"status": "BLOCKED"})
    rule.post(f"{V3}/tags", {"subscribers": ANNA, "tags": ["x"], "automation": "send"})
    assert rule.started() == started
    assert rule.stored("anna@shop.se")["status"] == status


def test_people_are_blocked_and_unblocked(rule: RuleAccount) -> None:
    assert rule.post(f"{V3}/block", {"subscribers": ANNA}).status_code == 204
    assert rule.stored("anna@shop.se")["status"] == "BLOCKED"
    assert rule.post(f"{V3}/unblock", {"subscribers": ANNA}).status_code == 204
    assert rule.stored("anna@shop.se")["status"] == "ACTIVE"


@pytest.mark.parametrize("item", [{}, {"email": "anna@shop.se", "phone_number": "+46701234567"}])
@pytest.mark.parametrize("status", [400, 422])
def test_each_person_has_exactly_one_identifier(
    rule: RuleAccount, item: dict[str, Any], status: int
) -> None:
    rule.switch(bad_identifier_status=status)
    for path in (f"{V3}/block", V3_SUPPRESSIONS):
        assert rule.post(path, {"subscribers": [item]}).status_code == status


def test_bulk_calls_take_1_to_1000_people(rule: RuleAccount) -> None:
    for count, status in ((0, 422), (1000, 204), (1001, 422)):
        people = [{"email": f"{index}@shop.se"} for index in range(count)]
        assert rule.post(V3_SUPPRESSIONS, {"subscribers": people}).status_code == status


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_callbacks_are_recorded_and_never_made(rule: RuleAccount, method: str) -> None:
    rule.switch(callback_method=method)
    url = "https://shop.se/done"
    rule.post(f"{V3}/block", {"subscribers": ANNA, "callback_url": url})
    assert rule.control("GET", "/rule/callbacks") == [{"url": url, "method": method}]


def test_v3_suppresses_marketing_by_channel_and_lifts_it(rule: RuleAccount) -> None:
    body = {"subscribers": ANNA, "message_types": ["email"]}
    for path in (V3_SUPPRESSIONS, V3_SUPPRESSIONS.rstrip("/")):
        assert rule.post(path, body).status_code == 204
    (known,) = rule.stored("anna@shop.se")["suppressions"]
    assert (known["dispatcher_type"], known["message_type"]) == ("campaign", "email")
    assert known["suppressed_source_type"] == "api"
    rule.post(V3_SUPPRESSIONS, {"subscribers": ANNA})
    assert len(rule.stored("anna@shop.se")["suppressions"]) == 2
    assert rule.delete(V3_SUPPRESSIONS, body).status_code == 204
    (left,) = rule.stored("anna@shop.se")["suppressions"]
    assert left["message_type"] == "text_message"


def test_v2_suppresses_campaigns_and_transactions_apart(rule: RuleAccount) -> None:
    body = {
        "subscribers": ANNA,
        "suppress_on": {"campaign": ["email"], "transaction": ["email", "text_message"]},
    }
    assert rule.post(V2_SUPPRESSIONS, body).status_code == 200
    rows = rule.get(V2_SUPPRESSIONS).json()["suppressions"]
    assert [(row["dispatcher_type"], row["message_type"]) for row in rows] == [
        ("campaign", "email"),
        ("transactional", "email"),
        ("transactional", "text_message"),
    ]
    assert rows[0]["subscriber"]["email"] == "anna@shop.se"
    query = "?dispatcher_type=transaction&message_type=email"
    assert rule.delete(f"{V2_SUPPRESSIONS}/anna@shop.se{query}").status_code == 200
    assert len(rule.stored("anna@shop.se")["suppressions"]) == 2
    assert rule.delete(f"{V2_SUPPRESSIONS}/anna@shop.se").status_code == 200
    assert rule.stored("anna@shop.se")["suppressions"] == []
    assert rule.delete(f"{V2_SUPPRESSIONS}/nobody@shop.se").status_code == 404


def test_bad_suppressions_are_refused(rule: RuleAccount) -> None:
    assert rule.post(V2_SUPPRESSIONS, {"subscribers": ANNA}).status_code == 400
    body = {"suppress_on": {"campaign": ["email"]}}
    assert rule.post(V2_SUPPRESSIONS, body).status_code == 400
