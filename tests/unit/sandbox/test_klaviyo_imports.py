"""Bulk import jobs: what is refused at once, what fails later, what a job tells."""

import time
from pathlib import Path
from typing import Any

import pytest
from klaviyo_account import JOBS, KlaviyoAccount, bulk, profile

from sandbox.klaviyo.identity import read_opaque

ROWS = "/data/attributes/profiles/data"


@pytest.fixture
def klaviyo() -> KlaviyoAccount:
    return KlaviyoAccount()


def errors_of(klaviyo: KlaviyoAccount, job_id: str, **query: Any) -> list[dict[str, Any]]:
    response = klaviyo.get(f"{JOBS}/{job_id}/import-errors", params=query)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["data"]
    return rows


def pointers(klaviyo: KlaviyoAccount, *rows: dict[str, Any]) -> list[str]:
    response = klaviyo.post(JOBS, bulk(*rows))
    assert response.status_code == 400
    return [error["source"]["pointer"] for error in response.json()["errors"]]


def test_an_accepted_job_looks_as_recorded(klaviyo: KlaviyoAccount) -> None:
    response = klaviyo.post(JOBS, bulk(profile("anna@shop.se")))
    assert response.status_code == 202
    job = response.json()["data"]
    assert job["type"] == "profile-bulk-import-job"
    assert "maintenance" in read_opaque(job["id"])
    assert job["attributes"] == {
        "status": "queued",
        "created_at": "2026-11-21T06:00:00+00:00",
        "total_count": 1,
        "completed_count": 0,
        "failed_count": 0,
        "completed_at": None,
        "expires_at": "2026-11-28T06:00:00+00:00",
        "started_at": None,
    }
    assert job["relationships"]["lists"]["data"] == []
    assert job["relationships"]["import-errors"]["links"]["related"].endswith("/import-errors/")


def test_a_complete_job_counts_and_lists_its_profiles(klaviyo: KlaviyoAccount) -> None:
    job = klaviyo.job(profile("anna@shop.se", {"a": 0}), profile("eva@shop.se"))
    assert job["status"] == "complete"
    assert (job["total_count"], job["completed_count"], job["failed_count"]) == (2, 2, 0)
    assert job["completed_at"]
    rows = klaviyo.get(f"{JOBS}/{job['id']}/profiles").json()["data"]
    assert {row["attributes"]["email"] for row in rows} == {"anna@shop.se", "eva@shop.se"}
    assert errors_of(klaviyo, job["id"]) == []
    assert klaviyo.stored("anna@shop.se")["properties"] == {"a": 0}


def test_a_job_passes_through_its_states_by_the_number_of_reads(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(import_polls=4)
    job_id = klaviyo.post(JOBS, bulk(profile("anna@shop.se"))).json()["data"]["id"]
    seen = [
        klaviyo.get(f"{JOBS}/{job_id}").json()["data"]["attributes"]["status"] for _ in range(6)
    ]
    assert seen == ["queued", "queued", "processing", "processing", "complete", "complete"]


def test_a_job_is_complete_after_real_seconds(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(import_seconds=0.2)
    job = klaviyo.job(profile("anna@shop.se"))
    assert job["status"] == "queued"
    assert klaviyo.profiles() == []
    deadline = time.monotonic() + 5
    while job["status"] != "complete" and time.monotonic() < deadline:
        job = klaviyo.get(f"{JOBS}/{job.get('id')}").json()["data"]
        job = {**job["attributes"], "id": job["id"]}
        time.sleep(0.02)
    assert job["status"] == "complete"
    assert len(klaviyo.profiles()) == 1


def test_one_bad_row_refuses_the_whole_job_with_a_pointer_for_each(
    klaviyo: KlaviyoAccount,
) -> None:
    found = pointers(
        klaviyo,
        profile("anna@shop.se"),
        profile("bad address"),
        profile(first_name="Nobody"),
        profile("eva@shop.se"),
        profile(phone_number="+1234"),
    )
    assert found == [
        f"{ROWS}/1/attributes/email",
        f"{ROWS}/2/attributes/",
        f"{ROWS}/4/attributes/phone_number",
    ]
    assert klaviyo.get(JOBS).json()["data"] == []
    assert klaviyo.profiles() == []


def test_more_than_ten_thousand_profiles_are_refused(klaviyo: KlaviyoAccount) -> None:
    rows = [profile(f"{index}@shop.se") for index in range(10_001)]
    assert klaviyo.post(JOBS, bulk(*rows)).status_code == 400


def test_ten_thousand_profiles_are_one_job(klaviyo: KlaviyoAccount) -> None:
    values = {f"Loyalty Property {index}": index for index in range(15)}
    body = bulk(*(profile(f"{index}@shop.se", values) for index in range(10_000)))
    assert klaviyo.post(JOBS, body).status_code == 202


def test_an_unknown_list_refuses_the_job(klaviyo: KlaviyoAccount) -> None:
    body = bulk(profile("anna@shop.se"))
    lists = {"data": [{"type": "list", "id": "ABC123"}]}
    body["data"]["relationships"] = {"lists": lists}
    (error,) = klaviyo.post(JOBS, body).json()["errors"]
    assert error["detail"] == "List ID ABC123 does not exist."
    assert error["source"] == {"pointer": "/data"}


@pytest.mark.parametrize(("position", "left"), [("ignored", {"a": 1}), ("clears", {})])
def test_null_in_bulk_clears_only_when_switched(
    klaviyo: KlaviyoAccount, position: str, left: dict[str, Any]
) -> None:
    klaviyo.switch(bulk_null=position)
    klaviyo.put_profile(profile("anna@shop.se", {"a": 1}, first_name="Anna"))
    klaviyo.job(profile("anna@shop.se", {"a": None}, first_name=None))
    stored = klaviyo.stored("anna@shop.se")
    assert stored["properties"] == left
    assert stored["first_name"] == ("Anna" if position == "ignored" else None)


@pytest.mark.parametrize(("position", "kept"), [("first", {1}), ("last", {3}), ("random", {1, 3})])
def test_one_of_two_rows_of_one_identity_is_dropped(
    klaviyo: KlaviyoAccount, position: str, kept: set[int]
) -> None:
    klaviyo.switch(bulk_duplicate=position)
    job = klaviyo.job(profile("anna@shop.se", {"n": 1}), profile("ANNA@shop.se", {"n": 3}))
    assert klaviyo.profiles()[0]["properties"]["n"] in kept
    assert job["failed_count"] == 0
    assert len(klaviyo.profiles()) == 1


@pytest.mark.parametrize(("position", "left"), [("applied", {}), ("ignored", {"a": 1})])
def test_unset_works_in_bulk_unless_switched_off(
    klaviyo: KlaviyoAccount, position: str, left: dict[str, Any]
) -> None:
    klaviyo.switch(bulk_meta=position)
    klaviyo.put_profile(profile("anna@shop.se", {"a": 1}))
    klaviyo.job(profile("anna@shop.se", meta={"unset": "a"}))
    assert klaviyo.stored("anna@shop.se")["properties"] == left


def test_a_bad_phone_beside_a_good_address_is_dropped_in_silence(klaviyo: KlaviyoAccount) -> None:
    job = klaviyo.job(profile("anna@shop.se", phone_number="+1234"))
    assert job["failed_count"] == 0
    assert klaviyo.stored("anna@shop.se")["phone_number"] is None
    klaviyo.job(profile("anna@shop.se", phone_number="+46701234567"))
    assert klaviyo.stored("anna@shop.se")["phone_number"] == "+46701234567"


def test_a_bad_phone_can_refuse_the_job(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(bulk_bad_phone="refused")
    found = pointers(klaviyo, profile("anna@shop.se", phone_number="+1234"))
    assert found == [f"{ROWS}/0/attributes/phone_number"]


def test_a_row_above_100_kb_fails_later_or_at_once(klaviyo: KlaviyoAccount) -> None:
    large = profile("anna@shop.se", {"text": "x" * 103_000})
    job = klaviyo.job(large, profile("eva@shop.se"))
    assert (job["completed_count"], job["failed_count"]) == (1, 1)
    klaviyo.switch(bulk_oversized_profile="refused")
    assert pointers(klaviyo, profile("eva@shop.se"), large) == [f"{ROWS}/1"]


@pytest.mark.parametrize(("position", "failed"), [("refused", 1), ("merged", 0)])
def test_a_row_with_identifiers_of_two_profiles_fails_or_merges(
    klaviyo: KlaviyoAccount, position: str, failed: int
) -> None:
    klaviyo.switch(identifier_conflict=position)
    klaviyo.job(profile("anna@shop.se"), profile(external_id="7"))
    job = klaviyo.job(profile("anna@shop.se", external_id="7"))
    assert job["failed_count"] == failed


def test_ordered_import_errors_name_their_rows_and_come_in_pages(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(import_error={"share": 0.2})
    rows = [profile(f"person{index}@shop.se", {"n": index}) for index in range(200)]
    job = klaviyo.job(*rows)
    assert 20 <= job["failed_count"] <= 60
    assert job["completed_count"] + job["failed_count"] == 200
    errors = errors_of(klaviyo, job["id"], **{"page[size]": 100})
    assert len(errors) == job["failed_count"]
    first = errors[0]["attributes"]
    assert first["code"] == "invalid"
    assert first["title"] == "Invalid input"
    assert first["source"] == {"pointer": "/data"}
    failed = {error["attributes"]["original_payload"]["email"] for error in errors}
    stored = {found["email"] for found in klaviyo.profiles()}
    assert failed | stored == {row["attributes"]["email"] for row in rows}
    assert not failed & stored
    page = klaviyo.get(f"{JOBS}/{job['id']}/import-errors", params={"page[size]": 10}).json()
    assert len(page["data"]) == 10
    assert page["links"]["next"]
    again = klaviyo.job(*rows)
    assert again["failed_count"] == job["failed_count"]


def test_named_rows_can_be_made_to_fail(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(import_error={"emails": "Eva@shop.se,ida@shop.se"})
    job = klaviyo.job(*(profile(f"{name}@shop.se") for name in ("anna", "eva", "ida")))
    failed = [
        error["attributes"]["original_payload"]["email"] for error in errors_of(klaviyo, job["id"])
    ]
    assert sorted(failed) == ["eva@shop.se", "ida@shop.se"]


def test_a_stuck_job_goes_on_when_the_fault_is_cleared(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(stuck_job={"next": 1})
    job = klaviyo.job(profile("anna@shop.se"))
    assert job["status"] == "processing"
    assert klaviyo.job(profile("eva@shop.se"))["status"] == "complete"
    klaviyo.fault()
    read = klaviyo.get(f"{JOBS}/{job['id']}").json()["data"]["attributes"]
    assert read["status"] == "complete"


def test_a_job_can_end_cancelled_or_with_a_status_nobody_knows(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(cancelled_job={"next": 1})
    assert klaviyo.job(profile("anna@shop.se"))["status"] == "cancelled"
    assert klaviyo.profiles() == []
    klaviyo.fault(job_status={"value": "paused"})
    assert klaviyo.job(profile("anna@shop.se"))["status"] == "paused"


def test_a_job_is_gone_after_seven_days(klaviyo: KlaviyoAccount) -> None:
    job = klaviyo.job(profile("anna@shop.se"))
    klaviyo.advance(6)
    assert klaviyo.get(f"{JOBS}/{job['id']}").status_code == 200
    klaviyo.advance(1)
    for path in ("", "/import-errors", "/profiles"):
        assert klaviyo.get(f"{JOBS}/{job['id']}{path}").status_code == 404
    assert klaviyo.get(JOBS).json()["data"] == []


def test_a_job_can_be_made_to_expire(klaviyo: KlaviyoAccount) -> None:
    job = klaviyo.job(profile("anna@shop.se"))
    klaviyo.fault(expired_job={})
    assert klaviyo.get(f"{JOBS}/{job['id']}").status_code == 404


def test_jobs_are_listed_by_status_and_age(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(stuck_job={"next": 1})
    stuck = klaviyo.job(profile("anna@shop.se"))
    klaviyo.advance(1)
    done = klaviyo.job(profile("eva@shop.se"))

    def ids(**query: str) -> list[str]:
        return [row["id"] for row in klaviyo.get(JOBS, params=query).json()["data"]]

    assert ids() == [stuck["id"], done["id"]]
    assert ids(sort="-created_at") == [done["id"], stuck["id"]]
    assert ids(filter='equals(status,"complete")') == [done["id"]]
    assert ids(filter='any(status,["queued","processing"])') == [stuck["id"]]
    refused = klaviyo.get(JOBS, params={"filter": 'equals(status,"cancelled")'})
    assert refused.status_code == 400


def test_an_identical_job_changes_no_consent_and_adds_nobody(klaviyo: KlaviyoAccount) -> None:
    for _ in range(2):
        klaviyo.job(profile("anna@shop.se", {"a": [1, "1"]}))
    stored = klaviyo.stored("anna@shop.se")
    assert stored["consent"] == "NEVER_SUBSCRIBED"
    assert stored["properties"] == {"a": [1, "1"]}
    assert klaviyo.events() == []


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    first = KlaviyoAccount(state_dir=tmp_path)
    job = first.job(profile("anna@shop.se", {"a": 0}, external_id="7"))
    first.switch(import_seconds=60.0)
    waiting = first.post(JOBS, bulk(profile("eva@shop.se"))).json()["data"]["id"]
    first.sandbox.save()
    second = KlaviyoAccount(state_dir=tmp_path)
    assert second.get(f"{JOBS}/{job['id']}").json()["data"]["attributes"]["status"] == "complete"
    status = second.get(f"{JOBS}/{waiting}").json()["data"]["attributes"]["status"]
    assert status == "complete"
    assert second.put_profile(profile(external_id="7"))["attributes"]["email"] == "anna@shop.se"
    assert {row["email"] for row in second.profiles()} == {"anna@shop.se", "eva@shop.se"}
