"""Ends what has been kept long enough: one row per kind of thing, each with its setting.

Ages are of the machine's clock, never of LOYALTY_NOW, which may look years ahead. Whatever is in
use at the moment is left for the next time. Never deleted: tombstones, and what the ledger knows of
people and of told events, for without them the erased come back and vendors are written to twice.
docs/personal_data.md tells the same to people; a test holds the two together.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
from filelock import FileLock, Timeout

from dlt_sources.declarations import QUARANTINE
from dlt_sources.inbox.draining import delete_old
from orchestration.home import Home
from orchestration.programs import programs
from orchestration.restore import drop_replaced
from orchestration.settings import Settings
from orchestration.slot import writer_slot
from reverse_etl.ledger import Ledger
from reverse_etl.ledger_retention import delete_records

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PAGE = 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """What a row works with; `before` is the oldest moment that is kept."""

    home: Home
    instance: dg.DagsterInstance
    before: datetime
    days: int


def enforce(
    settings: Settings, home: Home, instance: dg.DagsterInstance, now: datetime, say: Say
) -> dict[str, int]:
    """Delete what is older than its setting allows; kind -> things that went.

    Args:
        now: the real time, aware.
        say: told what went, kind by kind.

    Raises:
        LoyaltyError: the warehouse or the ledger stayed in use.
    """
    gone = {}
    for kind, (field, delete) in KINDS.items():
        days = int(getattr(settings, field))
        count = delete(Work(home, instance, now - timedelta(days=days), days))
        gone[kind] = count
        if count:
            say(f"{kind}: {count:,} older than {days} days deleted")
    return gone


def _webhooks(work: Work) -> int:
    return sum(delete_old(work.home.inbox(program.source), work.days) for program in programs())


def _runs(work: Work) -> int:
    """Runs that ended, with their events and what their steps printed."""
    old = dg.RunsFilter(statuses=_ENDED, created_before=work.before)
    gone = 0
    while found := work.instance.get_run_records(old, limit=_PAGE):
        for record in found:
            run_id = record.dagster_run.run_id
            work.instance.delete_run(run_id)
            shutil.rmtree(work.home.dagster / "storage" / run_id, ignore_errors=True)
            gone += 1
    return gone


def _records(work: Work) -> int:
    if not work.home.ledger.exists():
        return 0
    return sum(delete_records(Ledger(work.home.ledger), work.before).values())


def _quarantine(work: Work) -> int:
    if not work.home.warehouse.exists():
        return 0
    gone = 0
    with writer_slot(work.home) as warehouse, duckdb.connect(str(warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        schemas = connection.execute(
            "select table_schema from information_schema.tables "
            "where table_name = ? and table_schema like 'raw!_%' escape '!'",
            [QUARANTINE.name],
        ).fetchall()
        for (schema,) in schemas:
            found = connection.execute(
                f'delete from "{schema}".{QUARANTINE.name} where seen_at < ?', [work.before]
            ).fetchone()
            gone += int(found[0]) if found else 0
    return gone


def _spools(work: Work) -> int:
    """Extractions that nobody has taken up again; the next one reads anew."""
    gone = 0
    for program in programs():
        for lock, name in (
            (f"extract_{program.name}", program.name),
            (f"inbox_{program.name}", f"{program.name}_inbox"),
        ):
            folder = work.home.spool(name)
            with suppress(Timeout), FileLock(work.home.lock(lock), blocking=False):
                if folder.is_dir() and _newest(folder.rglob("*")) < work.before.timestamp():
                    gone += sum(path.is_file() for path in folder.rglob("*"))
                    shutil.rmtree(folder)
    return gone


def _simulations(work: Work) -> int:
    return _delete_files((work.home.root / "simulations").glob("*"), work.before)


def _logs(work: Work) -> int:
    folders = (work.home.run_log.parent, work.home.dbt / "logs")
    return sum(_delete_files(folder.rglob("*.log*"), work.before) for folder in folders)


def _replaced(work: Work) -> int:
    return len(drop_replaced(work.home, work.before.timestamp()))


def _delete_files(paths: Iterable[Path], before: datetime) -> int:
    gone = 0
    for path in paths:
        if path.is_file() and path.stat().st_mtime < before.timestamp():
            path.unlink()
            gone += 1
    return gone


def _newest(paths: Iterable[Path]) -> float:
    return max((path.stat().st_mtime for path in paths if path.is_file()), default=0.0)


# Kind -> the setting that says how many days, and what deletes. A kind that joins is a row here.
KINDS: Mapping[str, tuple[str, Callable[[Work], int]]] = {
    "webhooks as they came": ("inbox_days", _webhooks),
    "runs of Dagster with their logs": ("keep_run_days", _runs),
    "logs of commands and of dbt": ("keep_run_days", _logs),
    "records of deliveries": ("keep_record_days", _records),
    "values set aside": ("keep_quarantine_days", _quarantine),
    "extractions never finished": ("keep_leftover_days", _spools),
    "simulations": ("keep_leftover_days", _simulations),
    "homes that a restore moved aside": ("keep_leftover_days", _replaced),
}
