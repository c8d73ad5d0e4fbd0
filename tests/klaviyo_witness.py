"""Sees every request that reaches the simulated Klaviyo during a suite and judges each.

The sandbox serves in threads of the test process, so whoever sends (the test, a killed child, the
command line) passes here, refused and cut requests included. A suite takes part by importing the
fixture into its conftest.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from strict_vendors import klaviyo_document

from sandbox.core import app
from sandbox.core.calls import Call

PREFIX = "/klaviyo"
_BULK = "/api/profile-bulk-import-jobs"
# Signing in is described in a guide, not in the OpenAPI document; "nowhere" is where a test of a
# wrong address sends its client.
_ELSEWHERE = ("/oauth/", "/nowhere/")


class Witness:
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
            self.faults += klaviyo_document.faults(
                call.method, path, call.query.multi_items(), dict(call.headers), body
            )
            if call.method == "POST" and path == _BULK and _has_null(orjson.loads(body)):
                self.faults.append("a null in a bulk import, where it is ignored")
        return call

    def operations(self) -> Counter[str]:
        """How often each operation was asked for."""
        names = (klaviyo_document.operation_of(call.method, call.path) for call in self.calls)
        return Counter(name or "unknown" for name in names)


@pytest.fixture(autouse=True)
def klaviyo_witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Fails a test in which a request departed from Klaviyo's published document."""
    witness = Witness(app.Call)
    monkeypatch.setattr(app, "Call", witness.look)
    yield witness
    assert not witness.faults, f"requests that Klaviyo's document does not hold: {witness.faults}"


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))
