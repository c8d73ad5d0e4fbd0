"""`loyalty dev` on a small simulated shop, and a real browser in front of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from orchestration.cli.vendors import free_port

ROOT = Path(__file__).parents[2]
CUSTOMERS = "300"
START_SECONDS = 500  # half a minute, on a machine that has nothing else to do
STOP_SECONDS = 120
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CLEAN = re.compile(r"^(SMILE|YOTPO|KLAVIYO|RULE|LOYALTY|DAGSTER|DBT|DLT)_")


def until(
    condition: Callable[[], bool], seconds: float, what: str, output: Path | None = None
) -> None:
    """Wait for a condition, with a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            said = output.read_text()[-3000:] if output else ""
            pytest.fail(f"{what}: not within {seconds:.0f} s\n{said}")
        time.sleep(0.1)


@dataclass
class Ui:
    """A running `loyalty dev`."""

    process: "subprocess.Popen[bytes]"
    base_url: str
    home: Path
    output: Path

    def belongings(self) -> list[str]:
        """Command lines of all processes that work on this home."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                if process.environ().get("LOYALTY_HOME") == str(self.home):
                    found.append(" ".join(process.info["cmdline"] or []))
            except psutil.Error:
                continue
        return [command for command in found if command]

    def end(self, number: signal.Signals) -> int:
        """Send a signal to `loyalty dev` alone; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def browser_path() -> str:
    """The browser; none = skip, or fail where LOYALTY_REQUIRE_BROWSER=1 says that it must be."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    message = f"no browser: none of {', '.join(BROWSERS)} is installed"
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)  # on a user's machine; CI sets REQUIRED, so that there it fails


# Read when the tests are collected: each test's environment is clean of it.
REQUIRED = os.environ.get("LOYALTY_REQUIRE_BROWSER") == "1"


@pytest.fixture(scope="module")
def ui(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """`loyalty dev` without any key, so with the sandbox behind it."""
    folder = tmp_path_factory.mktemp("ui")
    home = folder / "home"
    (home / "sandbox").mkdir(parents=True)
    (home / "sandbox" / "customers.txt").write_text(CUSTOMERS)
    port = free_port(0)
    environment = {k: v for k, v in os.environ.items() if not CLEAN.match(k)}
    environment |= {"LOYALTY_HOME": str(home), "LOYALTY_ENV_FILE": os.devnull}
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.app", "dev", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    running = Ui(process, f"http://127.0.0.1:{port}", home, output)
    try:
        until(lambda: _answers(running), START_SECONDS, "the Dagster UI", output)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def _answers(running: Ui) -> bool:
    if running.process.poll() is not None:
        pytest.fail(f"loyalty dev ended:\n{running.output.read_text()[-3000:]}")
    try:
        return httpx.get(f"{running.base_url}/server_info", timeout=5).is_success
    except httpx.TransportError:
        return False
