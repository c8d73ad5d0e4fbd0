"""Single profiles: create-or-update, create, change, read, filter, page."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from klaviyo_account import KlaviyoAccount, bulk, profile

from sandbox.klaviyo.identity import read_opaque


@pytest.fixture
def klaviyo() -> KlaviyoAccount:
    return KlaviyoAccount()


def imported(klaviyo: KlaviyoAccount, data: dict[str, Any]) -> int:
    return klaviyo.post("/api/profile-import", {"data": data}).status_code


def test_import_creates_with_201_and_updates_with_200(klaviyo: KlaviyoAccount) -> None:
    assert imported(klaviyo, profile("anna@shop.se")) == 201
    assert imported(klaviyo, profile("Anna@Shop.se", first_name="Anna")) == 200
    assert len(klaviyo.profiles()) == 1


def test_a_profile_has_the_recorded_members(klaviyo: KlaviyoAccount) -> None:
    found = klaviyo.put_profile(profile("anna@shop.se", {"Loyalty Points Balance": 0}))
    assert len(found["id"]) == 26
    assert found["links"]["self"] == f"http://sandbox/klaviyo/api/profiles/{found['id']}/"
    attributes = found["attributes"]
    assert attributes["anonymous_id"] is None
    assert attributes["whatsapp_bsuid"] is None
    assert attributes["created"] == "2026-11-21T06:00:00+00:00"
    assert "." in attributes["updated"]
    assert set(attributes["location"]) >= {"address1", "zip", "timezone", "ip"}
    assert attributes["properties"] == {"Loyalty Points Balance": 0}


def test_null_clears_and_absence_leaves(klaviyo: KlaviyoAccount) -> None:
    klaviyo.put_profile(profile("anna@shop.se", {"a": 1, "b": 2}, first_name="A", last_name="B"))
    found = klaviyo.put_profile(profile("anna@shop.se", {"a": None}, first_name=None))
    assert found["attributes"]["properties"] == {"b": 2}
    assert found["attributes"]["first_name"] is None
    assert found["attributes"]["last_name"] == "B"


def test_zero_false_and_empty_text_are_values_and_types_survive(klaviyo: KlaviyoAccount) -> None:
    values = {"zero": 0, "no": False, "empty": "", "text": "01234", "list": [], "ratio": 0.5}
    found = klaviyo.put_profile(profile("anna@shop.se", values))
    assert found["attributes"]["properties"] == values


def test_patches_append_take_away_and_unset(klaviyo: KlaviyoAccount) -> None:
    klaviyo.put_profile(profile("anna@shop.se", {"tags": ["x", "y", "z"], "old": 1}))
    meta = {"append": {"tags": "imp", "new": ["n"]}, "unappend": {"tags": "y"}, "unset": "old"}
    found = klaviyo.put_profile(profile("anna@shop.se", meta=meta))
    assert found["attributes"]["properties"] == {"tags": ["x", "z", "imp"], "new": ["n"]}
    found = klaviyo.put_profile(profile("anna@shop.se", meta={"unset": ["tags", "new"]}))
    assert found["attributes"]["properties"] == {}


@pytest.mark.parametrize(("position", "tags"), [("set", ["x"]), ("list", ["x", "x"])])
def test_appending_a_known_value_repeats_it_only_when_switched(
    klaviyo: KlaviyoAccount, position: str, tags: list[str]
) -> None:
    klaviyo.switch(append=position)
    klaviyo.put_profile(profile("anna@shop.se", {"tags": ["x"]}))
    found = klaviyo.put_profile(profile("anna@shop.se", meta={"append": {"tags": "x"}}))
    assert found["attributes"]["properties"]["tags"] == tags


@pytest.mark.parametrize(("position", "status"), [("ignored", 201), ("refused", 400)])
def test_unset_of_a_missing_key_is_refused_only_when_switched(
    klaviyo: KlaviyoAccount, position: str, status: int
) -> None:
    klaviyo.switch(unset_missing=position)
    assert imported(klaviyo, profile("anna@shop.se", meta={"unset": "nothing"})) == status


@pytest.mark.parametrize("status", [400, 413])
def test_a_profile_above_100_kb_is_refused(klaviyo: KlaviyoAccount, status: int) -> None:
    klaviyo.switch(oversized_profile_status=status)
    assert imported(klaviyo, profile("anna@shop.se", {"text": "x" * 103_000})) == status


@pytest.mark.parametrize(("most", "status"), [(0, 201), (2, 400)])
def test_the_number_of_properties_can_be_limited(
    klaviyo: KlaviyoAccount, most: int, status: int
) -> None:
    klaviyo.switch(max_properties=most)
    assert imported(klaviyo, profile("anna@shop.se", {"a": 1, "b": 2, "c": 3})) == status


@pytest.mark.parametrize(("position", "status"), [("free", 200), ("locked", 400)])
def test_the_first_type_of_a_property_binds_only_when_switched(
    klaviyo: KlaviyoAccount, position: str, status: int
) -> None:
    klaviyo.switch(property_types=position)
    klaviyo.put_profile(profile("anna@shop.se", {"balance": 5}))
    assert imported(klaviyo, profile("anna@shop.se", {"balance": "5"})) == status
    assert imported(klaviyo, profile("anna@shop.se", {"balance": 6.5})) == 200


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (profile("not an address"), "/data/attributes/email"),
        (profile(f"{'a' * 95}@shop.se"), "/data/attributes/email"),
        (profile("anna@shop.se", phone_number="+1234"), "/data/attributes/phone_number"),
        (profile(first_name="Anna"), "/data/attributes"),
    ],
)
def test_bad_identifiers_are_refused_with_their_pointer(
    klaviyo: KlaviyoAccount, data: dict[str, Any], pointer: str
) -> None:
    response = klaviyo.post("/api/profile-import", {"data": data})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["source"] == {"pointer": pointer}
    assert error["code"] == "invalid"


def test_the_words_for_bad_values_are_the_recorded_ones(klaviyo: KlaviyoAccount) -> None:
    data = profile("nobody", phone_number="12")
    errors = klaviyo.post("/api/profile-import", {"data": data}).json()["errors"]
    assert [error["detail"] for error in errors] == [
        "Invalid email address",
        "Invalid phone number format (Example of a valid format: +12345678901)",
    ]


def test_identifiers_of_two_profiles_are_a_conflict_by_default(klaviyo: KlaviyoAccount) -> None:
    klaviyo.put_profile(profile(external_id="7"))
    other = klaviyo.put_profile(profile("anna@shop.se"))
    data = profile("anna@shop.se", external_id="7")
    response = klaviyo.post("/api/profile-import", {"data": data})
    assert response.status_code == 409
    assert response.json()["errors"][0]["meta"] == {"duplicate_profile_id": other["id"]}


def test_identifiers_of_two_profiles_can_merge_them(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(identifier_conflict="merged")
    stronger = klaviyo.put_profile(profile(None, {"a": 1}, external_id="7"))
    klaviyo.put_profile(profile("anna@shop.se", {"a": 2, "b": 2}))
    found = klaviyo.put_profile(profile("anna@shop.se", external_id="7"))
    assert found["id"] == stronger["id"]
    assert found["attributes"]["properties"] == {"a": 1, "b": 2}
    assert len(klaviyo.profiles()) == 1


def test_create_refuses_a_known_person_as_recorded(klaviyo: KlaviyoAccount) -> None:
    body = {"data": profile("anna@shop.se")}
    first = klaviyo.post("/api/profiles", body)
    assert first.status_code == 201
    second = klaviyo.post("/api/profiles", body)
    assert second.status_code == 409
    (error,) = second.json()["errors"]
    assert error["code"] == "duplicate_profile"
    assert error["title"] == "Conflict."
    assert error["detail"] == "A profile already exists with one of these identifiers."
    assert error["source"] == {"pointer": "/data/attributes"}
    assert error["meta"] == {"duplicate_profile_id": first.json()["data"]["id"]}


def test_patch_changes_one_profile_by_id(klaviyo: KlaviyoAccount) -> None:
    found = klaviyo.put_profile(profile("anna@shop.se", {"a": 1}))
    path = f"/api/profiles/{found['id']}"
    data = profile("new@shop.se", {"a": None}, profile_id=found["id"])
    assert klaviyo.patch(path, {"data": data}).status_code == 200
    stored = klaviyo.stored("new@shop.se")
    assert stored["properties"] == {}
    assert klaviyo.patch(path, {"data": {**data, "id": "OTHER"}}).status_code == 400


def test_patch_refuses_the_address_of_somebody_else(klaviyo: KlaviyoAccount) -> None:
    found = klaviyo.put_profile(profile("anna@shop.se"))
    klaviyo.put_profile(profile("eva@shop.se"))
    data = profile("eva@shop.se", profile_id=found["id"])
    response = klaviyo.patch(f"/api/profiles/{found['id']}", {"data": data})
    assert response.status_code == 409


def test_an_unknown_profile_gets_the_recorded_404(klaviyo: KlaviyoAccount) -> None:
    response = klaviyo.get("/api/profiles/NOPE01")
    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error["code"] == "not_found"
    assert error["title"] == "Not found."
    assert error["detail"] == "A profile with id NOPE01 does not exist."
    assert error["source"] == {"pointer": "/data/"}


def test_filters_find_by_identifier_and_change(klaviyo: KlaviyoAccount) -> None:
    anna = klaviyo.put_profile(profile("anna@shop.se", external_id="1"))
    eva = klaviyo.put_profile(profile("eva@shop.se", external_id="2"))

    def emails(text: str) -> set[str]:
        response = klaviyo.get("/api/profiles", params={"filter": text})
        assert response.status_code == 200, response.text
        return {row["attributes"]["email"] for row in response.json()["data"]}

    assert emails('equals(email,"ANNA@shop.se")') == {"anna@shop.se"}
    assert emails('any(email,["anna@shop.se","eva@shop.se","no@shop.se"])') == {
        "anna@shop.se",
        "eva@shop.se",
    }
    assert emails('any(external_id,["2"])') == {"eva@shop.se"}
    assert emails(f'equals(id,"{anna["id"]}")') == {"anna@shop.se"}
    assert emails(f"greater-than(updated,{anna['attributes']['updated']})") == {"eva@shop.se"}
    assert emails("greater-than(created,2026-11-20T00:00:00Z)") == {"anna@shop.se", "eva@shop.se"}
    assert emails("less-than(created,2026-11-20T00:00:00Z)") == set()
    both = 'and(equals(email,"eva@shop.se"),equals(external_id,"1"))'
    assert emails(both) == set()
    assert eva["id"] != anna["id"]


@pytest.mark.parametrize(
    "text",
    [
        "equals(email",
        'equals(shoe_size,"38")',
        'greater-than(email,"a")',
        "greater-than(updated,soon)",
    ],
)
def test_a_filter_that_cannot_be_is_refused(klaviyo: KlaviyoAccount, text: str) -> None:
    klaviyo.put_profile(profile("anna@shop.se"))
    response = klaviyo.get("/api/profiles", params={"filter": text})
    assert response.status_code == 400
    assert response.json()["errors"][0]["source"] == {"parameter": "filter"}


def test_the_number_of_values_in_any_is_a_switch(klaviyo: KlaviyoAccount) -> None:
    values = ",".join(f'"{index}@shop.se"' for index in range(101))
    query = {"filter": f"any(email,[{values}])"}
    assert klaviyo.get("/api/profiles", params=query).status_code == 400
    klaviyo.switch(any_filter_values=500)
    assert klaviyo.get("/api/profiles", params=query).status_code == 200


def test_pages_default_to_20_run_to_the_end_and_stop_at_100(klaviyo: KlaviyoAccount) -> None:
    klaviyo.job(*(profile(f"person{index}@shop.se") for index in range(45)))
    assert len(klaviyo.get("/api/profiles").json()["data"]) == 20
    seen: list[str] = []
    path = "/api/profiles?page[size]=20"
    while path:
        body = klaviyo.get(path).json()
        assert body["links"]["self"].startswith("http://sandbox/klaviyo/api/profiles")
        seen += [row["id"] for row in body["data"]]
        following = body["links"]["next"]
        parts = urlsplit(following) if following else None
        path = f"{parts.path.removeprefix('/klaviyo')}?{parts.query}" if parts else ""
    assert len(seen) == len(set(seen)) == 45
    assert seen == sorted(seen)
    for size in ("101", "0", "many"):
        response = klaviyo.get("/api/profiles", params={"page[size]": size})
        assert response.status_code == 400
        assert response.json()["errors"][0]["source"] == {"parameter": "page[size]"}


def test_a_profile_that_changes_while_paging_by_change_is_seen_twice_not_skipped(
    klaviyo: KlaviyoAccount,
) -> None:
    for name in "abc":
        klaviyo.put_profile(profile(f"{name}@shop.se"))
    query = {"filter": "greater-than(updated,2026-01-01T00:00:00Z)", "page[size]": "2"}
    first = klaviyo.get("/api/profiles", params=query).json()
    klaviyo.put_profile(profile("a@shop.se", {"x": 1}))
    second = klaviyo.get(f"/api/profiles?{urlsplit(first['links']['next']).query}").json()
    seen = [row["attributes"]["email"] for row in first["data"] + second["data"]]
    assert seen == ["a@shop.se", "b@shop.se", "c@shop.se", "a@shop.se"]
    assert read_opaque(urlsplit(first["links"]["next"]).query.split("cursor%5D=")[1])


def test_a_foreign_cursor_is_refused(klaviyo: KlaviyoAccount) -> None:
    assert klaviyo.get("/api/profiles", params={"page[cursor]": "zzz"}).status_code == 400


def test_sorting_and_sparse_fields(klaviyo: KlaviyoAccount) -> None:
    for name in "bac":
        klaviyo.put_profile(profile(f"{name}@shop.se"))
    query = {"sort": "-email", "fields[profile]": "email,location.city"}
    rows = klaviyo.get("/api/profiles", params=query).json()["data"]
    assert [row["attributes"]["email"][0] for row in rows] == ["c", "b", "a"]
    assert set(rows[0]["attributes"]) == {"email", "location"}
    assert klaviyo.get("/api/profiles", params={"fields[profile]": "shoe"}).status_code == 400


def test_subscriptions_are_shown_on_request_and_never_changed(klaviyo: KlaviyoAccount) -> None:
    klaviyo.control(
        "POST",
        "/klaviyo/profiles",
        {
            "email": "anna@shop.se",
            "properties": {"Favourite": "red"},
            "consent": "UNSUBSCRIBED",
            "suppressions": [{"reason": "USER_SUPPRESSED"}],
        },
    )
    klaviyo.job(profile("anna@shop.se", {"Loyalty Points Balance": 5}))
    query = {"additional-fields[profile]": "subscriptions"}
    (row,) = klaviyo.get("/api/profiles", params=query).json()["data"]
    marketing = row["attributes"]["subscriptions"]["email"]["marketing"]
    assert marketing["consent"] == "UNSUBSCRIBED"
    assert marketing["can_receive_email_marketing"] is False
    assert marketing["suppression"] == [{"reason": "USER_SUPPRESSED"}]
    assert row["attributes"]["properties"] == {"Favourite": "red", "Loyalty Points Balance": 5}


def test_controls_seed_change_and_remove_profiles(klaviyo: KlaviyoAccount) -> None:
    klaviyo.control("POST", "/klaviyo/profiles", {"email": "anna@shop.se", "first_name": "A"})
    klaviyo.control("PATCH", "/klaviyo/profiles/anna@shop.se", {"properties": {"x": 1}})
    assert klaviyo.stored("anna@shop.se")["properties"] == {"x": 1}
    klaviyo.control("DELETE", "/klaviyo/profiles/anna@shop.se")
    assert klaviyo.profiles() == []


def test_a_bulk_body_is_no_profile(klaviyo: KlaviyoAccount) -> None:
    response = klaviyo.post("/api/profile-import", bulk(profile("anna@shop.se")))
    assert response.status_code == 400


def deletion(**named: str) -> dict[str, Any]:
    """A request to delete the person whom `email`, `phone_number` or `id` names."""
    attributes = {name: value for name, value in named.items() if name != "id"}
    who: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if "id" in named:
        who["id"] = named["id"]
    kind = "data-privacy-deletion-job"
    return {"data": {"type": kind, "attributes": {"profile": {"data": who}}}}


def test_a_deletion_takes_one_identifier_and_answers_202_without_a_body(
    klaviyo: KlaviyoAccount,
) -> None:
    path = "/api/data-privacy-deletion-jobs"
    klaviyo.put_profile(profile("anna@shop.se"))
    kept = klaviyo.put_profile(profile("eva@shop.se"))
    for _ in range(2):
        answer = klaviyo.post(path, deletion(email="anna@shop.se"))
        assert (answer.status_code, answer.content) == (202, b"")
    assert [found["email"] for found in klaviyo.profiles()] == ["eva@shop.se"]
    assert klaviyo.post(path, deletion()).status_code == 400
    both = deletion(email="eva@shop.se", id=kept["id"])
    assert klaviyo.post(path, both).status_code == 400
    assert klaviyo.post(path, deletion(id=kept["id"])).status_code == 202
    assert klaviyo.profiles() == []
