"""The judge of requests to Klaviyo: what it lets pass, what it finds, and that it is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from klaviyo_witness import Witness
from reverse_etl_models import member, publish, run
from reverse_etl_vendors import Vendor
from strict_vendors.klaviyo_document import MEDIA_TYPE, RULES, faults

from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

HEADERS = {
    "authorization": "Klaviyo-API-Key pk_x",
    "revision": "2026-07-15",
    "accept": MEDIA_TYPE,
    "content-type": MEDIA_TYPE,
}
PROFILE = {"type": "profile", "attributes": {"email": "a@shop.se", "properties": {"x": None}}}
IMPORT = ("POST", "/api/profile-import")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


def judged(method: str, path: str, **changed: Any) -> list[str]:
    body = changed.get("body", {"data": PROFILE} if method == "POST" else None)
    return faults(
        method,
        path,
        changed.get("query", []),
        changed.get("headers", HEADERS),
        b"" if body is None else orjson.dumps(body),
    )


@pytest.mark.parametrize(
    ("method", "path", "changed"),
    [
        (*IMPORT, {}),
        (*IMPORT, {"query": [("additional-fields[profile]", "subscriptions")]}),
        ("GET", "/api/accounts", {}),
        ("GET", "/api/profiles", {"query": [("filter", 'any(email,["a@shop.se"])')]}),
        ("GET", "/api/profiles", {"query": [("filter", 'equals(email,"a@shop.se")')]}),
        ("PATCH", "/api/profiles/01X", {"body": {"data": {**PROFILE, "id": "01X"}}}),
        (
            *IMPORT,
            {"body": {"data": {**PROFILE, "meta": {"patch_properties": {"unset": ["a", "b"]}}}}},
        ),
        (
            "POST",
            "/api/data-privacy-deletion-jobs",
            {
                "body": {
                    "data": {
                        "type": "data-privacy-deletion-job",
                        "attributes": {
                            "profile": {
                                "data": {"type": "profile", "attributes": {"email": "a@shop.se"}}
                            }
                        },
                    }
                }
            },
        ),
    ],
)
def test_what_the_document_describes_passes(
    method: str, path: str, changed: dict[str, Any]
) -> None:
    assert judged(method, path, **changed) == []


@pytest.mark.parametrize(
    ("method", "path", "changed", "told"),
    [
        ("DELETE", "/api/profiles/01X", {}, "no operation"),
        ("GET", "/api/profile-import", {}, "no operation"),
        (*IMPORT, {"headers": {**HEADERS, "revision": "yesterday"}}, "revision"),
        (*IMPORT, {"headers": {**HEADERS, "content-type": "application/json"}}, "Content-Type"),
        (*IMPORT, {"headers": {**HEADERS, "accept": "text/html"}}, "Accept"),
        (*IMPORT, {"headers": {**HEADERS, "authorization": "pk_x"}}, "Authorization"),
        (*IMPORT, {"headers": {**HEADERS, "klaviyo-api-key": "pk_x"}}, "header of its own"),
        (*IMPORT, {"query": [("dry_run", "1")]}, "dry_run is unknown"),
        ("GET", "/api/profiles", {"query": [("page[size]", "101")]}, "not allowed"),
        ("GET", "/api/profiles", {"query": [("fields[profile]", "shoe_size")]}, "not allowed"),
        ("GET", "/api/profiles", {"query": [("sort", "id"), ("sort", "id")]}, "repeated"),
        ("GET", "/api/profiles", {"query": [("filter", 'contains(email,"a")')]}, "not allowed"),
        ("GET", "/api/profiles", {"query": [("filter", "equals(email,a@b.co)")]}, "no literal"),
        ("GET", "/api/accounts", {"body": {}}, "a body where none"),
        (*IMPORT, {"body": None}, "no body"),
        (*IMPORT, {"body": {"data": {**PROFILE, "consent": True}}}, "additionalProperties"),
        (*IMPORT, {"body": {"data": {"type": "profile"}}}, "required"),
        ("PATCH", "/api/profiles/01X", {"body": {"data": PROFILE}}, "required"),
    ],
)
def test_what_the_document_does_not_hold_is_found(
    method: str, path: str, changed: dict[str, Any], told: str
) -> None:
    found = judged(method, path, **changed)
    assert len(found) == 1
    assert told in found[0]
    assert "@" not in found[0]


def test_every_operation_says_what_it_needs() -> None:
    for name, rule in RULES.items():
        assert rule["required"]["header"] == ["revision"], name
        assert name.startswith("GET ") == ("body" not in rule), name


def test_the_witness_sees_what_a_sync_sends_and_what_is_refused(
    sandbox: RunningSandbox, klaviyo_witness: Witness, tmp_path: Path
) -> None:
    vendor = Vendor("klaviyo", sandbox.control, sandbox.environment, [])
    destination = vendor.destination()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    result = run(publish(tmp_path / "p.duckdb", [member("a@shop.se")]), ledger, destination, "1")
    assert result.total("accepted") == 1
    assert len(klaviyo_witness.calls) == sum(result.requests.values())
    httpx.get(f"{sandbox.environment['KLAVIYO_BASE_URL']}/api/profiles?page[size]=1000")
    assert len(klaviyo_witness.faults) == 4, "revision, Authorization, Accept and the page size"
    klaviyo_witness.faults.clear()
    for client in vendor.open_clients:
        client.close()
