"""`loyalty demo`: what a shop lives through in its first two days, with simulated vendors.

Starts the sandbox and then runs the commands a user would type: a first load, a sync of the same
(nothing may be sent), and a run one day later (only what changed may be sent). What it claims about
requests it asks the sandbox, not the product.
"""

import os
import shutil
import time
from collections.abc import Callable
from functools import partial

import orjson
from rich.console import Console
from rich.rule import Rule

from orchestration.cli import refresh_commands, vendors
from orchestration.home import Home
from orchestration.settings import DESTINATIONS
from vendor_http import LoyaltyError

_LINE_COLUMNS = 80
_COMMAND = ".venv/bin/loyalty"


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
        os.environ.update(sandbox.environment)
        os.environ["LOYALTY_HOME"] = str(home.root)
        os.environ["LOYALTY_ENV_FILE"] = os.devnull  # real keys in .env have no business here
        _chapter(console, "First load", "loyalty run")
        _type(sandbox, refresh_commands.run)
        sent = _written(sandbox)
        _chapter(console, "Once more: nothing changed, so nothing is sent", "loyalty sync")
        _type(sandbox, refresh_commands.sync)
        again = _written(sandbox) - sent
        console.print(f"write requests to Klaviyo and Rule: [bold]{again}[/]\n", highlight=False)
        if again:
            raise LoyaltyError(f"{again} write requests although nothing had changed")
        for _ in range(days):
            happened = sandbox.control("POST", "/clock", {"days": 1})["happened"]
            _chapter(console, "A day later: only what changed is sent", "loyalty run --brief")
            console.print(f"in the shop: {vendors.sentence(happened)}\n", highlight=False)
            _type(sandbox, partial(refresh_commands.run, brief=True))
    console.print(f"Done in {time.monotonic() - started:.0f} s. What now:", highlight=False)
    for what, command in (
        ("the runs, the lineage, the checks", "make dev"),
        ("let a day pass in the shop", f"{_COMMAND} sandbox --advance 1"),
        ("see what a sync would send", f"{_COMMAND} --sandbox plan"),
        ("send it", f"{_COMMAND} --sandbox run"),
        ("your own shop", "keys into .env (see .env.example), another LOYALTY_HOME, make run"),
    ):
        console.print(f"  {what:<34} [bold]{command}[/]", highlight=False)


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


def _type(sandbox: vendors.Sandbox, command: Callable[[], None]) -> None:
    """Do what a user's command does, by the sandbox's clock."""
    os.environ["LOYALTY_NOW"] = str(sandbox.control("GET", "")["now"])
    command()


def _written(sandbox: vendors.Sandbox) -> int:
    """Write requests that the simulated destinations have received so far."""
    counts = sandbox.control("GET", "/requests")
    return sum(int(counts[name]["writes"]) for name in DESTINATIONS)


def _chapter(console: Console, title: str, command: str) -> None:
    line = Rule(f"[bold]{title}[/]", align="left", style="dim")
    console.print(line, width=min(console.width, _LINE_COLUMNS))
    console.print(f"[dim]$ {command}[/]", highlight=False)
