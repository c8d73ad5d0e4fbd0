"""One installation of the product, typed at like an operator does, pointed at strangers."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from strict_vendors import klaviyo, rule, smile, yotpo
from strict_vendors.shop import NOW, Shop

ROOT = Path(__file__).parents[2]
VENDORS = ("smile", "yotpo", "klaviyo", "rule")
KEYS = (smile.KEY, yotpo.KEY, yotpo.GUID, klaviyo.KEY, rule.KEY)
# Against a command that hangs; a run of half a minute takes minutes on a machine with other work.
HUNG_SECONDS = 1_200
OWN = ("SMILE_", "YOTPO_", "KLAVIYO_", "RULE_", "LOYALTY_", "DAGSTER_", "DBT_", "DLT_")


def settings_for(shop: Shop, vendors: Sequence[str] = VENDORS) -> dict[str, str]:
    """Keys and addresses of the vendors that take part."""
    known = {
        "smile": {"SMILE_API_KEY": smile.KEY, "SMILE_BASE_URL": shop.smile.base_url},
        "yotpo": {
            "YOTPO_GUID": yotpo.GUID,
            "YOTPO_API_KEY": yotpo.KEY,
            "YOTPO_BASE_URL": shop.yotpo.base_url,
        },
        "klaviyo": {"KLAVIYO_API_KEY": klaviyo.KEY, "KLAVIYO_BASE_URL": shop.klaviyo.base_url},
        "rule": {"RULE_API_KEY": rule.KEY, "RULE_BASE_URL": shop.rule.base_url},
    }
    return {name: value for vendor in vendors for name, value in known[vendor].items()}


@dataclass
class Installation:
    """A home and its settings."""

    home: Path
    shop: Shop
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def published(self) -> Path:
        return self.home / "published" / "loyalty.duckdb"

    def environment(self, changed: dict[str, str | None]) -> dict[str, str]:
        wanted = {
            "LOYALTY_HOME": str(self.home),
            "LOYALTY_ENV_FILE": os.devnull,
            "LOYALTY_NOW": NOW.isoformat(),
            **self.settings,
            **changed,
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
        return inherited | {k: v for k, v in wanted.items() if v is not None}

    def start(
        self, *arguments: str, output: Path | None = None, **changed: str | None
    ) -> subprocess.Popen[bytes]:
        """Begin a command in a process group of its own; its output goes to a file."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        file = output or self.home.parent / f"{self.home.name}.out"
        with file.open("wb") as sink:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestration.cli.app", *arguments],
                env=self.environment(changed),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=ROOT,
                start_new_session=True,
            )

    def loyalty(self, *arguments: str, **changed: str | None) -> tuple[int, str]:
        """Type a command: exit code and all that a person sees."""
        file = self.home.parent / f"{self.home.name}.out"
        process = self.start(*arguments, output=file, **changed)
        try:
            code = process.wait(HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise AssertionError(f"loyalty {arguments} hung\n{file.read_text()}") from None
        return code, file.read_text(errors="replace")

    def must(self, *arguments: str, **changed: str | None) -> str:
        """Type a command that has to work."""
        code, shown = self.loyalty(*arguments, **changed)
        log = self.home / "logs" / "last_run.log"
        tail = log.read_text(errors="replace")[-5000:] if code and log.exists() else ""
        assert code == 0, f"loyalty {arguments} ended with {code}\n{shown}\n{tail}"
        return shown

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Query the published file as an analyst does."""
        with duckdb.connect(str(self.published), read_only=True) as connection:
            return connection.execute(query).fetchall()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of a command and everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(120)
