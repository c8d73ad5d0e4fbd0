"""`loyalty dev`: the Dagster UI and daemon on this installation's state."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from orchestration.cli import vendors
from orchestration.home import Home
from orchestration.runner import prepare_dagster
from orchestration.settings import Settings
from vendor_http import LoyaltyError

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


def serve_ui(console: Console, settings: Settings, port: int) -> None:
    """Serve until interrupted; with the sandbox behind it when no vendor is configured."""
    home = Home(settings.home)
    home.prepare()
    prepare_dagster(home)
    environment = {**os.environ, "DAGSTER_HOME": str(home.dagster), "LOYALTY_HOME": str(home.root)}
    program = shutil.which("dagster", path=str(Path(sys.executable).parent))
    if program is None:
        raise LoyaltyError("The dagster command is missing; run make env")
    with ExitStack() as stack:
        if vendors.needs_sandbox(settings):
            sandbox = stack.enter_context(vendors.sandbox(home))
            environment |= sandbox.environment
            environment.setdefault("LOYALTY_NOW", str(sandbox.control("GET", "")["now"]))
            console.print(
                f"No keys in .env: simulated vendors at {sandbox.base_url}", highlight=False
            )
        console.print(f"Dagster UI: http://127.0.0.1:{port}  (Ctrl-C ends it)", highlight=False)
        command = [program, "dev", "-w", str(WORKSPACE), "-h", "127.0.0.1", "-p", str(port)]
        with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - fixed command
            try:
                code = process.wait()
            except KeyboardInterrupt:
                code = process.wait(30)
        if code not in (0, -2, 130):
            raise LoyaltyError(f"dagster dev ended with {code}; its output is above")
