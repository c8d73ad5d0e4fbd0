"""A DuckDB file replaced by one without what was deleted: not in any table, not in any byte.

DuckDB keeps the bytes of deleted rows until their place is used again, so a file that must forget
is written anew. Owns that a crash leaves the old file or the new one, never a mixture. Must not
know what is deleted, nor who may open the file: the caller holds its lock.

    old file -> copy (deleted from, in one transaction) -> new file (tables copied) -> rename
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_COPY, _NEW = "erasing", "erased"


@contextmanager
def rewriting(
    path: Path, storage_version: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of `path` to delete from; at the end it takes its place, compact and on disk.

    Needs room for twice the file. Readers that have the old file open keep it.

    Args:
        path: an existing DuckDB file that nobody writes meanwhile.
        storage_version: of the new file, as DuckDB names it; None = DuckDB's usual one.
    """
    drop_drafts(path)
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)  # rows that a killed process spilled
    copy, new = _draft(path, _COPY), _draft(path, _NEW)
    try:
        _settle(path)
        shutil.copyfile(path, copy)
        with duckdb.connect(str(copy)) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute("begin")
            yield connection
            connection.execute("commit")
        _copy(copy, new, storage_version)
        to_disk(new)
        new.replace(path)
        to_disk(path.parent)
    finally:
        drop_drafts(path)


def drop_drafts(path: Path) -> None:
    """Remove what a rewriting that was killed left beside the file."""
    for kind in (_COPY, _NEW):
        draft = _draft(path, kind)
        for leftover in (draft, draft.with_name(f"{draft.name}.wal")):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(f"{draft}.tmp", ignore_errors=True)


def _settle(path: Path) -> None:
    """Bring what a killed process left in the write-ahead log into the file."""
    if path.with_name(f"{path.name}.wal").exists():
        with duckdb.connect(str(path)) as connection:
            connection.execute("checkpoint")


def _copy(source: Path, target: Path, storage_version: str | None) -> None:
    version = f" (storage_version '{storage_version}')" if storage_version else ""
    with duckdb.connect() as connection:
        connection.execute(f"attach {_text(source)} as source (read_only)")
        connection.execute(f"attach {_text(target)} as target{version}")
        connection.execute("copy from database source to target")
        connection.execute("detach target")  # checkpoints: the file is complete on disk


def _draft(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}")


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
