"""What an extraction has read and not loaded, without the erased: packages, chunks, leftovers.

Called with the extraction's lock and the writer's slot held. Packages of dlt are loaded first, so
that the warehouse, which is erased next, is the only place of their rows; chunks of an unfinished
extraction are rewritten, so that it goes on where it was.
"""

import shutil
from collections.abc import Mapping

from dlt_sources.declarations import Table
from dlt_sources.erased import Erased
from dlt_sources.loading import load_pending
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Spool
from orchestration.extract import leave_out
from orchestration.home import Home
from orchestration.programs import Program


def erase_unloaded(
    home: Home, program: Program, tables: Mapping[str, Table], erased: Erased
) -> int:
    """Rows that went from the chunks of one programme.

    Raises:
        LoyaltyError: a package could not be loaded; it is kept.
    """
    folder = home.spool(program.name)
    pipeline = build_pipeline(program.source, home.warehouse, home.dlt, program=program.name)
    load_pending(pipeline)
    # Nothing waits any more: what is left was written by a process that was killed.
    for leftover in (home.dlt / pipeline.pipeline_name).rglob("*.parquet"):
        leftover.unlink()
    spool = Spool.find(folder)
    if spool is None:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    if spool.is_packed:
        spool.discard()
        return 0
    return leave_out(spool, list(tables.values()), erased)
