"""The `loyalty` command: registers its commands; what they do lives elsewhere.

Exit codes: 0 done (single rejected rows included, and said so) · 1 something failed, explained in
one line · 2 the command was not understood.
"""

import os
from typing import Annotated

import typer
from rich.markup import escape

from orchestration.cli.base import app, errors, widen
from orchestration.home import Home
from orchestration.settings import load_settings
from vendor_http import LoyaltyError

# Importing them registers their commands, in the order of `loyalty --help`.
# isort: off
from orchestration.cli import refresh_commands  # noqa: F401
from orchestration.cli import delivery_commands  # noqa: F401
from orchestration.cli import reconcile_commands  # noqa: F401
from orchestration.cli import people_commands  # noqa: F401
from orchestration.cli import account_commands  # noqa: F401
from orchestration.cli import tool_commands  # noqa: F401
from orchestration.cli import webhook_commands  # noqa: F401
from orchestration.cli import serve_commands  # noqa: F401
from orchestration.cli import backup_commands  # noqa: F401
from orchestration.cli import alert_commands  # noqa: F401
# isort: on


@app.callback()
def options(
    context: typer.Context,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="use the simulated vendors of the demo")
    ] = False,
) -> None:
    """Options before the command."""
    widen()
    if sandbox:
        from orchestration.cli import vendors

        home = Home(load_settings().home)
        use = context.with_resource(vendors.sandbox(home))
        os.environ.update(use.environment)
        os.environ.setdefault("LOYALTY_NOW", use.control("GET", "")["now"])


def main() -> None:
    """Entry point: errors of ours become one line and exit code 1."""
    try:
        app()
    except LoyaltyError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001 - people get one line, developers the file
        from orchestration.cli.unexpected import explain

        errors.print(f"[red]error:[/] {escape(explain(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        errors.print("stopped; what was already done stays done")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
