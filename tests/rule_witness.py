"""Sees every request that reaches the simulated Rule during a suite and judges each.

Rule publishes no schema, so this holds requests against what its clients are known to send, and
against what this product promises: no flow is started, no status, consent or foreign field touched.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from sandbox.core import app
from sandbox.core.calls import Call

PREFIX = "/rule"
_ELSEWHERE = "/nowhere/"
_MEMBERS = {"update_on_duplicate", "automation", "sync_subscribers", "tags", "subscribers"}
# v3 is for reading and for deleting our own group. Not for tags: `automation` un-blocks people.
_ALLOWED = (
    ("GET", "/api/v2/subscribers"),
    ("GET", "/api/v2/subscriber/"),
    ("GET", "/api/v2/tags"),
    ("GET", "/api/v2/customizations"),
    ("GET", "/api/v3/custom-field-data/"),
    ("DELETE", "/api/v2/subscribers/"),
)


def faults(method: str, path: str, body: bytes) -> Iterator[str]:
    """What a request does that it must not; names members, never a value."""
    if (method, path) == ("POST", "/api/v2/subscribers"):
        yield from _upsert_faults(orjson.loads(body))
    elif path.startswith("/api/v3/") and method == "DELETE":
        if not path.startswith("/api/v3/custom-field-data/") or not path.endswith("/group/Loyalty"):
            yield "v3 deletes something that is not our own group"
    elif not any(method == verb and path.startswith(start) for verb, start in _ALLOWED):
        yield f"{method} of a path that this product has no use for"
    elif body:
        yield f"{method} with a body"
    if path.endswith("/tags/clear"):
        yield "all tags of a person removed at once"


def _upsert_faults(body: Any) -> Iterator[str]:
    if unknown := set(body) - _MEMBERS:
        yield f"members {sorted(unknown)}"
    for name, wanted in (("automation", False), ("sync_subscribers", False)):
        if body.get(name) is not wanted:
            yield f"{name} is not switched off"
    if body.get("update_on_duplicate") is not True:
        yield "people who exist would be refused"
    tags = body.get("tags", ["x"])
    if not tags or len(set(tags)) != len(tags):
        yield "tags are empty or repeated"
    if any(not isinstance(t, str) or t.isdecimal() or t.lower() == "clear" for t in tags):
        yield "a tag that Rule reads as something else"
    people = body.get("subscribers")
    if not isinstance(people, list) or len({p.get("email") for p in people}) != len(people):
        yield "somebody twice, or no list"
        return
    if any(set(person) - {"email", "fields"} for person in people):
        yield "a person has more than an e-mail and fields"
    for person in people:
        for field in person.get("fields", ()):
            if field["value"] is None or field["key"].count(".") != 1:
                yield "a field without a value or a group"


class RuleWitness:
    """The requests that were judged, and what was wrong with them."""

    def __init__(self, make: Callable[..., Call] = Call) -> None:
        self._make = make
        self.calls: list[Call] = []
        self.faults: list[str] = []

    def look(self, scope: Any, path: str, body: bytes = b"") -> Call:
        """Stands in for the making of a `Call`."""
        call = self._make(scope, path, body)
        if scope["path"].startswith(PREFIX + "/") and not path.startswith(_ELSEWHERE):
            self.calls.append(call)
            self.faults += faults(call.method, path, body)
        return call

    def upserts(self) -> list[Any]:
        """Bodies of the upserts, in order."""
        return [orjson.loads(call.body) for call in self.calls if call.method == "POST"]


@pytest.fixture(autouse=True)
def rule_witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[RuleWitness]:
    """Fails a test in which Rule was asked for something that this product never asks for."""
    witness = RuleWitness(app.Call)
    monkeypatch.setattr(app, "Call", witness.look)
    yield witness
    assert not witness.faults, f"requests that must not reach Rule: {sorted(set(witness.faults))}"
