"""v2 subscribers: create one and many, match, refuse, read back, change, delete."""

from pathlib import Path
from typing import Any

import pytest
from rule_account import SUBSCRIBERS, RuleAccount, person

REFUSED = {"error": "BadRequest", "message": "Some fields could not be validated"}


@pytest.fixture
def rule() -> RuleAccount:
    return RuleAccount()


def test_creating_one_returns_the_subscriber(rule: RuleAccount) -> None:
    body = {"email": "anna@shop.se", "phone_number": "+46701234567", "language": "sv"}
    response = rule.create_one(body, tags=["Newsletter"])
    assert response.status_code == 200
    found = response.json()
    assert found["message"] == "Success"
    assert found["suppressed"] == []
    assert isinstance(found["subscriber"]["id"], int)
    assert found["subscriber"]["email"] == "anna@shop.se"
    assert found["subscriber"]["phone_number"] == "+46701234567"
    assert found["subscriber"]["language"] == "sv"
    assert [tag["name"] for tag in found["subscriber"]["tags"]] == ["Newsletter"]


@pytest.mark.parametrize(
    ("position", "members"),
    [
        ("counts", {"subscribers_created", "subscribers_updated", "subscribers_suppressed"}),
        ("success", {"success"}),
        ("entries", {"subscribers", "suppressed"}),
    ],
)
def test_the_members_of_the_reply_to_many_are_a_switch(
    rule: RuleAccount, position: str, members: set[str]
) -> None:
    rule.switch(multi_response=position)
    rule.create(person("anna@shop.se"))
    body = rule.create(person("anna@shop.se"), person("eva@shop.se")).json()
    assert set(body) == members | {"message"}
    if position == "counts":
        assert (body["subscribers_created"], body["subscribers_updated"]) == (1, 1)


def test_updating_matches_by_email_in_any_case_or_by_phone(rule: RuleAccount) -> None:
    rule.create({"email": "anna@shop.se", "phone_number": "+46701234567"})
    rule.create(person("ANNA@shop.se", A="1"))
    phone_only = {"phone_number": "0701234567", "fields": [{"key": "Loyalty.B", "value": "2"}]}
    rule.create(phone_only)
    (found,) = rule.people()
    assert found["fields"] == {"Loyalty": {"A": "1", "B": "2"}}


def test_case_of_addresses_can_tell_people_apart(rule: RuleAccount) -> None:
    rule.switch(email_case="kept")
    rule.create(person("anna@shop.se"), person("Anna@shop.se"))
    assert len(rule.people()) == 2


def test_without_update_a_known_person_is_409(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"))
    response = rule.create(person("eva@shop.se"), person("anna@shop.se"), update_on_duplicate=False)
    assert response.status_code == 409
    assert response.json() == {
        "error": "DuplicateSubscriber",
        "message": "Subscriber already exists",
    }
    assert len(rule.people()) == 1


def test_email_of_one_and_phone_of_another_conflict_unless_the_email_wins(
    rule: RuleAccount,
) -> None:
    rule.create({"email": "anna@shop.se"}, {"phone_number": "+46701234567"})
    both = {"email": "anna@shop.se", "phone_number": "+46701234567", "language": "sv"}
    assert rule.create(both).status_code == 409
    rule.switch(identity_conflict="email_wins")
    assert rule.create(both).status_code == 200
    stored = rule.stored("anna@shop.se")
    assert stored["language"] == "sv"
    assert stored["phone_number"] is None


def test_more_than_a_thousand_are_413(rule: RuleAccount) -> None:
    people = [person(f"{index}@shop.se") for index in range(1001)]
    assert rule.create(*people).status_code == 413
    assert rule.create(*people[:1000]).status_code == 200


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"email": "bad address"}, "email"),
        ({"language": "sv"}, "email"),
        ({"email": "anna@shop.se", "phone_number": "12"}, "phone_number"),
        ({"email": "anna@shop.se", "language": "Swedish"}, "language"),
        ({"email": "anna@shop.se", "fields": [{"key": "NoDot", "value": "1"}]}, "fields.0"),
        ({"email": "anna@shop.se", "fields": [{"key": "Loyalty.A"}]}, "fields.0"),
    ],
)
def test_one_bad_entry_refuses_the_call(
    rule: RuleAccount, entry: dict[str, Any], field: str
) -> None:
    response = rule.create(person("eva@shop.se"), entry)
    assert response.status_code == 400
    body = response.json()
    assert body | REFUSED == body
    assert set(body["fields"]) == {field}
    assert rule.people() == []


def test_the_words_for_a_missing_address_are_the_documented_ones(rule: RuleAccount) -> None:
    assert rule.create_one({"language": "sv"}).json() == {
        **REFUSED,
        "fields": {"email": ["The email field is required"]},
    }


def test_the_refused_field_can_name_its_entry(rule: RuleAccount) -> None:
    rule.switch(error_index="indexed")
    response = rule.create(person("eva@shop.se"), person("bad address"))
    assert set(response.json()["fields"]) == {"subscribers.1.email"}


def test_a_bad_entry_can_be_skipped_instead(rule: RuleAccount) -> None:
    rule.switch(bad_entry="skipped")
    rule.create(person("ida@shop.se"))
    people = (person("eva@shop.se"), person("bad address"), person("ida@shop.se"))
    assert rule.create(*people, update_on_duplicate=False).status_code == 200
    assert {found["email"] for found in rule.people()} == {"eva@shop.se", "ida@shop.se"}
    assert rule.create_one(person("bad address")).status_code == 400


def test_large_calls_are_worked_off_later(rule: RuleAccount) -> None:
    rule.switch(async_seconds=60.0)
    assert rule.create(*(person(f"a{index}@shop.se") for index in range(100))).status_code == 200
    assert rule.get(f"{SUBSCRIBERS}/a1@shop.se").status_code == 200
    response = rule.create(*(person(f"b{index}@shop.se") for index in range(101)))
    assert response.json() == {"message": "Success"}
    assert rule.get(f"{SUBSCRIBERS}/b1@shop.se").status_code == 404
    assert len(rule.people()) == 201


def test_all_calls_can_be_worked_off_at_once(rule: RuleAccount) -> None:
    rule.switch(async_seconds=60.0, multi_async_from=0)
    rule.create(*(person(f"b{index}@shop.se") for index in range(101)))
    assert rule.get(f"{SUBSCRIBERS}/b1@shop.se").status_code == 200


def test_a_subscriber_is_found_by_email_phone_and_id(rule: RuleAccount) -> None:
    body = {"email": "anna+x@shop.se", "phone_number": "+46701234567"}
    found = rule.create_one(body, tags=["x"]).json()["subscriber"]
    for identifier, identified_by in (
        ("anna%2Bx%40shop.se", "email"),
        ("%2B46701234567", "phone_number"),
        (str(found["id"]), "id"),
    ):
        response = rule.get(f"{SUBSCRIBERS}/{identifier}?identified_by={identified_by}")
        assert response.status_code == 200
        assert response.json() == {"subscriber": found}
    response = rule.get(f"{SUBSCRIBERS}/nobody@shop.se")
    assert response.status_code == 404
    assert response.json() == {
        "error": "SubscriberNotFound",
        "message": "Could not find subscriber",
    }


def test_suppressed_is_a_list_for_one_and_a_boolean_in_the_list(rule: RuleAccount) -> None:
    suppression = {"dispatcher_type": "campaign", "message_type": "email"}
    rule.seed("anna@shop.se", suppressions=[suppression])
    one = rule.get(f"{SUBSCRIBERS}/anna@shop.se").json()["subscriber"]
    assert one["suppressed"] == [{**suppression, "suppressed_source_type": "user"}]
    (row,) = rule.get(SUBSCRIBERS).json()["subscribers"]
    assert row["suppressed"] is True
    assert "fields" not in row


@pytest.mark.parametrize(("position", "tags"), [("array", []), ("null", None), ("missing", "no")])
def test_the_list_shows_people_without_tags_in_three_ways(
    rule: RuleAccount, position: str, tags: Any
) -> None:
    rule.switch(list_without_tags=position)
    rule.create(person("anna@shop.se"))
    (row,) = rule.get(SUBSCRIBERS).json()["subscribers"]
    assert row.get("tags", "no") == tags


@pytest.mark.parametrize(
    ("position", "stamp"), [("plain", "2026-11-21 06:00:00"), ("iso", "2026-11-21T06:00:00Z")]
)
def test_timestamps_come_in_two_formats(rule: RuleAccount, position: str, stamp: str) -> None:
    rule.switch(timestamps=position)
    found = rule.create_one(person("anna@shop.se")).json()["subscriber"]
    assert found["created_at"] == stamp


def test_put_changes_only_what_is_supplied_and_needs_the_numeric_id(rule: RuleAccount) -> None:
    found = rule.create_one(person("anna@shop.se", A="1"), tags=["x"]).json()["subscriber"]
    response = rule.put(f"{SUBSCRIBERS}/{found['id']}", {"language": "nb"})
    assert response.json()["subscriber"]["language"] == "nb"
    stored = rule.stored("anna@shop.se")
    assert stored["fields"] == {"Loyalty": {"A": "1"}}
    assert stored["tags"] == ["x"]
    assert rule.put(f"{SUBSCRIBERS}/anna@shop.se", {"language": "nb"}).status_code == 404
    assert rule.put(f"{SUBSCRIBERS}/{found['id']}", {"email": "bad"}).status_code == 400


def test_put_refuses_the_address_of_somebody_else(rule: RuleAccount) -> None:
    rule.create(person("eva@shop.se"))
    found = rule.create_one(person("anna@shop.se")).json()["subscriber"]
    response = rule.put(f"{SUBSCRIBERS}/{found['id']}", {"email": "eva@shop.se"})
    assert response.status_code == 409


@pytest.mark.parametrize(("position", "tags"), [("add", ["x", "y"]), ("replace", ["y"])])
def test_tags_of_put_add_or_replace(rule: RuleAccount, position: str, tags: list[str]) -> None:
    rule.switch(put_tags=position)
    found = rule.create_one(person("anna@shop.se"), tags=["x"]).json()["subscriber"]
    rule.put(f"{SUBSCRIBERS}/{found['id']}", {"tags": ["y"]})
    assert rule.stored("anna@shop.se")["tags"] == tags


def test_a_deleted_subscriber_is_gone(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"))
    response = rule.delete(f"{SUBSCRIBERS}/anna@shop.se")
    assert response.json() == {"message": "Success"}
    assert rule.delete(f"{SUBSCRIBERS}/anna@shop.se").status_code == 404
    assert rule.people() == []


@pytest.mark.parametrize(
    ("position", "fields", "status"),
    [
        ("written", {"Loyalty": {"A": "1"}}, "BLOCKED"),
        ("skipped", {}, "BLOCKED"),
        ("unblocked", {"Loyalty": {"A": "1"}}, "ACTIVE"),
    ],
)
def test_an_upsert_of_a_blocked_person(
    rule: RuleAccount, position: str, fields: dict[str, Any], status: str
) -> None:
    rule.switch(upsert_blocked=position)
    rule.seed("anna@shop.se", status="BLOCKED")
    rule.create(person("anna@shop.se", A="1"))
    stored = rule.stored("anna@shop.se")
    assert (stored["fields"], stored["status"]) == (fields, status)


@pytest.mark.parametrize(
    ("position", "fields"), [("written", {"Loyalty": {"A": "1"}}), ("skipped", {})]
)
def test_an_upsert_of_a_suppressed_person(
    rule: RuleAccount, position: str, fields: dict[str, Any]
) -> None:
    rule.switch(upsert_suppressed=position)
    suppression = {"dispatcher_type": "campaign", "message_type": "email"}
    rule.seed("anna@shop.se", suppressions=[suppression])
    body = rule.create(person("anna@shop.se", A="1")).json()
    assert body["subscribers_suppressed"] == 1
    stored = rule.stored("anna@shop.se")
    assert stored["fields"] == fields
    assert len(stored["suppressions"]) == 1


def test_a_pending_person_stays_pending(rule: RuleAccount) -> None:
    rule.seed("anna@shop.se", status="PENDING")
    rule.create(person("anna@shop.se", A="1"))
    stored = rule.stored("anna@shop.se")
    assert stored["status"] == "PENDING"
    assert stored["fields"] == {"Loyalty": {"A": "1"}}
    rule.create(person("eva@shop.se"), require_opt_in=True)
    assert rule.stored("eva@shop.se")["status"] == "PENDING"


def test_flags_must_be_booleans_and_automation_a_known_word(rule: RuleAccount) -> None:
    assert rule.create(person("anna@shop.se"), sync_subscribers="no").status_code == 400
    assert rule.create(person("anna@shop.se"), automation="send").status_code == 400
    assert rule.post(SUBSCRIBERS, {"tags": ["x"]}).status_code == 400


def test_controls_seed_change_and_remove_people(rule: RuleAccount) -> None:
    fields = [{"key": "Purchase.Total", "value": "149.00"}]
    rule.seed("anna@shop.se", fields=fields, tags=["Newsletter"], language="sv")
    rule.control("PATCH", "/rule/subscribers/anna@shop.se", {"status": "BLOCKED"})
    stored = rule.stored("anna@shop.se")
    assert stored["fields"] == {"Purchase": {"Total": "149.00"}}
    assert stored["tags"] == ["Newsletter"]
    assert stored["status"] == "BLOCKED"
    rule.control("DELETE", "/rule/subscribers/anna@shop.se")
    assert rule.people() == []


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    first = RuleAccount(state_dir=tmp_path)
    first.switch(async_seconds=60.0)
    people = [person(f"p{index}@shop.se", A=str(index)) for index in range(150)]
    first.create(*people, tags=["loyalty-member"])
    first.create(person("late@shop.se"), tags=["x"])
    first.sandbox.save()
    second = RuleAccount(state_dir=tmp_path)
    assert len(second.people()) == 151
    assert second.stored("p7@shop.se")["fields"] == {"Loyalty": {"A": "7"}}
    assert second.stored("p7@shop.se")["tags"] == ["loyalty-member"]
    second.create(person("p7@shop.se", A="8"), tags=["loyalty-member"])
    assert len(second.people()) == 151
    assert second.get("/api/v2/tags").json()["tags"][1]["name"] == "loyalty-member"
