"""The ledger as a file: who may open it, and when.

Every use takes the file lock, opens the file, does one short transaction and closes it again, so
that syncs in several processes share one ledger. A sync that writes one transaction after another
stays (`lingering`) until somebody else asks.
"""

import shutil
import threading
import time
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
# A sync's own share of memory; what does not fit lies beside the file for the moment. Batches are
# a few megabytes and folds some fifty, so that this is met in the export of a large ledger only.
_MEMORY = "512MB"
# Written between two checkpoints, some twenty-five of Klaviyo's batches; read again after a kill.
_CHECKPOINT = "128MB"
# While a sync lingers: how often it looks for others, how long it stays without use, and how long
# it lets somebody who waits go first.
_WATCH_SECONDS = 0.05
_ASK_SECONDS = 0.5
_IDLE_SECONDS = 2.0
_GIVE_WAY_SECONDS = 1.0


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
        self._wanted = Path(f"{self.path}.wanted")
        self._mutex = threading.RLock()
        self._is_lingering = False
        self._used_at = 0.0
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock: FileLock | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path.name})"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger against other processes and threads.

        Raises:
            LedgerBusyError: nobody let go within the lock time.
        """
        with self._mutex:
            self._let_go()  # also what this process keeps open
            lock = self._acquire()
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
        with self._mutex:
            connection = self._connect()
            connection.execute("begin")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            else:
                connection.execute("commit")
            finally:
                self._used_at = time.monotonic()
                if not self._is_lingering:
                    self._let_go()

    @contextmanager
    def lingering(self) -> Iterator[None]:
        """Keep the file open between transactions while nobody else asks for it.

        Opening and closing DuckDB costs more than a batch's transaction. Whoever waits for the lock
        says so with a file beside it; then, and after a moment without use, the file is closed, by
        a thread of its own because the sync may be waiting for a vendor.
        """
        stop = threading.Event()
        watch = threading.Thread(target=self._watch, args=(stop,), name="ledger", daemon=True)
        self._is_lingering = True
        watch.start()
        try:
            yield
        finally:
            stop.set()
            watch.join()
            self._is_lingering = False
            with self._mutex:
                self._let_go()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(_WATCH_SECONDS):
            is_idle = time.monotonic() - self._used_at > _IDLE_SECONDS
            if self._connection is not None and (is_idle or self._wanted.exists()):
                with self._mutex:
                    self._let_go()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            lock = self._acquire()
            try:
                # Left by a process that was killed: nobody else can be using it.
                shutil.rmtree(f"{self.path}.tmp", ignore_errors=True)
                connection = duckdb.connect(str(self.path), config={"memory_limit": _MEMORY})
                try:
                    connection.execute("set timezone = 'UTC'")
                    connection.execute(f"set checkpoint_threshold = '{_CHECKPOINT}'")
                    migrate(connection)
                except BaseException:
                    connection.close()
                    raise
            except BaseException:
                lock.release()
                raise
            self._connection, self._lock = connection, lock
        return self._connection

    def _let_go(self) -> None:
        connection, lock = self._connection, self._lock
        self._connection = self._lock = None
        if connection is not None and lock is not None:
            try:
                connection.close()
            finally:
                lock.release()

    def _acquire(self) -> FileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", thread_local=False)
        if self._is_lingering:
            self._give_way()
        deadline = time.monotonic() + self._lock_seconds
        is_asked_for = False
        try:
            while True:
                left = deadline - time.monotonic()
                try:
                    lock.acquire(timeout=max(0.0, min(left, _ASK_SECONDS)) if is_asked_for else 0.0)
                except Timeout:
                    if left <= 0:
                        raise LedgerBusyError(
                            f"{self.path.name} is in use by another process for more than "
                            f"{self._lock_seconds:.0f} s. Wait for the other sync to end, then run "
                            "again"
                        ) from None
                else:
                    return lock
                self._wanted.touch()  # again and again: another who waited removes it too
                is_asked_for = True
        finally:
            if is_asked_for:
                self._wanted.unlink(missing_ok=True)

    def _give_way(self) -> None:
        """Let somebody who waits go first; a moment only, for the file may be a dead one's."""
        deadline = time.monotonic() + _GIVE_WAY_SECONDS
        while self._wanted.exists() and time.monotonic() < deadline:
            time.sleep(_WATCH_SECONDS)


def utc(moment: datetime) -> datetime:
    """Naive UTC, as the ledger stores it.

    Raises:
        ValueError: the moment has no zone, so nobody could say when it was.
    """
    if moment.tzinfo is None:
        raise ValueError("now needs a time zone, use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None)
