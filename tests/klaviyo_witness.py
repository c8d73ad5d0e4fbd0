"""Sees every request that reaches the simulated Klaviyo during a suite and judges each.

The sandbox serves in threads of the test process, so whoever sends (the test, a killed child, the
command line) passes here, refused and cut requests included. A suite takes part by importing the
fixture into its conftest.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from strict_vendors import klaviyo_document

from sandbox.core import app
from sandbox.core.calls import Call

PREFIX = "/klaviyo"
# Signing in is described in a guide, not in the OpenAPI document; "nowhere" is where a test of a
# wrong address sends its client.
_ELSEWHERE = ("/oauth/", "/nowhere/")


class Witness:
    """How many requests were judged, and what was wrong with them."""

    def __init__(self) -> None:
        self.seen = 0
        self.faults: list[str] = []

    def look(self, scope: Any, path: str, body: bytes = b"") -> Call:
        """Stands in for the making of a `Call`."""
        call = Call(scope, path, body)
        if scope["path"].startswith(PREFIX + "/") and not path.startswith(_ELSEWHERE):
            self.seen += 1
            self.faults += klaviyo_document.faults(
                call.method, path, call.query.multi_items(), dict(call.headers), body
            )
        return call


@pytest.fixture(autouse=True)
def klaviyo_witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Fails a test in which a request departed from Klaviyo's published document."""
    witness = Witness()
    monkeypatch.setattr(app, "Call", witness.look)
    yield witness
    assert not witness.faults, f"requests that Klaviyo's document does not hold: {witness.faults}"
