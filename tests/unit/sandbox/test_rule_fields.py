"""Custom fields: keys, types, values, groups, clearing, reading back."""

from typing import Any

import pytest
from rule_account import RuleAccount, person, typed

FIELDS = "/api/v2/subscriber/anna@shop.se/fields"
GROUPS = "/api/v2/customizations"


@pytest.fixture
def rule() -> RuleAccount:
    return RuleAccount()


def values(rule: RuleAccount) -> dict[str, Any]:
    """Values of group Loyalty as v2 reads them back."""
    groups = rule.get(FIELDS).json()["groups"]
    return {
        field["name"]: field["value"]
        for group in groups
        if group["name"] == "Loyalty"
        for field in group["fields"]
    }


def types(rule: RuleAccount) -> dict[str, str]:
    (group,) = rule.get(GROUPS).json()["groups"]
    return {field["name"]: field["type"] for field in group["fields"]}


def status_of(rule: RuleAccount, value: Any, kind: str | None = None) -> int:
    return rule.create(typed("anna@shop.se", "Loyalty.A", value, kind)).status_code


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", None),
        ("text", "text"),
        ("0", None),
        (42, "text"),
        ("2026-11-21", "date"),
        ("2026-11-21 06:00:00", "datetime"),
        ("2026-11-21T06:00:00.000Z", "datetime"),
        ("06:00:00", "time"),
        (["a", "b"], "multiple"),
        ([], "multiple"),
        ('["a","b"]', "multiple"),
        ('{"a":1}', "json"),
    ],
)
def test_values_that_match_their_type_are_taken(
    rule: RuleAccount, value: Any, kind: str | None
) -> None:
    assert status_of(rule, value, kind) == 200


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "text"),
        ({"a": 1}, "text"),
        (["a"], "text"),
        ("21/11/2026", "date"),
        ("2026-02-30", "date"),
        ("2026-11-21", "datetime"),
        ("2026-11-21 25:00:00", "datetime"),
        ("6:00", "time"),
        ("a,b", "multiple"),
        ([1, 2], "multiple"),
        ("{", "json"),
        ("1", "number"),
    ],
)
def test_values_that_do_not_match_their_type_are_400(
    rule: RuleAccount, value: Any, kind: str
) -> None:
    assert status_of(rule, value, kind) == 400
    assert rule.people() == []


@pytest.mark.parametrize("key", ["A", "Loyalty.", ".A", "Loyalty.A.B", "", 7])
def test_a_key_has_exactly_one_dot(rule: RuleAccount, key: Any) -> None:
    assert rule.create(typed("anna@shop.se", key, "1", None)).status_code == 400


def test_values_read_back_as_text_and_types_stay(rule: RuleAccount) -> None:
    fields = [
        {"key": "Loyalty.Number", "value": 42},
        {"key": "Loyalty.List", "value": ["a", "b"], "type": "multiple"},
        {"key": "Loyalty.Json", "value": '{"a":1}', "type": "json"},
        {"key": "Loyalty.At", "value": "2026-11-21 06:00:00", "type": "datetime"},
    ]
    rule.create({"email": "anna@shop.se", "fields": fields})
    assert values(rule) == {
        "Number": "42",
        "List": ["a", "b"],
        "Json": '{"a":1}',
        "At": "2026-11-21 06:00:00",
    }
    rule.switch(multiple_read_back="joined", json_read_back="parsed")
    assert values(rule)["List"] == "a,b"
    assert values(rule)["Json"] == {"a": 1}
    (group,) = rule.get(GROUPS).json()["groups"]
    assert {field["name"]: field["type"] for field in group["fields"]} == {
        "Number": "text",
        "List": "multiple",
        "Json": "json",
        "At": "datetime",
    }


def test_writing_overwrites_one_field_and_leaves_the_others(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se", A="1", B="2"))
    rule.create(person("anna@shop.se", B="3"))
    assert values(rule) == {"A": "1", "B": "3"}


@pytest.mark.parametrize(
    ("position", "status", "left"),
    [("refused", 400, {"A": "1"}), ("ignored", 200, {"A": "1"}), ("cleared", 200, {})],
)
def test_null_as_a_value(
    rule: RuleAccount, position: str, status: int, left: dict[str, str]
) -> None:
    rule.switch(null_value=position)
    rule.create(person("anna@shop.se", A="1"))
    assert rule.create(person("anna@shop.se", A=None)).status_code == status
    assert values(rule) == left


@pytest.mark.parametrize(
    ("position", "left"), [("stored", {"A": ""}), ("ignored", {"A": "1"}), ("cleared", {})]
)
def test_empty_text_as_a_value(rule: RuleAccount, position: str, left: dict[str, str]) -> None:
    rule.switch(empty_value=position)
    rule.create(person("anna@shop.se", A="1"))
    assert rule.create(person("anna@shop.se", A="")).status_code == 200
    assert values(rule) == left


@pytest.mark.parametrize(("position", "status"), [("accepted", 200), ("refused", 400)])
def test_empty_text_for_a_datetime_or_a_list(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(empty_typed_value=position)
    for kind in ("datetime", "multiple"):
        entry = typed("anna@shop.se", f"Loyalty.{kind}", "", kind)
        assert rule.create(entry).status_code == status


@pytest.mark.parametrize(
    ("position", "status", "kind"), [("refused", 400, "text"), ("changed", 200, "date")]
)
def test_another_type_for_an_existing_field(
    rule: RuleAccount, position: str, status: int, kind: str
) -> None:
    rule.switch(type_change=position)
    rule.create(person("anna@shop.se", A="1"))
    assert status_of(rule, "2026-11-21", "date") == status
    assert types(rule) == {"A": kind}


def test_without_a_type_the_known_one_is_checked(rule: RuleAccount) -> None:
    assert status_of(rule, "2026-11-21", "date") == 200
    assert status_of(rule, "tomorrow") == 400
    assert status_of(rule, "2026-11-22") == 200


@pytest.mark.parametrize(("position", "left"), [("all", {"B"}), ("written", {"B", "Purchase"})])
def test_fields_clear_empties_all_groups_or_those_written(
    rule: RuleAccount, position: str, left: set[str]
) -> None:
    rule.switch(fields_clear_scope=position)
    rule.create(person("anna@shop.se", A="1"), typed("anna@shop.se", "Purchase.Total", "9", None))
    rule.create(person("anna@shop.se", B="2"), fields_clear=True)
    stored = rule.stored("anna@shop.se")["fields"]
    assert set(stored["Loyalty"]) | set(stored) - {"Loyalty"} == left


def test_the_values_of_a_group_stay_below_65_kb(rule: RuleAccount) -> None:
    half = "x" * 32_500
    assert rule.create(person("anna@shop.se", A=half, B=half)).status_code == 200
    response = rule.create(person("anna@shop.se", C="y"))
    assert response.status_code == 400
    assert set(response.json()["fields"]) == {"Loyalty"}
    assert rule.create(person("anna@shop.se", A="x")).status_code == 200
    assert rule.create(typed("anna@shop.se", "Other.A", "x" * 65_001, None)).status_code == 400


@pytest.mark.parametrize(("position", "count"), [("kept", 2), ("folded", 1)])
def test_case_of_field_names(rule: RuleAccount, position: str, count: int) -> None:
    rule.switch(field_case=position)
    rule.create(typed("anna@shop.se", "Loyalty.Tier", "1", None))
    rule.create(typed("anna@shop.se", "loyalty.tier", "2", None))
    stored = rule.stored("anna@shop.se")["fields"]
    assert sum(len(fields) for fields in stored.values()) == count


def test_reserved_characters_and_long_names_can_be_refused(rule: RuleAccount) -> None:
    entry = typed("anna@shop.se", "Loyalty.A#B", "1", None)
    assert rule.create(entry).status_code == 200
    rule.switch(reserved_characters="#", max_name_characters=20)
    assert rule.create(entry).status_code == 400
    assert rule.create(typed("anna@shop.se", f"Loyalty.{'A' * 21}", "1", None)).status_code == 400
    assert rule.create(person("anna@shop.se"), tags=["t" * 21]).status_code == 400


def test_fields_of_an_unknown_subscriber_are_404(rule: RuleAccount) -> None:
    assert rule.get(FIELDS).status_code == 404


def test_groups_and_fields_can_be_made_ahead_and_again(rule: RuleAccount) -> None:
    body = {"fields": [{"key": "Booking.FirstName", "type": "text"}, {"key": "Booking.At"}]}
    for _ in range(2):
        assert rule.post(GROUPS, body).json() == {"message": "Success"}
    (group,) = rule.get(GROUPS).json()["groups"]
    assert [field["name"] for field in group["fields"]] == ["FirstName", "At"]
    assert all(isinstance(field["id"], int) for field in group["fields"])
    for key in ("Booking", group["id"]):
        assert rule.get(f"{GROUPS}/{key}").json()["name"] == "Booking"
    assert rule.get(f"{GROUPS}/Nothing").status_code == 404
    assert rule.post(GROUPS, {"fields": [{"key": "Booking"}]}).status_code == 400
