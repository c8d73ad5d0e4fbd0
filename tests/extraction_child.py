"""Runs of a source in processes that can be killed (see `nursery`).

A run does what the product does: recover, read history, extract, pack, load. A step is a file of
its home being opened, renamed or removed, or a statement to DuckDB.
"""

import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import nursery

PHASES = ("commit", "pack", "load")
_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
_NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


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


def extractions() -> nursery.Nursery:
    """Processes that extract."""
    return nursery.Nursery(Path(__file__))


def _watch_files(steps: nursery.Steps, home: str) -> None:
    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and arguments and str(arguments[0]).startswith(home):
            steps.step()

    sys.addaudithook(audit)


def _watch_statements(steps: nursery.Steps) -> None:
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

    execute = DuckDbSqlClient.execute_query

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        steps.step()
        return execute(self, *arguments, **named)

    DuckDbSqlClient.execute_query = counted  # type: ignore[method-assign]


def _play(job: Job, steps: nursery.Steps) -> dict[str, int]:
    from loyalty_fakes import vendor_client, vendor_source, vendor_tables

    from dlt_sources import loading
    from dlt_sources.extraction import CommitPolicy, extract
    from dlt_sources.history import read_history
    from dlt_sources.pipeline import build_pipeline

    if job.file_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_bytes, resource.RLIM_INFINITY))
    loading.PACKAGE_ROWS = job.package_rows
    _watch_files(steps, job.home)
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


def _prepare(values: dict[str, Any]) -> tuple[Job, nursery.Steps, Callable[[], dict[str, int]]]:
    job = Job(**values)
    steps = nursery.Steps(job.kill_phase, job.kill_step)
    return job, steps, partial(_play, job, steps)


def main() -> None:
    """Serve runs."""
    import duckdb  # noqa: F401 -- imported before the first fork
    import loyalty_fakes  # noqa: F401

    import dlt_sources.changes  # noqa: F401

    nursery.serve(_prepare)


if __name__ == "__main__":
    main()
