"""A DuckDB of one plan's own, in memory; what does not fit there lies in a folder for the moment.

The folder holds e-mails and payloads. It goes when the plan is closed, and what a killed process
left goes when the next plan is made: a lock tells whether its owner still lives.
"""

import itertools
import os
import shutil
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

# A plan of a million new people with two kilobytes each is three times this; the rest is spilled.
_MEMORY = "600MB"
_NUMBERS = itertools.count()


class Scratch:
    """One scratch DuckDB; close it to forget what it holds.

    Args:
        folder: where it may spill; made when it is missing, one subfolder per scratch.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_orphans(folder)
        self._spill = folder / f"{os.getpid()}-{next(_NUMBERS)}"
        self._lock = FileLock(f"{self._spill}.lock", thread_local=False)
        self._lock.acquire()
        self.connection = duckdb.connect(
            ":memory:", config={"memory_limit": _MEMORY, "temp_directory": str(self._spill)}
        )
        self.connection.execute("set timezone = 'UTC'")

    def close(self) -> None:
        """Forget everything; a second time does nothing."""
        self.connection.close()
        if self._lock.is_locked:
            _remove(self._spill, self._lock)


def _remove_orphans(folder: Path) -> None:
    for path in folder.glob("*.lock"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue  # its owner works
        _remove(path.with_suffix(""), lock)


def _remove(spill: Path, lock: FileLock) -> None:
    """Folder and lock of a scratch that nobody uses; the lock is ours."""
    shutil.rmtree(spill, ignore_errors=True)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
