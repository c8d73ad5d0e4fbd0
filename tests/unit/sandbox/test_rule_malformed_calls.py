"""Bodies that no client should send are refused, never a crash of the simulation."""

from typing import Any

import pytest
from rule_account import SUBSCRIBERS, V3, RuleAccount, person, typed

FIELD = {"key": "Loyalty.A", "value": "1"}


@pytest.fixture
def rule() -> RuleAccount:
    return RuleAccount()


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"subscribers": 7},
        {"subscribers": []},
        {"subscribers": [None]},
        {"subscribers": {"email": 7}},
        {"subscribers": {"email": "anna@shop.se", "language": 7}},
        {"subscribers": {"email": "anna@shop.se", "fields": "x"}},
        {"subscribers": {"email": "anna@shop.se", "fields": [7]}},
        {"subscribers": {"email": "anna@shop.se", "fields": [{**FIELD, "type": ["text"]}]}},
        {"subscribers": {"email": "anna@shop.se", "fields": [{**FIELD, "key": ["x"]}]}},
        {"subscribers": {"email": "anna@shop.se"}, "tags": "x"},
        {"subscribers": {"email": "anna@shop.se"}, "tags": [["x"]]},
        {"subscribers": {"email": "anna@shop.se"}, "tags": [""]},
        {"subscribers": {"email": "anna@shop.se"}, "tags": [True]},
        {"subscribers": {"email": "anna@shop.se"}, "automation": ["reset"]},
    ],
)
def test_a_malformed_create_call_is_400(rule: RuleAccount, body: Any) -> None:
    assert rule.post(SUBSCRIBERS, body).status_code == 400
    assert rule.people() == []


def test_a_body_that_is_not_json_is_400(rule: RuleAccount) -> None:
    assert rule.call("POST", SUBSCRIBERS, content=b"{").status_code == 400


def test_digits_of_other_scripts_are_names_or_ids_but_no_crash(rule: RuleAccount) -> None:
    assert rule.create(person("anna@shop.se"), tags=["³"]).status_code == 200
    assert rule.get(f"{SUBSCRIBERS}/³?identified_by=id").status_code == 404
    assert rule.get(SUBSCRIBERS, params={"limit": "³"}).status_code == 400


def test_unknown_identifiers_are_404(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"))
    assert rule.get(f"{SUBSCRIBERS}/anna@shop.se?identified_by=name").status_code == 404
    assert (
        rule.put(f"{V3}/anna@shop.se/tags?identified_by=name", {"tags": ["x"]}).status_code == 404
    )


@pytest.mark.parametrize(
    "body",
    [
        {"subscribers": ["anna@shop.se"], "suppress_on": {"campaign": ["email"]}},
        {"subscribers": [{"email": "anna@shop.se"}], "suppress_on": {"campaign": "email"}},
        {"subscribers": [{"email": "anna@shop.se"}], "suppress_on": {"campaign": ["pigeon"]}},
        {"subscribers": [{"email": "anna@shop.se"}], "suppress_on": {"newsletter": ["email"]}},
    ],
)
def test_a_malformed_suppression_is_400(rule: RuleAccount, body: Any) -> None:
    assert rule.post("/api/v2/suppressions", body).status_code == 400


@pytest.mark.parametrize("people", [None, "anna", [7], [{"email": None}]])
def test_a_malformed_bulk_call_is_refused(rule: RuleAccount, people: Any) -> None:
    response = rule.post(f"{V3}/block", {"subscribers": people})
    assert response.status_code in (400, 422)


def test_one_field_twice_keeps_the_last_value(rule: RuleAccount) -> None:
    entry = typed("anna@shop.se", "Loyalty.A", "1", None)
    entry["fields"].append({**FIELD, "value": "2"})
    rule.create(entry)
    assert rule.stored("anna@shop.se")["fields"] == {"Loyalty": {"A": "2"}}
