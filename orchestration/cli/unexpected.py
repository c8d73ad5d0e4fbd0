"""Errors nobody foresaw: one line for people, the traceback in a file, no e-mail in either."""

import traceback
from contextlib import suppress

from orchestration.home import Home
from orchestration.masking import masked, without_addresses
from orchestration.settings import load_settings
from vendor_http import LoyaltyError

# What the system, SQLite and DuckDB say when a write finds no room.
_NO_ROOM = ("no space left", "disk is full", "disk i/o error", "file too large", "could not write")


def explain(error: Exception) -> str:
    """What happened, in one line, and where the traceback is (best effort: a disk may be full)."""
    where = ""
    with suppress(OSError, LoyaltyError):
        file = Home(load_settings().home).root / "logs" / "last_error.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(without_addresses("".join(traceback.format_exception(error))))
        where = f". The traceback is in {file}"
    lines = str(error).strip().splitlines() or [""]
    text = masked(f"{type(error).__name__}: {lines[0]}", 300)
    room = ""
    if any(sign in str(error).lower() for sign in _NO_ROOM):
        room = ". Is the disk full? Make room and run again; what was published is untouched"
    return text + room + where
