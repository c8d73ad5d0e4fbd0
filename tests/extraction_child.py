"""Runs of a source in processes of their own, which can be killed at any moment.

`Nursery` starts one helper that imports everything once and forks a process per run, so that a kill
costs no start of Python. A run does what the product does: recover, read history, extract, pack,
load. It dies by SIGKILL from outside (`on_start` hears its pid), or by its own hand right before
the n-th step of a phase: a step is a file of its home being opened, renamed or removed, or a
statement to DuckDB.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PHASES = ("commit", "pack", "load")
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
_NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
_ENDS_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        kill_phase: dies in this phase ("" = never), right before step `kill_step`.
        file_bytes: no file may grow beyond; 0 = as it is.
    """

    vendor: str
    environment: dict[str, str]
    home: str
    chunk_rows: int = 20_000
    package_rows: int = 500_000
    kill_phase: str = ""
    kill_step: int = 0
    file_bytes: int = 0


@dataclass(frozen=True)
class Ended:
    """How a run ended; `steps` and `error` are known of one that was not killed."""

    killed: bool
    error: str = ""
    message: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


class Nursery:
    """Starts runs, one at a time."""

    def __enter__(self) -> Self:
        here = Path(__file__)
        paths = [str(here.parent), str(here.parents[1])]
        self._helper = subprocess.Popen(
            [sys.executable, str(here)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._helper.kill()
        self._helper.communicate()

    def run(self, job: Job, on_start: Callable[[int], None] | None = None) -> Ended:
        """Start a run and wait for its end."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(asdict(job)) + "\n")
        pid = int(self._helper.stdout.readline())
        patience = threading.Timer(_ENDS_WITHIN_SECONDS, os.kill, (pid, signal.SIGABRT))
        patience.start()
        if on_start is not None:
            on_start(pid)
        ended = json.loads(self._helper.stdout.readline())
        patience.cancel()
        assert ended["signal"] in (0, signal.SIGKILL), f"{job} did not end: {ended}"
        if ended["signal"]:
            return Ended(killed=True)
        return Ended(killed=False, **json.loads(result_file(job).read_text()))


def result_file(job: Job) -> Path:
    """Where a run that was not killed says how it ended; outside its home."""
    return Path(job.home).with_suffix(".result")


class _Steps:
    """Counts the steps of the present phase and ends the process at the one that was ordered."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._home = job.home
        self.phase = ""
        self.taken: Counter[str] = Counter()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and arguments and str(arguments[0]).startswith(self._home):
            self.step()

    def step(self) -> None:
        self.taken[self.phase] += 1
        job = self._job
        if self.phase == job.kill_phase and self.taken[self.phase] == job.kill_step:
            os.kill(os.getpid(), signal.SIGKILL)


def _watch_statements(steps: _Steps) -> None:
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    execute = DuckDbSqlClient.execute_query

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        steps.step()
        return execute(self, *arguments, **named)

    DuckDbSqlClient.execute_query = counted  # type: ignore[method-assign]


def _play(job: Job, steps: _Steps) -> dict[str, int]:
    from loyalty_fakes import vendor_client, vendor_source, vendor_tables

    from dlt_sources import loading
    from dlt_sources.extraction import CommitPolicy, extract
    from dlt_sources.history import read_history
    from dlt_sources.pipeline import build_pipeline

    if job.file_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_bytes, resource.RLIM_INFINITY))
    loading.PACKAGE_ROWS = job.package_rows
    sys.addaudithook(steps.audit)
    _watch_statements(steps)
    home = Path(job.home)
    warehouse, spool_folder = home / "warehouse.duckdb", home / "spool" / job.vendor
    pipeline = build_pipeline(job.vendor, warehouse, home / "dlt")
    tables = vendor_tables(job.vendor)
    steps.phase = "load"
    loading.recover(pipeline, tables, spool_folder, "daily")
    steps.phase = "commit"
    history = read_history(warehouse, job.vendor, job.vendor)
    with vendor_client(job.vendor, job.environment) as client:
        spool = extract(
            vendor_source(job.vendor, client, history=history),
            spool_folder,
            program=job.vendor,
            extract_id=1,
            clock=lambda: _NOW,
            present=history.present,
            policy=CommitPolicy(rows=job.chunk_rows),
        )
    steps.phase = "pack"
    loading.pack(pipeline, tables, spool)
    steps.phase = "load"
    rows = loading.load(pipeline, tables, spool)
    steps.phase = ""
    return dict(rows)


def _run(job: Job) -> None:
    steps = _Steps(job)
    result: dict[str, Any] = {}
    try:
        result["rows"] = _play(job, steps)
    except Exception as error:  # noqa: BLE001 -- told to the parent
        result |= {"error": type(error).__name__, "message": str(error)}
    steps.phase = ""
    result_file(job).write_text(json.dumps({**result, "steps": dict(steps.taken)}))


def main() -> None:
    """Fork a run per line of standard input; its pid and its end go to standard output."""
    import duckdb  # noqa: F401 -- imported before the first fork
    import loyalty_fakes  # noqa: F401

    import dlt_sources.changes  # noqa: F401

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(Job(**json.loads(line)))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        sys.stdout.write(json.dumps({"signal": ended}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
