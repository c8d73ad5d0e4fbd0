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
# With `sync_subscribers`, Rule starts automations for the first hundred people of a call.
_MOST_TRIGGERED = 100
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


def faults(method: str, path: str, body: bytes, *, may_trigger: bool = False) -> Iterator[str]:
    """What a request does that it must not; names members, never a value.

    `may_trigger`: events may start automations, by calls of their own that write no fields.
    """
    if may_trigger and _is_trigger(method, path, body):
        yield from _trigger_faults(method, orjson.loads(body))
    elif (method, path) == ("POST", "/api/v2/subscribers"):
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


def _is_trigger(method: str, path: str, body: bytes) -> bool:
    if method == "PUT":
        return path.startswith("/api/v3/subscribers/") and path.endswith("/tags")
    return (method, path) == ("POST", "/api/v2/subscribers") and bool(
        orjson.loads(body).get("automation")
    )


def _trigger_faults(method: str, body: Any) -> Iterator[str]:
    if len(body["tags"]) != 1:
        yield "an automation for another tag than the event's"
    if method == "PUT":
        if set(body) != {"tags", "automation"} or body["automation"] != "send":
            yield "a PUT of tags that is no once"
        return
    if set(body) - _MEMBERS or body["automation"] not in ("reset", "force"):
        yield "a trigger with other members or another mode"
    if body.get("sync_subscribers") is not True or len(body["subscribers"]) > _MOST_TRIGGERED:
        yield "a trigger beyond the documented number of people"
    if any(set(person) != {"email"} for person in body["subscribers"]):
        yield "a trigger that writes fields"


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
        self.may_trigger = False

    def look(self, scope: Any, path: str, body: bytes = b"") -> Call:
        """Stands in for the making of a `Call`."""
        call = self._make(scope, path, body)
        if scope["path"].startswith(PREFIX + "/") and not path.startswith(_ELSEWHERE):
            self.calls.append(call)
            self.faults += faults(call.method, path, body, may_trigger=self.may_trigger)
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
