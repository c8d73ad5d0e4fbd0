"""The ledger as a file: who may open it, and when.

Every use takes the file lock, opens the file, does one short transaction and closes it again, so
that syncs in several processes share one ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from reverse_etl.ledger_schema import migrate
from vendor_http import LoyaltyError

LOCK_SECONDS = 120.0


class LedgerBusyError(LoyaltyError):
    """Another process held the ledger for too long."""


@dataclass(frozen=True)
class Scope:
    """Whose rows: one destination and object."""

    destination: str
    object_name: str

    def __str__(self) -> str:
        return f"{self.destination}/{self.object_name}"


class LedgerFile:
    """One ledger file.

    Args:
        path: `ledger.duckdb`; made on first use. The lock is the file beside it, `.lock`.
        lock_seconds: how long to wait for another process.
    """

    def __init__(self, path: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = Path(path)
        self._lock_seconds = lock_seconds
        self._syncs: dict[Scope, FileLock] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path.name})"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger against other processes and threads.

        Raises:
            LedgerBusyError: nobody let go within the lock time.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", timeout=self._lock_seconds)
        try:
            lock.acquire()
        except Timeout:
            raise LedgerBusyError(
                f"{self.path.name} is in use by another process for more than "
                f"{self._lock_seconds:.0f} s. Wait for the other sync to end, then run again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def exclusive(self, scope: Scope, wait_seconds: float = 0.0) -> Iterator[None]:
        """One sync per destination and object at a time; the same thread may enter again.

        Raises:
            LedgerBusyError: another sync of this destination is running.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{self.path.stem}.{scope.destination}.{scope.object_name}.lock"
        lock = self._syncs.setdefault(scope, FileLock(self.path.parent / name))
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise LedgerBusyError(
                f"another sync of {scope} is running. Wait for it to end, then run again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The open file, migrated, in one transaction; commits unless an error passes."""
        with self.locked(), duckdb.connect(str(self.path)) as connection:
            connection.execute("set timezone = 'UTC'")
            migrate(connection)
            connection.execute("begin")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")


def utc(moment: datetime) -> datetime:
    """Naive UTC, as the ledger stores it.

    Raises:
        ValueError: the moment has no zone, so nobody could say when it was.
    """
    if moment.tzinfo is None:
        raise ValueError("now needs a time zone, use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None)
