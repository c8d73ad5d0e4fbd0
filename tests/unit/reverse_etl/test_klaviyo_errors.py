"""Klaviyo's error objects."""

import orjson
import pytest

from reverse_etl.destinations.klaviyo_errors import import_failure, problems, row_index
from vendor_http import RequestRefusedError

EMAILS = ["a@shop.se", "b@shop.se"]


def refusal(status: int, body: object) -> RequestRefusedError:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return RequestRefusedError("refused", status=status, body=content)


@pytest.mark.parametrize(
    ("pointer", "code", "reason_code"),
    [
        ("/data/attributes/profiles/data/1/attributes/email", "invalid", "invalid_email"),
        ("/data/attributes/profiles/data/1/attributes/", "invalid", "invalid_identifier"),
        ("/data/attributes", "duplicate_profile", "duplicate_profile"),
    ],
)
def test_reason_codes_name_the_field(pointer: str, code: str, reason_code: str) -> None:
    body = {"errors": [{"code": code, "detail": "no", "source": {"pointer": pointer}}]}
    assert problems(refusal(400, body))[0].reason_code == reason_code


def test_a_pointer_names_its_row() -> None:
    assert row_index("/data/attributes/profiles/data/17/attributes/email") == 17
    assert row_index("/data/attributes/profiles/data/3") == 3
    assert row_index("/data") is None


@pytest.mark.parametrize("body", [b"<html>", {"errors": []}, {"errors": ["no"]}, []])
def test_a_refusal_without_a_readable_body_still_has_a_reason(body: object) -> None:
    assert [p.reason_code for p in problems(refusal(400, body))] == ["refused_400"]


@pytest.mark.parametrize(
    "payload",
    [
        {"email": "B@shop.se"},
        {"attributes": {"email": "b@shop.se"}},
        {"data": {"attributes": {"email": "b@shop.se"}}},
    ],
)
def test_an_import_error_finds_its_row_by_the_original_payload(payload: object) -> None:
    error = {"attributes": {"code": "invalid", "original_payload": payload}}
    assert import_failure(error, EMAILS, set(EMAILS))[0] == "b@shop.se"


def test_an_import_error_without_payload_finds_its_row_by_the_pointer() -> None:
    source = {"pointer": "/data/attributes/profiles/data/1/attributes/email"}
    error = {"attributes": {"code": "invalid", "source": source, "original_payload": None}}
    assert import_failure(error, EMAILS, set(EMAILS))[0] == "b@shop.se"
    error = {"attributes": {"code": "invalid", "source": {"pointer": "/data"}}}
    assert import_failure(error, EMAILS, set(EMAILS))[0] is None
