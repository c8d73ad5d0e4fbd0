"""After a restore: whoever was erased since the backup is erased from what it brought back.

Tombstones hold hashes only, so people are found by hashing the addresses in the restored tables.
The vendors are left alone: they were cleared when the person was erased.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.erasure import forget
from orchestration.home import Home
from orchestration.settings import DESTINATIONS, Settings
from orchestration.tombstones import Tombstones


def erase_again(settings: Settings, home: Home, now: datetime, say: Callable[[str], None]) -> int:
    """Erase the people of tombstones wherever they are found; people erased."""
    tombstones = Tombstones.read(home)
    found = sorted({email for email in _addresses(home) if tombstones.of_email(email)})
    for number, email in enumerate(found, 1):
        say(f"erasing again who was erased before, {number} of {len(found)}")
        forget(email, settings, home, now, say, leave_at=DESTINATIONS)
    return len(found)


def _addresses(home: Home) -> Iterator[str]:
    for file, table in (
        (home.ledger, "profiles"),
        (home.ledger, "events"),
        (home.audited, "marts.dim_members"),
    ):
        yield from _column(file, table)


def _column(file: Path, table: str) -> Iterator[str]:
    if not file.exists():
        return
    with duckdb.connect(str(file), read_only=True) as connection:
        try:
            rows = connection.execute(f"select distinct email from {table}").fetchall()
        except duckdb.CatalogException:  # of an earlier release
            return
    yield from (str(row[0]) for row in rows if row[0])
