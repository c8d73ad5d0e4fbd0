"""A backup: what cannot be made anew from LOYALTY_HOME, in one archive, taken while all goes on.

    loyalty-20261122T033000Z.tar.zst
        warehouse.duckdb, audited.duckdb, published/, tombstones.json, inbox/, dlt/, dagster/ …
        ledger.duckdb     read last, so that it knows of every delivery the others tell of
        manifest.json     size and SHA-256 of each file before it; without it the archive is torn

Extraction goes on meanwhile; loads, builds and publishing wait for the writer's slot. Not in it:
keys and tokens (they stay in the environment and in the key store), what the tools make again, what
was extracted and not loaded yet, and the simulated vendors, for a backup never holds the vendors.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from dlt_sources.inbox.segments import OPEN, appending
from orchestration.archive import Archive, Say
from orchestration.home import Home
from orchestration.inbox import exclusive_inbox
from orchestration.programs import programs
from orchestration.slot import writer_slot
from reverse_etl.file_rewrite import to_disk
from reverse_etl.ledger import Ledger
from vendor_http import LoyaltyError

NAME = re.compile(r"loyalty-\d{8}T\d{6}Z\.tar\.zst")
# Of this machine, of the tools, or of the vendors.
LEFT_OUT = frozenset(
    {"locks", "connections", "sandbox", "logs", "dbt", "spool", "simulations", "restoring.json"}
)
INBOX = "inbox"
REPLACED = "replaced-"  # homes that a restore moved aside
_PARTS = (".duckdb", ".wal")
_DRAFTS = (".new", ".erasing", ".erased")  # of files that are about to take another's place
_OF_SQLITE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class BackedUp:
    """A backup that is whole and on the disk.

    Attributes:
        files: what is in it.
        size_bytes: of the archive.
        deleted: older archives that went because of `keep`.
    """

    path: Path
    files: int
    size_bytes: int
    deleted: tuple[Path, ...]


def back_up(home: Home, folder: Path, say: Say, keep: int | None = None) -> BackedUp:
    """Write an archive into `folder`; there is a whole one under its name, or none.

    Args:
        say: told what is going on.
        keep: so many of the newest archives stay, this one included; None = all.

    Raises:
        LoyaltyError: there is nothing to back up, something else kept the warehouse or the ledger,
            or the folder does not take it.
    """
    if not (home.warehouse.exists() or home.ledger.exists()):
        raise LoyaltyError(f"{home.root} holds nothing to back up yet")
    if folder.is_relative_to(home.root):
        raise LoyaltyError(f"{folder} is inside {home.root}; a backup belongs on another disk")
    target = folder / f"loyalty-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.zst"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in folder.glob(".loyalty-*.new"):  # of a backup that was killed
            leftover.unlink()
        with tempfile.TemporaryDirectory(dir=folder, prefix=".loyalty-staging-") as staging:
            files = _write(home, target, Path(staging), say)
        deleted = tuple(_delete_old(folder, keep)) if keep else ()
    except OSError as error:
        why = error.strerror or str(error)
        raise LoyaltyError(
            f"{folder} does not take the backup ({why}); earlier backups are as they were"
        ) from None
    return BackedUp(target, files, target.stat().st_size, deleted)


def _write(home: Home, target: Path, staging: Path, say: Say) -> int:
    for old in target.parent.glob(".loyalty-staging-*"):
        if old != staging:
            shutil.rmtree(old, ignore_errors=True)
    with _appearing(target) as file:
        archive = Archive(file)
        with archive:
            with ExitStack() as stack:
                for program in programs():
                    stack.enter_context(exclusive_inbox(home, program, say))
                say("waiting for the warehouse")
                stack.enter_context(writer_slot(home, say=say))
                for name, path in [*_inbox_files(home, staging), *_files(home)]:
                    if path.suffix == ".duckdb":
                        say(f"reading {name}")
                    archive.add(name, path, staging)
            if home.ledger.exists():
                say("reading the ledger")
                for copy in _copy_ledger(home, staging):
                    archive.add(copy.name, copy, staging)
        return len(archive.files)


def _inbox_files(home: Home, staging: Path) -> Iterator[tuple[str, Path]]:
    """The webhooks, while their loader waits and their receiver goes on.

    Only the open segment grows, and it may be sealed under another name at any moment: it is copied
    under the receiver's lock, at the moment in which the others are listed.
    """
    for folder in sorted((home.root / INBOX).glob("*/")):
        with appending(folder):
            found = [path for path in sorted(folder.rglob("*")) if _is_wanted(path)]
            if (folder / OPEN).exists():
                shutil.copyfile(folder / OPEN, staging / folder.name)
        for path in found:
            is_open = path == folder / OPEN
            yield str(path.relative_to(home.root)), staging / folder.name if is_open else path


def _files(home: Home) -> Iterator[tuple[str, Path]]:
    """All else but the ledger."""
    for top in sorted(home.root.iterdir()):
        name = top.name
        if name in {*LEFT_OUT, INBOX} or name.startswith((".", REPLACED, home.ledger.name)):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if _is_wanted(path):
                yield str(path.relative_to(home.root)), path


def _is_wanted(path: Path) -> bool:
    name = path.name
    return (
        not name.endswith((".lock", *_DRAFTS, *_OF_SQLITE))
        and not path.is_symlink()
        and (path.is_file() or path.is_dir())
    )


def _copy_ledger(home: Home, staging: Path) -> list[Path]:
    """The ledger between two transactions; copied first, for syncs wait two minutes at most."""
    ledger = Ledger(home.ledger)
    with ledger.open():  # takes in what a killed sync left in the log beside it
        pass
    with ledger.locked():
        present = [file for file in home.root.glob(f"{home.ledger.name}*") if file.suffix in _PARTS]
        for file in present:
            shutil.copyfile(file, staging / file.name)
    return [staging / file.name for file in present]


@contextmanager
def _appearing(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is whole and on the disk; else no trace of it."""
    new = target.with_name(f".{target.name}.new")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
        to_disk(target.parent)
    finally:
        new.unlink(missing_ok=True)


def archives(folder: Path) -> list[Path]:
    """Backups in a folder, oldest first."""
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))


def _delete_old(folder: Path, keep: int) -> Iterator[Path]:
    for path in archives(folder)[:-keep]:
        path.unlink()
        yield path
