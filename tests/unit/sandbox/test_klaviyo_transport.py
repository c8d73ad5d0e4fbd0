"""What all Klaviyo operations share: key, revision, windows, error bodies, published rules."""

import re
from typing import Any

import pytest
from klaviyo_account import HEADERS, JOBS, KlaviyoAccount, bulk, profile

from sandbox.klaviyo.schema import operations

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def klaviyo() -> KlaviyoAccount:
    return KlaviyoAccount()


@pytest.mark.parametrize("key", [{}, {"authorization": "Klaviyo-API-Key wrong"}])
def test_a_wrong_or_missing_key_gets_the_recorded_401_body(
    klaviyo: KlaviyoAccount, key: dict[str, str]
) -> None:
    response = klaviyo.get("/api/accounts", headers={"revision": "2026-07-15", **key})
    assert response.status_code == 401
    (error,) = response.json()["errors"]
    assert UUID.fullmatch(error.pop("id"))
    assert error == {
        "code": "authentication_failed",
        "title": "Incorrect authentication credentials.",
        "detail": "Incorrect authentication credentials.",
        "source": {"pointer": "/data/"},
        "status": 401,
    }
    assert "ratelimit-limit" not in response.headers


def test_the_older_text_on_wrong_keys_can_be_switched_on(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(wrong_key_status=400)
    assert klaviyo.get("/api/accounts", headers={}).status_code == 400


def test_one_account_is_returned_with_or_without_a_trailing_slash(klaviyo: KlaviyoAccount) -> None:
    for path in ("/api/accounts", "/api/accounts/"):
        response = klaviyo.get(path)
        assert response.headers["content-type"] == "application/vnd.api+json"
        (account,) = response.json()["data"]
        assert account["type"] == "account"
        assert account["links"]["self"].endswith("/")


@pytest.mark.parametrize(
    ("revision", "status"),
    [
        ("", 400),
        ("yesterday", 400),
        ("2026-07-16", 400),
        ("2024-10-15", 410),
        ("2025-01-15", 200),
        ("2026-07-15", 200),
        ("2026-10-15", 200),
        ("2026-07-15.pre", 200),
    ],
)
def test_a_revision_lives_two_years_and_must_exist(
    klaviyo: KlaviyoAccount, revision: str, status: int
) -> None:
    response = klaviyo.get("/api/metrics", headers={**HEADERS, "revision": revision})
    assert response.status_code == status
    if status == 400:
        assert response.json()["errors"][0]["source"] == {"parameter": "revision"}


def test_a_revision_retires_when_the_clock_says_so(klaviyo: KlaviyoAccount) -> None:
    klaviyo.advance(55)
    headers = {**HEADERS, "revision": "2025-01-15"}
    assert klaviyo.get("/api/metrics", headers=headers).status_code == 410


def test_a_missing_revision_can_mean_the_newest(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(missing_revision="newest")
    headers = {"authorization": HEADERS["authorization"]}
    assert klaviyo.get("/api/metrics", headers=headers).status_code == 200


def test_an_unknown_revision_can_fall_back_to_the_one_before(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(unknown_revision="nearest_earlier")
    for revision, status in (("2026-09-01", 200), ("2024-11-01", 410)):
        headers = {**HEADERS, "revision": revision}
        assert klaviyo.get("/api/metrics", headers=headers).status_code == status


def test_rate_headers_list_both_windows_and_track_the_burst_window() -> None:
    klaviyo = KlaviyoAccount(limits_scale=1)
    response = klaviyo.get("/api/profiles")
    assert response.headers["ratelimit-limit"] == "75, 75;w=1, 750;w=60"
    assert response.headers["ratelimit-remaining"] == "74"
    assert response.headers["ratelimit-reset"] in ("0", "1")


def test_the_second_call_in_a_second_gets_the_recorded_429() -> None:
    klaviyo = KlaviyoAccount(limits_scale=1)
    klaviyo.get("/api/accounts")
    response = klaviyo.get("/api/accounts")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert not [name for name in response.headers if name.startswith("ratelimit")]
    (error,) = response.json()["errors"]
    assert UUID.fullmatch(error.pop("id"))
    assert error == {
        "status": 429,
        "code": "throttled",
        "title": "Request was throttled.",
        "detail": "Request was throttled. Expected available in 1 second.",
        "source": {"pointer": "/data"},
        "links": {
            "type": "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"
        },
        "meta": [],
    }


def test_each_operation_has_its_own_windows() -> None:
    klaviyo = KlaviyoAccount(limits_scale=1)
    for _ in range(2):
        klaviyo.get("/api/accounts")
    assert klaviyo.get("/api/metrics").status_code == 200


def test_costly_query_parameters_are_charged_in_addition() -> None:
    klaviyo = KlaviyoAccount(limits_scale=1)
    query = {"additional-fields[profile]": "predictive_analytics"}
    statuses = [klaviyo.get("/api/profiles", params=query).status_code for _ in range(12)]
    assert statuses[:10] == [200] * 10
    assert 429 in statuses[10:]
    found = klaviyo.put_profile(profile("anna@shop.se"))
    one = f"/api/profiles/{found['id']}"
    statuses = [klaviyo.get(one, params={"include": "lists"}).status_code for _ in range(2)]
    assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("operation", "burst", "steady"),
    [
        ("GET /api/accounts", 1, 15),
        ("POST /api/profile-bulk-import-jobs", 10, 150),
        ("POST /api/profile-import", 75, 750),
        ("POST /api/events", 350, 3500),
        ("POST /api/event-bulk-create-jobs", 10, 150),
        ("GET /api/events/{id}", 10, 150),
        ("GET /api/metrics", 10, 150),
    ],
)
def test_windows_are_those_of_the_published_document(
    operation: str, burst: int, steady: int
) -> None:
    rules = operations()[operation]
    assert (rules.burst, rules.steady) == (burst, steady)


def test_only_json_bodies_are_taken(klaviyo: KlaviyoAccount) -> None:
    for media_type, status in (
        ("application/vnd.api+json", 201),
        ("application/json", 200),
        ("text/plain", 415),
    ):
        response = klaviyo.call(
            "POST",
            "/api/profile-import",
            content=b'{"data":{"type":"profile","attributes":{"email":"anna@shop.se"}}}',
            headers={**HEADERS, "content-type": media_type},
        )
        assert response.status_code == status


def test_a_body_that_is_not_json_is_refused(klaviyo: KlaviyoAccount) -> None:
    headers = {**HEADERS, "content-type": "application/json"}
    response = klaviyo.call("POST", "/api/profile-import", content=b"{", headers=headers)
    assert response.status_code == 400


def test_an_unknown_attribute_is_refused_with_its_pointer(klaviyo: KlaviyoAccount) -> None:
    row = profile("anna@shop.se", shoe_size=38)
    response = klaviyo.post(JOBS, bulk(profile("eva@shop.se"), row))
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["detail"] == "'shoe_size' is not a valid field for the resource 'profile'."
    assert error["source"]["pointer"] == "/data/attributes/profiles/data/1/attributes/shoe_size"
    assert error["code"] == "invalid"
    assert error["title"] == "Invalid input."


def test_wrong_types_and_missing_members_are_refused(klaviyo: KlaviyoAccount) -> None:
    body = {"data": {"type": "profiles", "attributes": {"email": 7, "location": {"zip": 1}}}}
    response = klaviyo.post("/api/profile-import", body)
    pointers = {error["source"]["pointer"] for error in response.json()["errors"]}
    assert pointers == {
        "/data/type",
        "/data/attributes/email",
        "/data/attributes/location/zip",
    }
    response = klaviyo.post("/api/profile-import", {"data": {"type": "profile"}})
    (error,) = response.json()["errors"]
    assert error["detail"] == "'attributes' is a required field for the resource 'profile'."


def test_unknown_includes_and_parameters_are_refused(klaviyo: KlaviyoAccount) -> None:
    response = klaviyo.get("/api/profiles", params={"include": "profiless"})
    (error,) = response.json()["errors"]
    assert error["detail"] == ("'profiless' is not an allowed include parameter for this resource.")
    assert error["source"] == {"parameter": "include"}
    assert klaviyo.get("/api/profiles", params={"limit": "5"}).status_code == 400


def test_a_body_above_five_megabytes_is_413(klaviyo: KlaviyoAccount) -> None:
    row = profile("anna@shop.se", {"text": "x" * (5 * 1024 * 1024)})
    assert klaviyo.post(JOBS, bulk(row)).status_code == 413


def test_an_unknown_path_and_method_are_told_apart(klaviyo: KlaviyoAccount) -> None:
    assert klaviyo.get("/api/coupons").status_code == 404
    assert klaviyo.delete("/api/profiles").status_code == 405


def test_an_ordered_throttling_looks_like_a_real_one(klaviyo: KlaviyoAccount) -> None:
    klaviyo.fault(error={"status": 429, "next": 1, "retry_after": "2"})
    response = klaviyo.get("/api/metrics")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.json()["errors"][0]["code"] == "throttled"
    assert klaviyo.get("/api/metrics").status_code == 200


@pytest.mark.parametrize("body", [None, [], "text", {"data": None}, {"data": []}, {"data": {}}])
@pytest.mark.parametrize("path", ["/api/profile-import", JOBS, "/api/events", "/api/profiles"])
def test_a_malformed_body_is_400(klaviyo: KlaviyoAccount, path: str, body: Any) -> None:
    response = klaviyo.post(path, body, headers={**HEADERS, "content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["errors"]
