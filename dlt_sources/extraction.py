"""One extraction of one programme: from pages to the items that dlt writes.

Owns batching, de-duplication across pages, the rejections and the `extracts` row that says a chain
was read to its end. Must not know a vendor. Data flow: pages of records -> batches of
`BATCH_ROWS` -> `coercion.to_arrow` -> Arrow tables handed to dlt; at the end of the chain one row
of `extracts`. A chain that breaks raises, and dlt then keeps nothing of the whole extraction.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TColumnSchema, TDeleteInsertStrategyDict
from dlt.extract import DltResource
from dlt.extract.hints import make_hints

from dlt_sources.coercion import Rejection, to_arrow
from dlt_sources.declarations import EXTRACTS, QUARANTINE, Column, Table

# Large enough that Arrow and Parquet cost little per row, small enough that a few chains side by
# side stay within some ten megabytes each.
BATCH_ROWS = 20_000

Report = Callable[[str, int], None]


@dataclass(frozen=True)
class Extraction:
    """What all resources of one extraction share.

    Attributes:
        program: the programme's name, part of every key.
        extract_id: nanoseconds of the extraction's real start; orders extractions.
        clock: the product's clock, aware; `seen_at` is its time when the extraction began.
        report: called with (table name, rows) after each batch, from several threads.
        stopped: set when one chain failed, so that the others end with their current page.
    """

    program: str
    extract_id: int
    clock: Callable[[], datetime]
    report: Report | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def stamps(self, seen_at: datetime) -> dict[str, Any]:
        """The values of the three stamp columns."""
        return {"program": self.program, "extract_id": self.extract_id, "seen_at": seen_at}

    def until_stopped(self, walk: Iterable[list[Any]]) -> Iterator[list[Any]]:
        """The pages of a walk, up to the failure of another chain."""
        for records in walk:
            if self.stopped.is_set():
                return
            yield records


class Chain:
    """Reads one resource to its end and turns it into items for dlt."""

    def __init__(self, extraction: Extraction, resource: str) -> None:
        self._extraction = extraction
        self._resource = resource
        self._started_at = extraction.clock()
        self._stamps = extraction.stamps(self._started_at)
        self._rejections = 0

    def rows(self, table: Table, records: Sequence[Any]) -> tuple[pa.Table, list[Any]]:
        """Records as rows of `table`; beside them the items that hold what did not fit."""
        coerced = to_arrow(records, table, self._stamps)
        if not coerced.rejections:
            return coerced.rows, []
        return coerced.rows, [self._quarantine(table, coerced.rejections)]

    def item(self, table: Table, rows: pa.Table) -> Any:
        """Rows for dlt, reported."""
        if self._extraction.report is not None:
            self._extraction.report(table.name, rows.num_rows)
        return item(table, rows)

    def finished(self, mode: str, row_count: int, watermark: datetime | None = None) -> Any:
        """The item that says: this chain was read to its end."""
        row = {
            "resource": self._resource,
            "mode": mode,
            "started_at": self._started_at.isoformat(),
            "finished_at": self._extraction.clock().isoformat(),
            "row_count": row_count,
            "watermark": watermark.isoformat() if watermark else None,
        }
        return item(EXTRACTS, to_arrow([row], EXTRACTS, self._stamps).rows)

    def _quarantine(self, table: Table, rejections: Sequence[Rejection]) -> Any:
        rows = [
            {
                "resource": table.name,
                "position": position,
                "record_id": rejection.record_id,
                "column_name": rejection.column_name,
                "reason": rejection.reason,
                "payload": rejection.payload,
            }
            for position, rejection in enumerate(rejections, start=self._rejections)
        ]
        self._rejections += len(rows)
        return self.item(QUARANTINE, to_arrow(rows, QUARANTINE, self._stamps).rows)


def read_chain(
    extraction: Extraction,
    table: Table,
    walk: Iterable[list[Any]],
    *,
    mode: str = "full",
    watermark_column: str | None = None,
    watermark: datetime | None = None,
) -> Iterator[Any]:
    """Items of one listing: its rows, its rejections, and its `extracts` row at the end.

    Args:
        walk: pages of records.
        mode: "full" when the listing was asked for without a filter.
        watermark_column: the time whose newest value the next incremental run starts from.
        watermark: what the last run left; the new one is never older.
    """
    chain = Chain(extraction, table.name)
    seen: set[str] = set()
    row_count = 0
    newest = watermark
    try:
        for records in batches(extraction.until_stopped(walk), BATCH_ROWS):
            rows, rejected = chain.rows(table, records)
            fresh = without_repeats(rows, table.key[0], seen)
            row_count += fresh.num_rows
            if watermark_column and fresh.num_rows:
                newest = _newer(newest, pc.max(fresh[watermark_column]).as_py())
            if fresh.num_rows:
                yield chain.item(table, fresh)
            yield from rejected
    except BaseException:
        extraction.stopped.set()
        raise
    if extraction.stopped.is_set():
        return  # another chain failed and its error is on its way
    if newest is not None:
        # A row changed while the walk was under way may lie behind it, unseen, and older than the
        # newest one seen: the next run must look from the start of this one.
        newest = _newer(watermark, min(newest, extraction.started))
    yield chain.finished(mode, row_count, newest)


def batches(walk: Iterable[list[Any]], size: int) -> Iterator[list[Any]]:
    """Pages gathered into lists of at least `size` records; the last one may be shorter."""
    batch: list[Any] = []
    for records in walk:
        batch.extend(records)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def without_repeats(rows: pa.Table, key: str, seen: set[str]) -> pa.Table:
    """Rows whose key was not seen before in this chain; adds their keys to `seen`.

    Pages shift when rows are added while they are read, so a row can come twice.
    """
    keys: list[Any] = rows[key].to_pylist()
    distinct = set(keys)
    if len(distinct) == len(keys) and seen.isdisjoint(distinct):
        seen |= distinct
        return rows
    fresh = []
    for value in keys:
        fresh.append(value not in seen)
        seen.add(value)
    return rows.filter(pa.array(fresh))


def _newer(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


# --- what dlt is told


def item(table: Table, rows: pa.Table) -> Any:
    """Rows marked for their table, whichever resource yields them."""
    return dlt.mark.with_hints(rows, _hints(table), create_table_variant=True)


def resource(
    name: str, tables: Sequence[Table], produce: Callable[[], Iterator[Any]]
) -> DltResource:
    """A dlt resource that first creates its tables, empty, and then yields what `produce` does."""

    def generate() -> Iterator[Any]:
        for table in (*tables, EXTRACTS, QUARANTINE):
            yield item(table, table.empty())
        yield from produce()

    return dlt.resource(generate, name=name, parallelized=True)


def _hints(table: Table) -> Any:
    strategy: TDeleteInsertStrategyDict = {"disposition": "merge", "strategy": "delete-insert"}
    return make_hints(
        table_name=table.name,
        write_disposition=strategy,
        columns=dlt_columns(table),
        primary_key=() if table.replaces else table.merge_on,
        merge_key=table.merge_on if table.replaces else (),
        schema_contract="evolve",
    )


def dlt_columns(table: Table) -> dict[str, TColumnSchema]:
    """The declared columns in dlt's words."""
    return {column.name: _dlt_column(column) for column in table.all_columns}


def _dlt_column(column: Column) -> TColumnSchema:
    return {"name": column.name, "data_type": column.type, "nullable": column.nullable}


def nothing() -> Iterator[Any]:
    """What a resource yields whose vendor is not configured: its tables stay, no rows come."""
    yield from ()


Watermarks = Mapping[str, datetime]
