"""The whole product against the sandbox: everything real but the vendors."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.home import Home
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

ROOT = Path(__file__).parents[2]
# Big enough for every tier and reward to occur, small enough for a run of seconds.
CUSTOMERS = 400
# Against a command that hangs; a run of seconds takes minutes on a machine with other work.
COMMAND_SECONDS = 900
FAST = {"SMILE_REQUESTS_PER_SECOND": "2000", "YOTPO_REQUESTS_PER_SECOND": "2000"}
VENDOR_PREFIXES = ("SMILE_", "YOTPO_", "KLAVIYO_", "RULE_", "LOYALTY_", "DAGSTER_", "DBT_")


@dataclass
class Shop:
    """One installation: a home, its settings, and the simulated vendors behind it."""

    home: Path
    sandbox: RunningSandbox
    settings: dict[str, str] = field(default_factory=dict)

    def loyalty(
        self, *arguments: str, check: bool = True, **settings: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Type a command; None takes a setting away."""
        done = self.python("-m", "orchestration.cli.app", *arguments, **settings)
        if check and done.returncode:
            log = self.home / "logs" / "last_run.log"
            tail = log.read_text(errors="replace")[-4000:] if log.exists() else ""
            pytest.fail(f"loyalty {arguments} ended with {done.returncode}\n{done.stderr}\n{tail}")
        return done

    def python(self, *arguments: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
        """Run Python as this installation; None takes a setting away."""
        wanted = {**self.settings, **settings}
        return subprocess.run(
            [sys.executable, *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(VENDOR_PREFIXES)},
                **{k: v for k, v in wanted.items() if v is not None},
            },
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=COMMAND_SECONDS,
        )

    def day_passes(self) -> dict[str, int]:
        """A day in the shop, and on the product's clock."""
        happened: dict[str, int] = self.sandbox.control.advance(1)["happened"]
        self.settings["LOYALTY_NOW"] = self.sandbox.control.now().isoformat()
        return happened

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Query the published file as an analyst does."""
        file = self.home / "published" / "loyalty.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def writes(self) -> int:
        """Write requests to both destinations since the last reset."""
        control = self.sandbox.control
        return sum(int(control.requests(name)["writes"]) for name in ("klaviyo", "rule"))


def open_shop(folder: Path, sandbox: RunningSandbox) -> Shop:
    """An installation with all four keys, not run yet."""
    return Shop(
        home=folder,
        sandbox=sandbox,
        settings={
            **sandbox.environment,
            **FAST,
            "LOYALTY_HOME": str(folder),
            "LOYALTY_ENV_FILE": os.devnull,
            "LOYALTY_NOW": sandbox.control.now().isoformat(),
        },
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop after its first full run."""
    config = SandboxConfig(customers=CUSTOMERS, limits_scale=200)
    with running(config) as sandbox:
        opened = open_shop(tmp_path_factory.mktemp("shop") / "home", sandbox)
        opened.loyalty("run")
        yield opened


def files_with(home: Home, text: str) -> list[str]:
    """Files of an installation, the simulated vendors apart, in which a text stands."""
    return [
        str(path.relative_to(home.root))
        for path in home.root.rglob("*")
        if path.is_file()
        and home.sandbox not in path.parents
        and text.encode() in path.read_bytes()
    ]
