"""`loyalty dev`: the Dagster UI and daemon on this installation's state."""

from contextlib import ExitStack

from rich.console import Console

from orchestration.cli import children, serving, vendors
from orchestration.home import Home
from orchestration.settings import Settings
from vendor_http import LoyaltyError

HOST = "127.0.0.1"


def serve_ui(console: Console, settings: Settings, port: int) -> None:
    """Serve until interrupted; with the sandbox behind it when no vendor is configured.

    Raises:
        LoyaltyError: the port is taken, this home's UI runs already, or Dagster gave up.
    """
    home = Home(settings.home)
    home.prepare()
    serving.require_free(HOST, port, "loyalty dev --port 3001")
    with ExitStack() as stack:
        stack.enter_context(children.interrupted_by_signals())
        stack.enter_context(serving.only_ui(home))
        environment = {
            **serving.dagster_environment(home, settings),
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
    return [
        *(serving.program("dagster"), "dev", "-w", str(serving.WORKSPACE)),
        *("-h", HOST, "-p", str(port)),
    ]
