"""One extraction as a run of the product does it, timed step by step.

The same calls in the same order as `orchestration.extract`, without its locks and its screen.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dlt_sources import smile
from dlt_sources.changes import Changes, foresee
from dlt_sources.extraction import Source, extract
from dlt_sources.history import History, read_history
from dlt_sources.loading import load, pack
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Reach

# Only the answer time of a server without limits is left.
UNLIMITED_PER_SECOND = 1_000_000.0


@dataclass(frozen=True)
class Done:
    """What one extraction did, and the seconds of its steps in their order."""

    rows: Mapping[str, int]
    changes: Mapping[str, Changes]
    seconds: Mapping[str, float]


def run(
    build: Callable[[History], Source],
    home: Path,
    reach: Reach = "daily",
    on_step: Callable[[str], None] = lambda _: None,
) -> Done:
    """Extract and load a source into `home`.

    Args:
        build: the source for what earlier runs left in `home`.
        on_step: told the name of each step after its end.
    """
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def ended(step: str) -> None:
        nonlocal began
        seconds[step] = time.perf_counter() - began
        on_step(step)
        began = time.perf_counter()

    warehouse = home / "warehouse.duckdb"
    name = build(History()).name
    pipeline = build_pipeline(name, warehouse, home / "dlt")
    history = read_history(warehouse, name, name)
    source = build(history)
    ended("history")
    spool = extract(
        source,
        home / "spool",
        program=name,
        extract_id=time.time_ns(),
        clock=lambda: datetime.now(UTC),
        reach=reach,
        present=history.present,
    )
    ended("reading")
    changes = foresee(warehouse, name, source.tables, spool)
    ended("foreseeing")
    pack(pipeline, source.tables, spool)
    ended("packing")
    rows = load(pipeline, source.tables, spool)
    ended("loading")
    return Done(rows, changes, seconds)


def only(source: Source, table: str) -> Source:
    """Smile's source with the one listing that fills `table`."""
    chosen = [read for read in source.readers if table in _tables(read)]
    return replace(source, readers=chosen)


def _tables(read: object) -> set[str]:
    listings = getattr(read, "args", ())
    return {each.table.name for each in listings if each in smile.RESOURCES}
