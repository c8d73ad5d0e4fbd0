"""What survives a restart: the clock, and the state of vendors that keep any.

One JSON file per part under `state_dir`, written next to its place and moved over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from sandbox.core.app import VendorApp
from sandbox.core.clock import SandboxClock
from sandbox.core.errors import SandboxError

CLOCK = "clock"


def _path(state_dir: Path, name: str) -> Path:
    return state_dir / f"{name}.json"


def _read(state_dir: Path | None, name: str) -> Any:
    if state_dir is None or not _path(state_dir, name).exists():
        return None
    try:
        return orjson.loads(_path(state_dir, name).read_bytes())
    except orjson.JSONDecodeError as error:
        raise SandboxError(
            f"{_path(state_dir, name)} is not readable; delete it to start afresh."
        ) from error


def _write(state_dir: Path, name: str, value: Any) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    path = _path(state_dir, name)
    fresh = path.with_suffix(".json.new")
    fresh.write_bytes(orjson.dumps(value))
    fresh.replace(path)


def starting_point(state_dir: Path | None, wanted: date | None, newest: date) -> tuple[date, int]:
    """The clock's first day and how many days to pass at once.

    A kept clock goes on where it stood. Without a wanted day it also catches up with the real
    one. A wanted day other than the kept first day begins anew.
    """
    kept = _read(state_dir, CLOCK)
    if kept is None:
        return wanted or newest, 0
    start, today = date.fromisoformat(kept["start"]), date.fromisoformat(kept["today"])
    if wanted is not None and wanted != start:
        return wanted, 0
    if wanted is None:
        today = max(today, newest)
    return start, (today - start).days


def load_vendors(state_dir: Path | None, vendors: Mapping[str, VendorApp]) -> None:
    for name, vendor in vendors.items():
        state = _read(state_dir, name)
        if state is not None:
            vendor.load_state(state)


def save(state_dir: Path | None, clock: SandboxClock, vendors: Mapping[str, VendorApp]) -> None:
    """Keep the clock and every vendor's state; does nothing without a `state_dir`."""
    if state_dir is None:
        return
    for name, vendor in vendors.items():
        state = vendor.save_state()
        if state is not None:
            _write(state_dir, name, state)
    _write(state_dir, CLOCK, {"start": str(clock.start), "today": str(clock.today)})
