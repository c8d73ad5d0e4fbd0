"""The simulated vendors behind a command: start the sandbox, or use the one that runs already."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from orchestration.cli import children
from orchestration.home import Home
from orchestration.settings import Settings
from sandbox.config import SHOP_CUSTOMERS
from sandbox.credentials import environment
from vendor_http import LoyaltyError

DEFAULT_PORT = 8765
# The simulated limits are the vendors' own times this; at true limits the first load of Yotpo's
# histories (one request per member, 5 a second) would take an hour.
LIMITS_SCALE = 100
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that answers, and the settings that point the product at it."""

    base_url: str
    environment: dict[str, str]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control API (`/_sandbox…`); parsed answer."""
        response = httpx.request(method, f"{self.base_url}/_sandbox{path}", json=body, timeout=60)
        response.raise_for_status()
        return response.json()


def at(base_url: str) -> Sandbox:
    """The sandbox at an address, with the request rates that its scaled limits allow."""
    return Sandbox(
        base_url,
        {
            **environment(base_url),
            "SMILE_REQUESTS_PER_SECOND": str(10 * LIMITS_SCALE),
            "YOTPO_REQUESTS_PER_SECOND": str(10 * LIMITS_SCALE),
            "RULE_REQUESTS_PER_TEN_MINUTES": str(2_000 * LIMITS_SCALE),
        },
    )


@contextmanager
def sandbox(home: Home, customers: int | None = None, port: int = 0) -> Iterator[Sandbox]:
    """A running sandbox whose state lies under `home`; one that runs there already is shared."""
    home.prepare()
    running = find(home)
    if running is not None:
        yield running
        return
    home.sandbox.mkdir(parents=True, exist_ok=True)
    log = home.sandbox / "log.txt"
    command = [sys.executable, "-m", "sandbox", "--port", str(port or free_port())]
    command += ["--state", str(home.sandbox), "--limits-scale", str(LIMITS_SCALE)]
    command += ["--customers", str(_shop_size(home, customers))]
    with log.open("ab") as output:
        process = children.start(command, {**os.environ, "PYTHONUNBUFFERED": "1"}, output)
    base_url = f"http://127.0.0.1:{command[4]}"
    try:
        _wait(process, base_url, log)
        _address_file(home).write_bytes(orjson.dumps({"base_url": base_url, "pid": process.pid}))
        yield at(base_url)
    finally:
        _address_file(home).unlink(missing_ok=True)
        children.stop(process)  # the sandbox saves its state and ends


def serve(home: Home, arguments: list[str]) -> int:
    """Serve in the foreground with options of `python -m sandbox`; its exit code.

    `loyalty --sandbox …` finds it, unless its state lies elsewhere.

    Raises:
        LoyaltyError: one runs for this home already; two would write one state.
    """
    home.sandbox.mkdir(parents=True, exist_ok=True)
    is_ours = "--state" not in arguments
    if is_ours:
        if running := find(home):
            raise LoyaltyError(f"A sandbox runs at {running.base_url} already; stop it first")
        arguments = [*arguments, "--state", str(home.sandbox)]
    if "--customers" not in arguments:
        arguments = [*arguments, "--customers", str(_shop_size(home, None))]
    if "--port" not in arguments:
        arguments = [*arguments, "--port", str(free_port())]
    if "--limits-scale" not in arguments:
        arguments = [*arguments, "--limits-scale", str(LIMITS_SCALE)]
    command = [sys.executable, "-m", "sandbox", *arguments]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own module
        if is_ours:
            base_url = f"http://127.0.0.1:{arguments[arguments.index('--port') + 1]}"
            address = {"base_url": base_url, "pid": process.pid}
            _address_file(home).write_bytes(orjson.dumps(address))
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait(30)
        finally:
            if is_ours:
                _address_file(home).unlink(missing_ok=True)


def sentence(happened: dict[str, int]) -> str:
    """What the shop's customers did, in words."""
    return ", ".join(
        f"{count:,} {what.replace('_', ' ')}" for what, count in happened.items() if count
    )


def find(home: Home) -> Sandbox | None:
    """The sandbox that runs for this home, if one answers."""
    file = _address_file(home)
    if not file.exists():
        return None
    base_url = str(orjson.loads(file.read_bytes())["base_url"])
    return at(base_url) if _answers(base_url) else None


def needs_sandbox(settings: Settings) -> bool:
    """Whether no vendor at all is configured, so that a trial makes sense."""
    return not any(settings.has_key(vendor) for vendor in ("smile", "yotpo", "klaviyo", "rule"))


def free_port(wanted: int = DEFAULT_PORT) -> int:
    """`wanted`, or any free port when somebody has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LoyaltyError("This machine has no free port for the sandbox")


def _shop_size(home: Home, wanted: int | None) -> int:
    """How many customers the shop of this home has; decided when it first opens."""
    file = home.sandbox / "customers.txt"
    if wanted is None and file.exists():
        return int(file.read_text())
    size = SHOP_CUSTOMERS if wanted is None else wanted
    file.write_text(str(size))
    return size


def _address_file(home: Home) -> Path:
    return home.sandbox / "address.json"


def _wait(process: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(base_url):
            return
        time.sleep(0.1)
    raise LoyaltyError(f"The sandbox did not start; its output is in {log}")


def _answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/_sandbox", timeout=2).is_success
    except httpx.TransportError:
        return False
