"""`loyalty serve`: code server, Dagster UI, daemon and webhook receiver, supervised together.

    code      loads the code location once and executes runs; UI and daemon ask it, so neither of
              them takes a run with it when it crashes
    ui        dagster-webserver
    daemon    dagster-daemon: schedules, sensors, the queue of runs
    webhooks  `loyalty webhooks`, where a secret for it is set

All four end with this process, however it ends (see `children`). The code server listens at a
socket in a folder of this user: whoever reaches it can start runs.
"""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from rich.console import Console

from orchestration.cli import children, serving
from orchestration.cli.notify import ServiceManager
from orchestration.cli.supervisor import Part, Patience, Supervisor
from orchestration.cli.webhook_commands import (
    not_configured,
    takes_webhooks,
    webhook_sources,
)
from orchestration.home import Home
from orchestration.settings import Settings

_PROBE_SECONDS = 2.0
_SOCKET = "code.sock"
_WORKSPACE = """\
load_from:
  - grpc_server:
      socket: {socket}
      location_name: loyalty
"""


@dataclass(frozen=True)
class Addresses:
    """Where `serve` listens."""

    ui_host: str
    ui_port: int
    webhook_host: str
    webhook_port: int

    @property
    def ui(self) -> str:
        """The UI's address."""
        return f"http://{serving.place(self.ui_host, self.ui_port)}"

    @property
    def webhooks(self) -> str:
        """The receiver's address, without a path."""
        return f"http://{serving.place(self.webhook_host, self.webhook_port)}"


def serve(
    console: Console, settings: Settings, addresses: Addresses, patience: Patience | None = None
) -> None:
    """Serve until a signal says stop.

    Raises:
        LoyaltyError: a port is taken, this home's UI runs already, or a part crashed too often.
    """
    home = Home(settings.home)
    home.prepare()
    receives = takes_webhooks(settings)
    refused = [] if receives else not_configured(settings)  # else the receiver says it
    for line in (*settings.left_out(), *refused, *warnings(addresses, receives)):
        _say(console, f"[yellow]{line}[/]", markup=True)
    manager = ServiceManager()  # before the children's environment is made from ours
    with children.interrupted_by_signals(), serving.only_ui(home), _folder() as folder:
        serving.require_free(addresses.ui_host, addresses.ui_port, "loyalty serve --port 3001")
        if receives:
            serving.require_free(
                addresses.webhook_host, addresses.webhook_port, "loyalty serve --webhook-port 8771"
            )
        environment = {**serving.dagster_environment(home, settings), "PYTHONUNBUFFERED": "1"}
        parts = _parts(addresses, folder, receives=receives)
        parts[0] = replace(parts[0], before_start=lambda: _tidy(home, folder, environment, console))
        supervisor = Supervisor(
            parts,
            environment,
            lambda line: _say(console, line),
            patience,
        )

        def ready() -> None:
            for line in _open(addresses, webhook_sources(settings)):
                _say(console, line)
            manager.tell(READY="1", STATUS=f"Dagster UI at {addresses.ui}")

        _say(console, "starting; the code location takes half a minute to load")
        try:
            supervisor.run(ready, lambda: manager.tell(STOPPING="1"))
        except KeyboardInterrupt:
            _say(console, "stopped; what was already done stays done")


def warnings(addresses: Addresses, receives: bool) -> list[str]:
    """What somebody should know who opens a port to others."""
    lines = []
    if addresses.ui_host not in serving.LOOPBACK:
        lines.append(
            f"the Dagster UI listens at {addresses.ui_host} and asks nobody for a password: who "
            "reaches it can start runs that write to the vendors. Put a proxy with a login in "
            "front of it"
        )
    if receives and addresses.webhook_host not in serving.LOOPBACK:
        lines.append(
            f"webhooks are taken at {addresses.webhook_host} in plain HTTP: put a proxy with TLS "
            "in front of it"
        )
    return lines


def _open(addresses: Addresses, sources: Sequence[str]) -> list[str]:
    lines = [f"ready: Dagster UI at {addresses.ui}  (Ctrl-C ends it)"]
    for source in sources:
        lines.append(f"ready: webhooks of {source} at {addresses.webhooks}/webhooks/{source}")
    return lines


def _parts(addresses: Addresses, folder: Path, *, receives: bool) -> list[Part]:
    code, workspace = folder / _SOCKET, folder / "workspace.yaml"
    workspace.write_text(_WORKSPACE.format(socket=code))
    parts = [
        Part(
            "code",
            [
                # Not `code-server start`: that one goes on without an answer when the process it
                # keeps for the code is killed.
                *(serving.program("dagster"), "api", "grpc", "--socket", str(code)),
                *("--module-name", "orchestration.definitions", "--location-name", "loyalty"),
                # An error in the settings is shown in the UI; webhooks are taken all the same.
                *("--lazy-load-user-code", "--log-level", "warning"),
            ],
            is_ready=lambda: _connects(code),
        ),
        Part(
            "ui",
            [
                *(serving.program("dagster-webserver"), "--workspace", str(workspace)),
                *("--host", addresses.ui_host, "--port", str(addresses.ui_port)),
            ],
            is_ready=lambda: _answers(f"{_reachable(addresses.ui)}/server_info"),
            needs="code",
        ),
        Part(
            "daemon",
            [
                *(serving.program("dagster-daemon"), "run", "--workspace", str(workspace)),
                *("--log-level", "warning"),  # else every look of every sensor is a line
            ],
            needs="code",
        ),
    ]
    if receives:
        parts.append(
            Part(
                "webhooks",
                [
                    *(sys.executable, "-m", "orchestration.cli.app", "webhooks"),
                    *("--host", addresses.webhook_host, "--port", str(addresses.webhook_port)),
                ],
                is_ready=lambda: _answers(f"{_reachable(addresses.webhooks)}/health"),
            )
        )
    return parts


def _tidy(home: Home, folder: Path, environment: Mapping[str, str], console: Console) -> None:
    """After a code server that ended, close the runs it was executing and drop its socket."""
    (folder / _SOCKET).unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "orchestration.stranded", str(home.root)],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,  # the UI opens all the same, and shows them as they are
    )
    for line in (done.stdout or done.stderr).splitlines()[-1:]:
        _say(console, f"runs: {line}")


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of this user for the socket; short, for a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="loyalty-") as folder:
        yield Path(folder)


def _connects(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        probe.connect(str(path))
        return True
    return False


def _answers(address: str) -> bool:
    try:
        httpx.get(address, timeout=_PROBE_SECONDS, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def _reachable(address: str) -> str:
    """Where this machine reaches what listens at every address."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _say(console: Console, line: str, *, markup: bool = False) -> None:
    console.print(line, highlight=False, markup=markup, soft_wrap=True)
