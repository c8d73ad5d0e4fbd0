"""`loyalty plan`: what a sync would send, counted, with samples; e-mails are masked."""

from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from orchestration.activate import declared, plan
from orchestration.home import Home
from orchestration.programs import clock
from orchestration.settings import Settings
from reverse_etl.results import OPERATIONS

_VALUES_SHOWN = 6


def show_plans(
    console: Console, settings: Settings, home: Home, destinations: list[str], samples: int
) -> None:
    """Print one plan per destination."""
    now = clock(settings, datetime.now(UTC))()
    for name in destinations:
        with plan(declared(name), settings, home, now) as planned:
            console.print(_counts(name, planned.counts))
            if planned.is_empty:
                console.print("  nothing to send\n", highlight=False)
                continue
            console.print(f"  {planned.size_bytes():,} bytes of payload", highlight=False)
            for sample in planned.samples(samples):
                console.print(_sample(sample), highlight=False, markup=False)
            console.print()


def _counts(destination: str, counts: dict[str, int]) -> Table:
    table = Table(title=destination, title_justify="left", box=None, padding=(0, 2))
    names = [*OPERATIONS, *(name for name in counts if name not in OPERATIONS)]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*(f"{counts[name]:,}" for name in names))
    return table


def _sample(sample: dict[str, Any]) -> str:
    if sample["reason_code"]:
        return f"  refused {mask(sample['email'])}: {sample['reason_code']}"
    values = list(orjson.loads(sample["patch"]).items())
    shown = ", ".join(f"{name} = {value!r}" for name, value in values[:_VALUES_SHOWN])
    more = f", and {len(values) - _VALUES_SHOWN} more" if len(values) > _VALUES_SHOWN else ""
    return f"  {sample['operation']:<7}{mask(sample['email'])}: {shown}{more}"


def mask(email: str) -> str:
    """An e-mail that the person behind the screen can recognise and nobody else can use."""
    local, at, domain = email.rpartition("@")
    shown = local[:2] if len(local) > len("name") else ""
    return f"{shown}***@{domain}" if at else "***"
