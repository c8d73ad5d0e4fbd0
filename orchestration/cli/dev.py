"""`loyalty dev`: the Dagster UI and daemon on this installation's state."""

import os
import shutil
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from orchestration.cli import children, vendors
from orchestration.home import Home
from orchestration.runner import prepare_dagster
from orchestration.settings import Settings
from vendor_http import LoyaltyError

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
HOST = "127.0.0.1"


def serve_ui(console: Console, settings: Settings, port: int) -> None:
    """Serve until interrupted; with the sandbox behind it when no vendor is configured.

    Raises:
        LoyaltyError: the port is taken, this home's UI runs already, or Dagster gave up.
    """
    home = Home(settings.home)
    home.prepare()
    _require_free(port)
    prepare_dagster(home)
    with ExitStack() as stack:
        stack.enter_context(children.interrupted_by_signals())
        try:  # a second daemon on the same storage would start every scheduled run twice
            stack.enter_context(FileLock(home.lock("dev"), blocking=False))
        except Timeout:
            raise LoyaltyError(f"`loyalty dev` is already open on {home.root}") from None
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(home.dagster),
            "LOYALTY_HOME": str(home.root),
            # `dg dev` wants a project of its own making; that is not the operator's concern
            "PYTHONWARNINGS": "ignore:Function `dev_command` is superseded",
        }
        if vendors.needs_sandbox(settings):
            sandbox = stack.enter_context(vendors.sandbox(home))
            environment |= sandbox.environment
            environment.setdefault("LOYALTY_NOW", str(sandbox.control("GET", "")["now"]))
            console.print(
                f"No keys in .env: simulated vendors at {sandbox.base_url}", highlight=False
            )
        console.print(
            f"Dagster UI: http://{HOST}:{port} in half a minute  (Ctrl-C ends it)", highlight=False
        )
        process = children.start(_command(port), environment)
        stack.callback(children.stop, process)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            console.print("ending …", highlight=False)
            return
        raise LoyaltyError(f"dagster dev ended by itself with {code}; its output is above")


def _command(port: int) -> list[str]:
    program = shutil.which("dagster", path=str(Path(sys.executable).parent))
    if program is None:
        raise LoyaltyError("The dagster command is missing; run make env")
    return [program, "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(port)]


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise LoyaltyError(
                f"Port {port} cannot be used ({getattr(error, 'strerror', None) or error}); "
                "end what listens there, or choose another: loyalty dev --port 3001"
            ) from None
