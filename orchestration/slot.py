"""The writer's slot: one process at a time opens the warehouse, and whoever blocks it is named.

DuckDB lets one process write a file and shuts readers out meanwhile, so everything of ours that
opens `warehouse.duckdb` first takes a file lock. A foreign process (somebody's DuckDB shell) holds
DuckDB's own lock instead: that is probed with bounded retries and then reported by name.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
from filelock import FileLock, Timeout
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
)

from orchestration.home import Home
from vendor_http import LoyaltyError

SLOT_WAIT_SECONDS = 30 * 60  # the longest build or load that a run waits for
_QUIET_WAIT_SECONDS = 1.0  # two steps that meet for a moment are not worth a word
FOREIGN_WAIT_SECONDS = 60  # somebody looking into the build file; then the run says who

# How a line begins that tells whom a step waits for; whoever shows progress shows it at once.
WAITING = "waiting for "

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
    say: Callable[[str], None] = _log.info,
) -> Iterator[Path]:
    """Hold the right to open the warehouse; yields its path.

    Args:
        say: told whom it waits for, and how long at most.

    Raises:
        SlotTakenError: another part of this product, or a foreign process (named), kept it.
    """
    home.prepare()
    with exclusive(home, "warehouse", "the warehouse", wait_seconds, say):
        _wait_for_foreigners(home.warehouse, foreign_wait_seconds, say)
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
        say: told whom it waits for, and how long at most.
    """
    lock = FileLock(home.lock(name))
    try:
        try:
            lock.acquire(timeout=min(_QUIET_WAIT_SECONDS, wait_seconds))
        except Timeout:
            say(_whom(home.lock(name), what, wait_seconds))
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


def _wait_for_foreigners(warehouse: Path, seconds: float, say: Callable[[str], None]) -> None:
    if not warehouse.exists():
        return
    is_told = False

    def tell(state: RetryCallState) -> None:
        nonlocal is_told
        if is_told or (state.seconds_since_start or 0) < min(_QUIET_WAIT_SECONDS, seconds / 2):
            return
        is_told = True
        holder = _foreigner(warehouse, state.outcome.exception() if state.outcome else None)
        say(f"{WAITING}{warehouse.name}, which {holder} has open, for {_at_most(seconds)}")

    tries = Retrying(
        retry=retry_if_exception(_is_lock_conflict),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.1, max=5),
        before_sleep=tell,
    )
    try:
        tries(_open_and_close, warehouse)
    except RetryError as error:
        holder = _foreigner(warehouse, error.last_attempt.exception())
        raise SlotTakenError(
            f"{warehouse} is open in {holder}. Close it there and run again; people "
            f"read {warehouse.parent / 'published' / 'loyalty.duckdb'} instead"
        ) from None


def _open_and_close(warehouse: Path) -> None:
    duckdb.connect(str(warehouse)).close()


def _is_lock_conflict(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "lock" in str(error).lower()


def _whom(lock: Path, what: str, seconds: float) -> str:
    """Whom a step waits for; of the steps of one run, which take turns, none is worth a name."""
    holder = _other_process(lock)
    if holder is not None and holder.info["ppid"] == os.getppid():
        return f"{what} is in use by another step of this run"
    name = _in_words(holder) if holder else "another run"
    return f"{WAITING}{what}, which {name} is using, for {_at_most(seconds)}"


def _at_most(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} minutes at most" if minutes > 1 else f"{seconds:.0f} s at most"


def _foreigner(warehouse: Path, error: BaseException | None) -> str:
    """Who has the warehouse open; DuckDB's `error` names also whom this user may not look into."""
    if told := _HOLDER.search(str(error)):
        program, pid = told.groups()
        try:
            user = f", user {psutil.Process(int(pid)).username()}"
        except psutil.Error:
            user = ""
        return f"process {pid} ({Path(program).name}{user})"
    holder = _other_process(warehouse)
    return _in_words(holder) if holder else "a process that this user cannot see"


def _in_words(process: psutil.Process) -> str:
    """A process as a person would look for it."""
    info = process.info
    return f"process {info['pid']} ({info['name']}, user {info['username']})"


def _other_process(file: Path) -> psutil.Process | None:
    """Another process that has `file` open, its `info` filled; None = none that is to be seen."""
    file = file.resolve()
    for process in psutil.process_iter(["pid", "name", "username", "ppid"]):
        try:
            if process.pid != os.getpid() and any(
                Path(opened.path) == file for opened in process.open_files()
            ):
                return process
        except psutil.Error:
            continue  # gone, or not ours to look into
    return None
