"""The webhook inbox: loading what arrived, watching whether something did, erasing from it.

Reading the segments happens outside the writer's slot, merging inside it. One load per programme at
a time; a load that was killed is repeated by the next one, from the same segments.
"""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dlt
import duckdb

from dlt_sources.inbox import draining
from dlt_sources.inbox.store import Backlog, backlog
from dlt_sources.inbox.tables import NAME, tables
from dlt_sources.loading import load, load_pending, pending_rows
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Facts, Spool
from orchestration.audit import note_webhooks
from orchestration.home import Home
from orchestration.programs import Program
from orchestration.settings import Settings
from orchestration.slot import exclusive, writer_slot
from orchestration.tombstones import Tombstones

_WAIT_SECONDS = 30 * 60.0
_PIPELINE = "inbox"


@dataclass(frozen=True)
class LoadedInbox:
    """What a load of one programme's inbox did.

    Attributes:
        rows: events merged.
        segments: files that were loaded and put away.
        left_out: deliveries that name an erased person.
        damaged: lines of segments that the disk has damaged.
        quarantined: values that could not be read as their column's type.
        deleted_files: kept files that were older than the setting.
    """

    rows: int = 0
    segments: int = 0
    left_out: int = 0
    damaged: int = 0
    quarantined: int = 0
    deleted_files: int = 0


def load_inbox(
    program: Program,
    settings: Settings,
    home: Home,
    now: datetime,
    say: Callable[[str], None],
) -> LoadedInbox:
    """Merge what waits into `raw_<source>.webhook_events`, which exists afterwards in any case.

    Raises:
        LoyaltyError: the warehouse did not take it; the segments stay for the next load.
    """
    inbox, spool_folder = home.inbox(program.source), _spool_folder(home, program)
    with exclusive_inbox(home, program, say):
        pipeline = _pipeline(home, program)
        erased = Tombstones.read(home).erased(program.name)
        facts = Facts(
            program.name,
            time.time_ns(),
            now.isoformat(),
            datetime.now(UTC).isoformat(),
            "quick",
        )
        drained, spool = draining.drain(program.source, inbox, spool_folder, facts, erased)
        if spool is not None or _is_pending(pipeline) or not _has_table(home, program, say):
            with writer_slot(home, say=say):
                loaded = load(pipeline, tables(program.source), spool)
        else:
            loaded = {}
        if drained.rows:
            note_webhooks(home)
        if erased is not None and erased.met:
            with Tombstones.changing(home) as tombstones:
                tombstones.meet(program.name, erased.met)
        draining.file_away(program.source, drained, erased)
        return LoadedInbox(
            rows=drained.rows,
            segments=len(drained.segments),
            left_out=drained.left_out,
            damaged=drained.damaged,
            quarantined=loaded.get("quarantine", 0),
            deleted_files=draining.delete_old(inbox, settings.inbox_days),
        )


def exclusive_inbox(
    home: Home, program: Program, say: Callable[[str], None]
) -> AbstractContextManager[None]:
    """One load, or one erasure, of a programme's inbox at a time."""
    what = f"the webhook inbox of {program.name}"
    return exclusive(home, f"inbox_{program.name}", what, _WAIT_SECONDS, say)


def waiting(home: Home, program: Program) -> Backlog:
    """What waits to be loaded."""
    return backlog(home.inbox(program.source))


def erase_from_inbox(home: Home, program: Program, emails: Collection[str]) -> int:
    """Take the erased out of everything the inbox keeps; deliveries and files touched.

    Called with the inbox's lock and the writer's slot held. What a killed load packed is loaded
    first, so that the warehouse, which is erased next, is the only other place of its rows.

    Args:
        emails: normalised; for what is kept as it came because it is no JSON.
    """
    erased = Tombstones.read(home).erased(program.name)
    if erased is None:
        return 0
    pipeline = _pipeline(home, program)
    load_pending(pipeline)
    for leftover in (home.dlt / pipeline.pipeline_name).rglob("*.parquet"):
        leftover.unlink()
    if (spool := Spool.find(_spool_folder(home, program))) is not None:
        spool.discard()  # its rows are in the segments
    return draining.erase(program.source, home.inbox(program.source), erased, emails)


def _spool_folder(home: Home, program: Program) -> Path:
    return home.spool(f"{program.name}_inbox")


def _pipeline(home: Home, program: Program) -> dlt.Pipeline:
    """Apart from the extraction's, which may be at work at the same time."""
    return build_pipeline(
        program.source, home.warehouse, home.dlt, program=f"{program.name}_{_PIPELINE}"
    )


def _is_pending(pipeline: dlt.Pipeline) -> bool:
    return bool(pending_rows(pipeline)) or bool(pipeline.list_extracted_load_packages())


def _has_table(home: Home, program: Program, say: Callable[[str], None]) -> bool:
    """Whether the table exists; looked at in the writer's slot, because others lock the file."""
    with writer_slot(home, say=say) as warehouse:
        if not warehouse.exists():
            return False
        with duckdb.connect(str(warehouse), read_only=True) as db:
            query = "select 1 from duckdb_tables() where schema_name = ? and table_name = ?"
            return bool(db.execute(query, [program.dataset, NAME]).fetchall())
