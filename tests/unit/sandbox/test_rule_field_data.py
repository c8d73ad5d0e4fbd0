"""v3's custom field data: records by group, and deleting one group of one person."""

import pytest
from rule_account import RuleAccount, person

from sandbox.rule.v3_fields import BASE


@pytest.fixture
def rule() -> RuleAccount:
    account = RuleAccount()
    account.create(person("anna@shop.se", Points="250", Tier="Gold"), person("eva@shop.se"))
    account.seed("otto@shop.se", fields=[{"key": "Other.Colour", "value": "blue"}])
    return account


def place(rule: RuleAccount, email: str, group: str = "") -> str:
    path = BASE.format(subscriber=rule.stored(email)["id"])
    return f"{path}/group/{group}" if group else path


def test_a_record_names_its_group_and_typed_values_without_a_total(rule: RuleAccount) -> None:
    answer = rule.get(place(rule, "anna@shop.se")).json()
    assert answer["meta"] == {"page": 1, "per_page": 15}
    (record,) = answer["data"]
    assert (record["group_name"], record["historical"]) == ("Loyalty", False)
    assert [(v["field_name"], v["field_type"], v["field_value"]) for v in record["values"]] == [
        ("Points", "text", "250"),
        ("Tier", "text", "Gold"),
    ]
    by_id = rule.get(place(rule, "anna@shop.se", str(record["group_id"]))).json()
    assert by_id["data"] == [record]
    filtered = rule.get(place(rule, "anna@shop.se"), params={"groups_name[]": "Other"}).json()
    assert filtered["data"] == []


def test_deleting_a_group_leaves_the_others_and_other_people(rule: RuleAccount) -> None:
    rule.create(
        {"email": "anna@shop.se", "fields": [{"key": "Other.Colour", "value": "red"}]},
        person("eva@shop.se", Points="7"),
    )
    answer = rule.delete(place(rule, "anna@shop.se", "Loyalty"))
    assert answer.is_success
    assert "success" not in answer.json()
    assert rule.stored("anna@shop.se")["fields"] == {"Other": {"Colour": "red"}}
    assert rule.stored("eva@shop.se")["fields"] == {"Loyalty": {"Points": "7"}}


@pytest.mark.parametrize(("position", "status"), [("not_found", 404), ("success", 200)])
def test_deleting_a_group_that_is_not_there(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(absent_group=position)
    assert rule.delete(place(rule, "eva@shop.se", "Loyalty")).status_code == status


def test_only_the_numeric_id_names_a_person(rule: RuleAccount) -> None:
    assert rule.get(BASE.format(subscriber="anna@shop.se")).status_code == 404
    assert rule.delete(BASE.format(subscriber="999") + "/group/Loyalty").status_code == 404
