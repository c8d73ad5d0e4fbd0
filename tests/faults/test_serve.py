"""`loyalty serve` as a service manager sees it: ready, restarted, stopped or killed; no trace."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orchestration.cli.vendors import free_port
from sandbox.config import SandboxConfig
from sandbox.server import running
from tests.integration.conftest import open_shop

pytestmark = [pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
PATIENT_SECONDS = 900.0  # half a minute on a quiet machine, a minute for a whole run
SECRET = "known to the shop and to Yotpo"


def until(condition: Callable[[], bool], what: str, output: Path) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen:\n{output.read_text()[-3000:]}"
        time.sleep(0.2)


def belongings(home: Path) -> dict[int, str]:
    """Command line by pid of all processes that work on this home."""
    found = {}
    for process in psutil.process_iter(["cmdline", "status"]):
        try:
            if process.environ().get("LOYALTY_HOME") == str(home) and process.info["cmdline"]:
                found[process.pid] = " ".join(process.info["cmdline"])
        except psutil.Error:
            continue
    return found


@contextmanager
def served(
    environment: Mapping[str, str], port: int, output: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """`loyalty serve`; what is left of it at the end is killed."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.app", "serve", "--port", str(port)],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Plays the service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENT_SECONDS)
        yield listener


def test_it_gets_ready_mends_itself_and_stops_without_a_trace(
    tmp_path: Path, manager: socket.socket
) -> None:
    home, output = tmp_path / "home", tmp_path / "output.txt"
    ui, hooks = (free_port(0) for _ in range(2))
    environment = {
        **os.environ,
        "LOYALTY_HOME": str(home),
        "LOYALTY_WEBHOOK_PORT": str(hooks),
        "YOTPO_WEBHOOK_SECRET": SECRET,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
    }
    with served(environment, ui, output) as process:
        assert manager.recv(1000).startswith(b"READY=1")
        assert answers(f"http://127.0.0.1:{ui}/server_info")
        assert answers(f"http://127.0.0.1:{hooks}/health")
        posted = httpx.post(
            f"http://127.0.0.1:{hooks}/webhooks/yotpo",
            json={"topic": "swell/points/earned"},
            headers={"Authorization": SECRET},
        )
        assert posted.is_success
        said = output.read_text()
        assert f"http://127.0.0.1:{ui}" in said
        assert SECRET not in said

        second = subprocess.run(
            [sys.executable, "-m", "orchestration.cli.app", "dev", "--port", str(free_port(0))],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "already open" in second.stderr

        for kind in ("dagster-webserver", "webhooks --host", "api grpc"):
            pid = next(pid for pid, line in belongings(home).items() if kind in line)
            os.kill(pid, signal.SIGKILL)
        until(lambda: output.read_text().count("is started again") == 3, "restarts", output)
        until(lambda: answers(f"http://127.0.0.1:{ui}/server_info"), "the UI again", output)
        until(lambda: answers(f"http://127.0.0.1:{hooks}/health"), "the receiver again", output)
        until(lambda: _knows_the_location(ui), "the code location again", output)

        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENT_SECONDS) == 0, output.read_text()[-3000:]
        assert b"STOPPING=1" in manager.recv(1000)
        assert "Traceback" not in output.read_text()
        until(lambda: not belongings(home), "the end of all its processes", output)


def _knows_the_location(port: int) -> bool:
    """Whether the UI has the code location's jobs, which it gets from the code server."""
    query = "{workspaceOrError{...on Workspace{locationEntries{locationOrLoadError{__typename}}}}}"
    try:
        entries = asked(port, query)["workspaceOrError"]["locationEntries"]
        return [e["locationOrLoadError"]["__typename"] for e in entries] == ["RepositoryLocation"]
    except (httpx.TransportError, KeyError, TypeError):
        return False


def asked(port: int, query: str) -> Any:
    """What the UI's own interface answers."""
    return httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=60).json()[
        "data"
    ]


LAUNCH = """
mutation {launchRun(executionParams: {runConfigData: {}, selector: {
  repositoryLocationName: "loyalty", repositoryName: "__repository__",
  jobName: "refresh_loyalty_job"
}}) {__typename ...on LaunchRunSuccess{run{runId}}}}
"""


def launched(port: int) -> str:
    """The id of a refresh that Dagster itself executes."""
    return str(asked(port, LAUNCH)["launchRun"]["run"]["runId"])


def state_of(port: int, run: str) -> tuple[str, list[str]]:
    """State of a run, and of each of its steps that began."""
    query = f'{{runOrError(runId: "{run}"){{...on Run{{status stepStats{{status}}}}}}}}'
    found = asked(port, query)["runOrError"]
    return found["status"], [step["status"] for step in found["stepStats"]]


@pytest.mark.slow
def test_killed_itself_it_leaves_no_process_and_its_run_is_closed_when_it_serves_again(
    tmp_path: Path,
) -> None:
    """kill -9 of the supervisor alone while Dagster executes a refresh."""
    port, home = free_port(0), tmp_path / "home"
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    with running(SandboxConfig(customers=60, limits_scale=200)) as sandbox:
        shop = open_shop(home, sandbox)
        shop.settings["LOYALTY_WEBHOOK_PORT"] = str(free_port(0))
        environment = {**os.environ, **shop.settings}
        with served(environment, port, first) as process:
            until(lambda: "ready: Dagster UI" in first.read_text(), "readiness", first)
            run = launched(port)
            until(lambda: "SUCCESS" in state_of(port, run)[1], "the first step's end", first)
            process.kill()
            until(lambda: not belongings(home), "the end of all its processes", first)

        with served(environment, port, second):
            until(lambda: "ready: Dagster UI" in second.read_text(), "readiness", second)
            assert "1 runs whose process had ended were closed as failed" in second.read_text()
            assert state_of(port, run)[0] == "FAILURE"
            again = launched(port)
            until(lambda: state_of(port, again)[0] in ("SUCCESS", "FAILURE"), "its end", second)
            assert state_of(port, again)[0] == "SUCCESS"
    assert shop.ask("select count(*) > 0 from marts.dim_members") == [(True,)]
