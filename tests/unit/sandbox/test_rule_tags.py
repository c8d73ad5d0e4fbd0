"""Tags, and which automations a call starts: 20/100 thresholds, send, force, reset."""

from typing import Any

import pytest
from rule_account import SUBSCRIBERS, V3, RuleAccount, person

ANNA = f"{SUBSCRIBERS}/anna@shop.se/tags"
TAGS = "/api/v2/tags"


@pytest.fixture
def rule() -> RuleAccount:
    return RuleAccount()


def people(count: int) -> list[dict[str, Any]]:
    return [person(f"p{index}@shop.se") for index in range(count)]


def test_unknown_names_become_tags_and_known_ones_stay(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["loyalty-member"])
    rule.create(person("anna@shop.se"), tags=["loyalty-member", "loyalty-tier-gold"])
    found = rule.get(ANNA).json()["tags"]
    assert [tag["name"] for tag in found] == ["loyalty-member", "loyalty-tier-gold"]
    catalogue = rule.get(TAGS).json()
    assert [tag["id"] for tag in catalogue["tags"]] == [tag["id"] for tag in found]
    assert set(catalogue["tags"][0]) == {"id", "name", "description", "created_at", "updated_at"}
    assert catalogue["meta"] == {"next": None}


def test_a_tag_of_digits_is_an_id(rule: RuleAccount) -> None:
    assert rule.create(person("anna@shop.se"), tags=["500"]).status_code == 404
    assert rule.create(person("anna@shop.se"), tags=[500]).status_code == 404
    assert rule.people() == []
    rule.create(person("anna@shop.se"), tags=["x"])
    (tag,) = rule.get(TAGS).json()["tags"]
    rule.create(person("eva@shop.se"), tags=[str(tag["id"])])
    assert rule.stored("eva@shop.se")["tags"] == ["x"]


@pytest.mark.parametrize(("position", "status"), [("refused", 400), ("accepted", 200)])
def test_an_empty_tags_array(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(empty_tags=position)
    assert rule.create(person("anna@shop.se"), tags=[]).status_code == status
    assert rule.create(person("eva@shop.se")).status_code == 200


@pytest.mark.parametrize(("position", "status"), [("refused", 400), ("accepted", 200)])
def test_a_tag_twice_in_one_call(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(repeated_tags=position)
    assert rule.create(person("anna@shop.se"), tags=["x", "x"]).status_code == status


@pytest.mark.parametrize(("position", "count"), [("kept", 2), ("folded", 1)])
def test_case_of_tag_names(rule: RuleAccount, position: str, count: int) -> None:
    rule.switch(tag_case=position)
    rule.create(person("anna@shop.se"), tags=["VIP"])
    rule.create(person("anna@shop.se"), tags=["vip"])
    assert len(rule.stored("anna@shop.se")["tags"]) == count


@pytest.mark.parametrize(
    ("count", "sync", "started"),
    [
        (19, None, 19),
        (20, None, 0),
        (19, False, 0),
        (20, True, 20),
        (120, True, 100),
    ],
)
def test_automations_start_by_the_number_of_entries(
    rule: RuleAccount, count: int, sync: bool | None, started: int
) -> None:
    call = {} if sync is None else {"sync_subscribers": sync}
    assert rule.create(*people(count), tags=["x"], **call).status_code == 200
    assert rule.started() == [("x", "send")] * started


@pytest.mark.parametrize(
    ("automation", "started"),
    [(False, []), ("reset", [("x", "reset")]), ("force", [("x", "force")])],
)
def test_known_people_start_automations_only_on_request(
    rule: RuleAccount, automation: Any, started: list[tuple[str, str]]
) -> None:
    rule.create(person("anna@shop.se"))
    rule.create(person("anna@shop.se"), tags=["x"], automation=automation)
    assert rule.started() == started
    rule.create(person("anna@shop.se"), tags=["y"], automation=automation, sync_subscribers=False)
    assert rule.started() == started


def test_the_safe_call_starts_nothing_for_anybody(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["x"], sync_subscribers=False)
    rule.create(person("anna@shop.se"), tags=["x"], sync_subscribers=False, automation=False)
    assert rule.started() == []


def test_send_starts_once_force_again_and_reset_cancels(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"))
    for mode in ("send", "send", "force", "reset"):
        rule.put(f"{V3}/anna@shop.se/tags", {"tags": ["x"], "automation": mode})
    rows = rule.control("GET", "/rule/automations")
    assert [(row["mode"], row["is_cancelled"]) for row in rows] == [
        ("send", True),
        ("force", True),
        ("reset", False),
    ]


def test_a_tag_given_in_silence_can_be_started_later(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["x"], sync_subscribers=False)
    rule.put(f"{V3}/anna@shop.se/tags", {"tags": ["x"], "automation": "send"})
    assert rule.started() == [("x", "send")]


@pytest.mark.parametrize(("position", "started"), [("send", [("x", "send")]), ("none", [])])
def test_the_v2_tag_call_without_a_mode(
    rule: RuleAccount, position: str, started: list[tuple[str, str]]
) -> None:
    rule.switch(tag_add_default=position)
    rule.create(person("anna@shop.se"))
    assert rule.post(ANNA, {"tags": ["x"]}).json() == {"message": "Success"}
    assert rule.started() == started
    rule.post(ANNA, {"tags": ["y"], "automation": False})
    assert rule.started() == started
    assert rule.stored("anna@shop.se")["tags"] == ["x", "y"]


def test_the_v2_tag_call_refuses_what_it_does_not_know(rule: RuleAccount) -> None:
    assert rule.post(ANNA, {"tags": ["x"]}).status_code == 404
    rule.create(person("anna@shop.se"))
    assert rule.post(ANNA, {"tags": ["500"]}).status_code == 404
    assert rule.post(ANNA, {"tags": ["x"], "automation": "later"}).status_code == 400
    assert rule.post(ANNA, {}).status_code == 400


def test_one_tag_is_removed_by_name_or_id(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["x", "y z", "[keep] it"])
    (x, *_) = rule.get(ANNA).json()["tags"]
    assert rule.delete(f"{ANNA}/{x['id']}").status_code == 200
    assert rule.delete(f"{ANNA}/y%20z").status_code == 200
    assert rule.stored("anna@shop.se")["tags"] == ["[keep] it"]


@pytest.mark.parametrize(("position", "status"), [("not_found", 404), ("success", 200)])
def test_removing_a_tag_that_nobody_assigned(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(absent_tag=position)
    rule.create(person("anna@shop.se"))
    rule.create(person("eva@shop.se"), tags=["x"])
    assert rule.delete(f"{ANNA}/x").status_code == status
    assert rule.delete(f"{ANNA}/never-seen").status_code == 404


def test_clear_removes_all_tags_of_a_subscriber(rule: RuleAccount) -> None:
    rule.create(person("anna@shop.se"), tags=["x", "y"])
    assert rule.delete(f"{ANNA}/clear").status_code == 200
    assert rule.stored("anna@shop.se")["tags"] == []
    assert rule.delete(f"{SUBSCRIBERS}/nobody@shop.se/tags/clear").status_code == 404


def test_one_tag_is_shown_with_a_count_on_request(rule: RuleAccount) -> None:
    rule.create(*people(3), tags=["x"])
    found = rule.get(f"{TAGS}/x?identified_by=name&with_count=true").json()
    assert (found["name"], found["recipient_count"]) == ("x", 3)
    assert "recipient_count" not in rule.get(f"{TAGS}/{found['id']}?identified_by=id").json()
    assert rule.get(f"{TAGS}/nothing").status_code == 404


def test_a_tag_is_renamed_cleared_and_deleted(rule: RuleAccount) -> None:
    rule.create(*people(2), tags=["x", "y"])
    response = rule.put(f"{TAGS}/x", {"name": "y"})
    assert response.status_code == 409
    assert response.json()["error"] == "DuplicateTag"
    assert rule.put(f"{TAGS}/x", {"name": "z", "description": "last"}).status_code == 200
    assert rule.stored("p0@shop.se")["tags"] == ["z", "y"]
    assert rule.delete(f"{TAGS}/z/clear").status_code == 200
    assert rule.delete(f"{TAGS}/y").status_code == 200
    assert rule.stored("p0@shop.se")["tags"] == []
    assert [tag["name"] for tag in rule.get(TAGS).json()["tags"]] == ["z"]
    for path in (f"{TAGS}/y", f"{TAGS}/y/clear"):
        assert rule.delete(path).status_code == 404
