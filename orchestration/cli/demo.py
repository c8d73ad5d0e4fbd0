"""`loyalty demo`: what a shop lives through in its first two days, with simulated vendors.

Starts the sandbox and then types the commands a user would type: a first load, the same again
(nothing may be sent), and one day later (only what changed may be sent). What it claims about
requests it asks the sandbox, not the product.
"""

import os
import shutil
import subprocess
import sys
import time

import orjson
from rich.console import Console

from orchestration.cli import vendors
from orchestration.home import Home
from orchestration.settings import DESTINATIONS
from vendor_http import LoyaltyError


def run_demo(console: Console, home: Home, customers: int, days: int) -> None:
    """Show it all; every part is real but the vendors.

    Raises:
        LoyaltyError: the folder holds real data, or a command of the demo failed.
    """
    started = time.monotonic()
    _start_over(home)
    console.print(
        f"[bold]The loyalty warehouse, with simulated vendors[/] ({customers:,} customers of a "
        f"real purchase history; request limits raised {vendors.LIMITS_SCALE} times)\n",
        highlight=False,
    )
    with vendors.sandbox(home, customers) as sandbox:
        _chapter(console, "First load", "loyalty run")
        _loyalty(sandbox, "run")
        sent = _written(sandbox)
        _chapter(console, "The same again: nothing changed, so nothing is sent", "loyalty run")
        _loyalty(sandbox, "run", quiet=True)
        again = _written(sandbox) - sent
        console.print(f"  write requests to Klaviyo and Rule: [bold]{again}[/]", highlight=False)
        if again:
            raise LoyaltyError(f"{again} write requests although nothing had changed")
        for _ in range(days):
            happened = sandbox.control("POST", "/clock", {"days": 1})["happened"]
            _chapter(console, "A day later", "loyalty run")
            console.print(f"  in the shop: {vendors.sentence(happened)}", highlight=False)
            _loyalty(sandbox, "run")
    console.print(
        f"Done in {time.monotonic() - started:.0f} s. [bold]make dev[/] opens the Dagster UI on "
        f"all of this; [bold]{_command()} --sandbox plan[/] shows what a sync would send; "
        "keys of your own go into .env (see .env.example).",
        highlight=False,
    )


def _start_over(home: Home) -> None:
    """Empty a folder that holds nothing but an earlier trial."""
    file = home.root / "vendors.json"
    if file.exists():
        worlds = orjson.loads(file.read_bytes())
        if "real" in worlds.values():
            raise LoyaltyError(
                f"{home.root} holds data of real vendors; the demo would erase it. "
                "Set LOYALTY_HOME to another folder for the demo"
            )
        if vendors.find(home) is not None:
            raise LoyaltyError(
                f"A sandbox is running on {home.root} (make dev, or loyalty sandbox); stop it first"
            )
        shutil.rmtree(home.root)
    elif home.warehouse.exists():
        raise LoyaltyError(
            f"{home.root} holds a warehouse that is not the demo's. "
            "Set LOYALTY_HOME to another folder for the demo"
        )


def _loyalty(sandbox: vendors.Sandbox, *arguments: str, quiet: bool = False) -> None:
    """Run the command as a user would, on the sandbox and by the sandbox's clock."""
    settings = {
        **os.environ,
        **sandbox.environment,
        "LOYALTY_NOW": str(sandbox.control("GET", "")["now"]),
        "LOYALTY_ENV_FILE": os.devnull,  # real keys in .env have no business here
    }
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "orchestration.cli.app", *arguments],
        env=settings,
        stdout=subprocess.PIPE if quiet else None,
        check=False,
    )
    if done.returncode:
        if quiet and done.stdout:
            sys.stdout.buffer.write(done.stdout)
        raise LoyaltyError(f"loyalty {' '.join(arguments)} ended with {done.returncode}, see above")


def _written(sandbox: vendors.Sandbox) -> int:
    """Write requests that the simulated destinations have received so far."""
    counts = sandbox.control("GET", "/requests")
    return sum(int(counts[name]["writes"]) for name in DESTINATIONS)


def _chapter(console: Console, title: str, command: str) -> None:
    console.rule(f"[bold]{title}[/]", align="left", style="dim")
    console.print(f"[dim]$ {command}[/]", highlight=False)


def _command() -> str:
    return ".venv/bin/loyalty"
