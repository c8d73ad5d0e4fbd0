"""The writer's slot: one process at a time opens the warehouse, and whoever blocks it is named.

DuckDB lets one process write a file and shuts readers out meanwhile, so everything of ours that
opens `warehouse.duckdb` first takes a file lock. A foreign process (somebody's DuckDB shell) holds
DuckDB's own lock instead: that is probed with bounded retries and then reported by name.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from orchestration.home import Home
from vendor_http import LoyaltyError

SLOT_WAIT_SECONDS = 30 * 60  # the longest build or load that a run waits for
_QUIET_WAIT_SECONDS = 1.0  # two steps that meet for a moment are not worth a word
FOREIGN_WAIT_SECONDS = 60  # somebody looking into the build file; then the run says who

_HOLDER = re.compile(r"lock is held in (\S+) \(PID (\d+)\)")

_log = logging.getLogger(__name__)


class SlotTakenError(LoyaltyError):
    """The warehouse stayed in use longer than a run waits."""


@contextmanager
def writer_slot(
    home: Home,
    *,
    wait_seconds: float = SLOT_WAIT_SECONDS,
    foreign_wait_seconds: float = FOREIGN_WAIT_SECONDS,
) -> Iterator[Path]:
    """Hold the right to open the warehouse; yields its path.

    Raises:
        SlotTakenError: another part of this product, or a foreign process (named), kept it.
    """
    home.prepare()
    with exclusive(home, "warehouse", "the warehouse", wait_seconds):
        _wait_for_foreigners(home.warehouse, foreign_wait_seconds)
        yield home.warehouse


@contextmanager
def exclusive(
    home: Home,
    name: str,
    what: str,
    wait_seconds: float,
    say: Callable[[str], None] = _log.info,
) -> Iterator[None]:
    """Let one process at a time do `name`; the lock falls with the process that held it.

    Args:
        say: told when there is somebody to wait for.
    """
    lock = FileLock(home.lock(name))
    try:
        try:
            lock.acquire(timeout=min(_QUIET_WAIT_SECONDS, wait_seconds))
        except Timeout:
            say(f"waiting for {what}, which another run is using")
            lock.acquire(timeout=max(0.0, wait_seconds - _QUIET_WAIT_SECONDS))
    except Timeout:
        raise SlotTakenError(
            f"{what} was in use by another run for {wait_seconds:.0f} s; "
            "let that run end, or stop it, and run again"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _wait_for_foreigners(warehouse: Path, seconds: float) -> None:
    if not warehouse.exists():
        return
    tries = Retrying(
        retry=retry_if_exception(_is_lock_conflict),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.1, max=5),
    )
    try:
        tries(_open_and_close, warehouse)
    except RetryError as error:
        holder = _holder(warehouse, str(error.last_attempt.exception()))
        raise SlotTakenError(
            f"{warehouse} is open in {holder}. Close it there and run again; people "
            f"read {warehouse.parent / 'published' / 'loyalty.duckdb'} instead"
        ) from None


def _open_and_close(warehouse: Path) -> None:
    duckdb.connect(str(warehouse)).close()


def _is_lock_conflict(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error).lower()


def _holder(file: Path, complaint: str) -> str:
    """The process that has `file` open, as a person would look for it.

    Args:
        complaint: what DuckDB said; it knows also processes into which this user may not look.
    """
    if told := _HOLDER.search(complaint):
        program, pid = told.groups()
        try:
            user = f", user {psutil.Process(int(pid)).username()}"
        except psutil.Error:
            user = ""
        return f"process {pid} ({Path(program).name}{user})"
    file = file.resolve()
    for process in psutil.process_iter(["pid", "name", "username"]):
        try:
            if any(Path(opened.path) == file for opened in process.open_files()):
                info = process.info
                return f"process {info['pid']} ({info['name']}, user {info['username']})"
        except psutil.Error:
            continue  # gone, or not ours to look into
    return "a process that this user cannot see"
