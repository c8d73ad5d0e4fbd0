"""What Klaviyo's answers mean, where the sandbox has no switch for the answer."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import orjson
import pytest

from reverse_etl.destinations.base import Batch
from reverse_etl.destinations.klaviyo import KlaviyoProfiles, client
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient

EMAILS = ["a@shop.se", "b@shop.se", "c@shop.se"]


@pytest.fixture
def api() -> Iterator[ApiClient]:
    with client("pk_test", "http://127.0.0.1:9") as made:
        yield made


def answering(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Any]
) -> list[httpx.Request]:
    """Let the client's transport answer by path; returns the requests it saw."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json=answers[request.url.path])

    monkeypatch.setattr(api, "_http", httpx.Client(
        base_url="http://127.0.0.1:9", transport=httpx.MockTransport(answer)
    ))  # fmt: skip
    return seen


def job(status: str, failed: int) -> dict[str, Any]:
    attributes = {"status": status, "completed_count": 3 - failed, "failed_count": failed}
    return {"data": {"id": "J", "attributes": attributes}}


def test_failures_that_no_error_names_leave_the_rest_uncertain(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {
        "attributes": {
            "code": "invalid",
            "detail": "b@shop.se is no good",
            "original_payload": {"email": "b@shop.se"},
        }
    }
    paths = {
        "/api/profile-bulk-import-jobs/J": job("complete", 2),
        "/api/profile-bulk-import-jobs/J/import-errors": {"data": [named], "links": {}},
    }
    answering(api, monkeypatch, paths)
    report = KlaviyoProfiles(api).poll("J", EMAILS)
    assert report.outcomes is not None
    states = [(o.state, o.reason_code) for o in report.outcomes]
    unnamed = ("unknown", "unattributed_failure")
    assert states == [unnamed, ("rejected", "invalid"), unnamed]
    assert report.outcomes[1].reason == "(e-mail) is no good"


def test_a_job_without_failures_is_not_asked_for_its_errors(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = answering(api, monkeypatch, {"/api/profile-bulk-import-jobs/J": job("complete", 0)})
    report = KlaviyoProfiles(api).poll("J", EMAILS)
    assert {outcome.state for outcome in report.outcomes or ()} == {"accepted"}
    assert len(seen) == 1


def test_a_bulk_request_holds_the_email_and_properties_and_nothing_else(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = answering(api, monkeypatch, {"/api/profile-bulk-import-jobs": {"data": {"id": "J"}}})
    patch = '{"Loyalty Points Balance":0,"Loyalty Tier Name":""}'
    rows = tuple(
        PlannedRow(i, email, "add", patch, patch, "bulk", "", (), (), "h", 1, False)
        for i, email in enumerate(EMAILS)
    )
    destination = KlaviyoProfiles(api)
    events = list(destination.deliver(Batch("bulk", rows)))
    assert [type(event).__name__ for event in events] == ["Submitted"]
    body = orjson.loads(seen[0].content)
    profiles = body["data"]["attributes"]["profiles"]["data"]
    assert profiles[0] == {
        "type": "profile",
        "attributes": {
            "email": "a@shop.se",
            "properties": {"Loyalty Points Balance": 0, "Loyalty Tier Name": ""},
        },
    }
    weight = sum(destination.row_bytes(row) for row in rows)
    assert len(seen[0].content) <= weight + 100
