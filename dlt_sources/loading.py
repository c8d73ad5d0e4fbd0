"""From the spool into DuckDB: dlt imports the committed files and merges them on their keys.

Owns what dlt is told about our tables, and the packages: a spool becomes load packages of bounded
size, each merged by itself, the `extracts` rows in the last one, so that an extract is known as
finished only when all of it is there. Only `load` opens the database. A process killed anywhere in
here leaves packages that the next load finishes first, or the spool, which is loaded again: every
table merges on its key, so loading twice adds nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import dlt
import pyarrow.parquet as pq
from dlt.common.schema.typing import TColumnSchema, TDeleteInsertStrategyDict
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_sources.declarations import EXTRACTS, MONEY_PRECISION, MONEY_SCALE, Column, Table
from dlt_sources.extraction import find_unfinished
from dlt_sources.packages import begin_anew
from dlt_sources.pipeline import explained, hold_open
from dlt_sources.spool import Reach, Spool, SpoolFile

# Rows merged at once. Bounds the memory of a merge; larger merges are only a little faster.
PACKAGE_ROWS = 500_000


def pack(pipeline: dlt.Pipeline, tables: Sequence[Table], spool: Spool | None) -> None:
    """Make dlt's load packages of what the spool holds, and create tables that do not exist.

    Opens no database. Without a spool (a vendor that is not configured) the tables stay empty.
    """
    if spool is not None and spool.is_packed:
        return
    files = spool.files() if spool is not None else []
    try:
        for number, package in zip(count(), _packages(files)):
            pipeline.extract(
                _source(pipeline, tables, package, creates=number == 0),
                loader_file_format="parquet",
            )
            pipeline.normalize()
    except PipelineStepFailed as failure:
        raise explained(failure, "packing") from failure
    if spool is not None:
        spool.mark_packed()


def load(pipeline: dlt.Pipeline, tables: Sequence[Table], spool: Spool | None) -> Mapping[str, int]:
    """Merge what earlier runs left, then the spool, and close the database. The spool is gone then.

    Returns:
        Rows per table that were merged; tables without any are left out.

    Raises:
        WarehouseLoadError: DuckDB refused; packages and spool stay, and the next load finishes.
    """
    rows = Counter(load_pending(pipeline))
    pack(pipeline, tables, spool)
    rows.update(load_pending(pipeline))
    if spool is not None:
        spool.discard()
    return dict(+rows)


def recover(
    pipeline: dlt.Pipeline, tables: Sequence[Table], folder: Path, reach: Reach
) -> Mapping[str, int]:
    """Finish what earlier runs left, before history is read and an extraction begins.

    Packages are merged; an extraction that will not be continued is loaded as far as it came.
    """
    rows = Counter(load_pending(pipeline))
    left = Spool.find(folder)
    if left is not None and find_unfinished(folder, reach) is None:
        rows.update(load(pipeline, tables, left))
    return dict(+rows)


def load_pending(pipeline: dlt.Pipeline) -> Mapping[str, int]:
    """Merge packages that are written and not yet loaded, oldest first; rows per table."""
    try:
        pipeline.normalize()  # what a process extracted completely, but did not finish
        for load_id in pipeline.list_normalized_load_packages():
            begin_anew(Path(pipeline.get_load_package_info(load_id).package_path))
        rows = pending_rows(pipeline)
        if rows or pipeline.list_normalized_load_packages():
            with hold_open(pipeline):
                pipeline.load()
    except PipelineStepFailed as failure:
        raise explained(failure, "load") from failure
    return rows


def pending_rows(pipeline: dlt.Pipeline) -> Mapping[str, int]:
    """Rows per table in packages that are written and not yet loaded."""
    rows: Counter[str] = Counter()
    for load_id in pipeline.list_normalized_load_packages():
        package = pipeline.get_load_package_info(load_id)
        for job in package.jobs["new_jobs"]:
            table = job.job_file_info.table_name
            if job.file_path.endswith(".parquet") and not table.startswith("_dlt"):
                rows[table] += pq.read_metadata(job.file_path).num_rows
    return dict(rows)


def _packages(files: Iterable[SpoolFile]) -> Iterator[list[SpoolFile]]:
    """Files in order, at most `PACKAGE_ROWS` rows together; at least one package."""
    package: list[SpoolFile] = []
    ends = [file for file in files if file.table == EXTRACTS.name]
    for file in files:
        if file.table == EXTRACTS.name:
            continue
        if package and sum(each.row_count for each in package) + file.row_count > PACKAGE_ROWS:
            yield package
            package = []
        package.append(file)
    yield [*package, *ends]


def _source(
    pipeline: dlt.Pipeline, tables: Sequence[Table], files: Sequence[SpoolFile], *, creates: bool
) -> DltSource:
    """The files of one package as a dlt source: a resource per table.

    Args:
        creates: tables without a file are created too, empty.
    """
    by_table: dict[str, list[SpoolFile]] = {}
    for file in files:
        by_table.setdefault(file.table, []).append(file)
    resources = [
        _resource(table, by_table.get(table.name, []))
        for table in tables
        if creates or table.name in by_table
    ]
    return DltSource(dlt.Schema(_schema_name(pipeline)), "spool", resources)


def _schema_name(pipeline: dlt.Pipeline) -> str:
    """One schema per vendor: programmes of one vendor share their tables."""
    return pipeline.dataset_name.removeprefix("raw_")


def _resource(table: Table, files: Sequence[SpoolFile]) -> DltResource:
    def items() -> Iterator[Any]:
        if not files:
            yield table.empty()
        for file in files:
            yield dlt.mark.with_file_import(str(file.path), "parquet", file.row_count)

    strategy: TDeleteInsertStrategyDict = {"disposition": "merge", "strategy": "delete-insert"}
    return dlt.resource(
        items,
        name=table.name,
        write_disposition=strategy,
        columns={**dlt_columns(table), **_undeclared(table, files)},
        primary_key=() if table.replaces else table.merge_on,
        merge_key=table.merge_on if table.replaces else (),
        schema_contract="evolve",
    )


def dlt_columns(table: Table) -> dict[str, TColumnSchema]:
    """The declared columns in dlt's words."""
    columns = {column.name: _dlt_column(column) for column in table.all_columns}
    if table.newest_by is not None:
        columns[table.newest_by]["dedup_sort"] = "desc"
    return columns


def _dlt_column(column: Column) -> TColumnSchema:
    declared: TColumnSchema = {
        "name": column.name,
        "data_type": column.type,
        "nullable": column.nullable,
    }
    if column.type == "decimal":
        declared |= {"precision": MONEY_PRECISION, "scale": MONEY_SCALE}
    return declared


def _undeclared(table: Table, files: Sequence[SpoolFile]) -> dict[str, TColumnSchema]:
    """Columns of fields that nobody declared; they hold text."""
    declared = {column.name for column in table.all_columns}
    names = {name for file in files for name in pq.read_schema(file.path).names}
    return {
        name: {"name": name, "data_type": "text", "nullable": True}
        for name in sorted(names - declared)
    }
