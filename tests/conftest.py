"""What every test gets: no outside network, a clean environment, its own LOYALTY_HOME.

A test that needs a vendor talks to the sandbox (or to a server of its own) on loopback; a
connection anywhere else fails at once with the address in the message.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
OWN_PREFIXES = ("LOYALTY_", "SMILE_", "YOTPO_", "KLAVIYO_", "RULE_", "DAGSTER_", "DBT_", "DLT_")

# Examples are the same in every run and may take their time; `make soak` looks for new ones.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", patient)
settings.register_profile("repeatable", patient, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting leaks in from the machine; state goes into the test's own folder."""
    for name in list(os.environ):
        if name.startswith(OWN_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOYALTY_ENV_FILE", os.devnull)  # a developer's real keys stay out
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "loyalty_home"))
    monkeypatch.setenv("TZ", "America/Los_Angeles")  # nothing may depend on the machine's zone


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise OSError(f"tests may not connect to {address[0]}; use the sandbox")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()
