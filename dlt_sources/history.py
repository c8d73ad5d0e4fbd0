"""What earlier extracts left in the warehouse and the next one starts from.

Read-only questions to the DuckDB file, asked before an extraction while nobody writes. The answers
lie beside the data they speak of and are loaded with it, so the two cannot disagree: a dataset that
was dropped is simply read in full again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

MEMBERS_SCHEMA = pa.schema([("email_key", pa.string()), ("record_hash", pa.string())])


def no_members() -> pa.Table:
    """Nobody known."""
    return MEMBERS_SCHEMA.empty_table()


@dataclass(frozen=True)
class History:
    """What a programme's raw tables say about earlier extracts.

    Attributes:
        watermarks: per Smile resource the time from which an incremental read loses nothing; a
            resource whose table has no row is left out.
        swept_at: per resource the product's clock when its newest full list began.
        present: per resource the rows that the vendor listed so far: in the newest full list, or
            since.
        members: per Yotpo member whom the vendor knows, `email_key` and the `record_hash` of the
            list record that the stored details belong to (null = details are not known).
    """

    watermarks: Mapping[str, datetime] = field(default_factory=dict)
    swept_at: Mapping[str, datetime] = field(default_factory=dict)
    present: Mapping[str, int] = field(default_factory=dict)
    members: pa.Table = field(default_factory=no_members, repr=False)


_EXTRACTS = """
    select
        resource,
        max(watermark) as watermark,
        arg_max(started_at, extract_id) filter (where mode = 'full') as swept_at,
        max(extract_id) filter (where mode = 'full') as swept_extract_id
    from raw_{source}.extracts
    where program = ?
    group by resource
"""
_PRESENT = 'select count(*) from raw_{source}."{table}" where program = ? and extract_id >= ?'
# Those whom the vendor no longer knows are left out: one who comes back is new.
_MEMBERS = """
    select email_key, list_record_hash as record_hash
    from raw_yotpo.customer_details
    where program = ? and is_found and list_record_hash is not null
"""


def read_history(warehouse: Path, source: str, program: str) -> History:
    """The history of a programme; empty without file or tables."""
    if not warehouse.exists():
        return History()
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        watermarks: dict[str, datetime] = {}
        swept_at: dict[str, datetime] = {}
        present: dict[str, int] = {}
        for resource, watermark, swept, swept_id in _rows(
            connection, _EXTRACTS.format(source=source), [program]
        ):
            counted = _PRESENT.format(source=source, table=resource)
            for (rows,) in _rows(connection, counted, [program, swept_id or 0]):
                present[resource] = rows
            if not present.get(resource):
                continue
            if watermark is not None:
                watermarks[resource] = watermark.astimezone(UTC)
            if swept is not None:
                swept_at[resource] = swept.astimezone(UTC)
        members = _members(connection, program) if source == "yotpo" else no_members()
    return History(watermarks, swept_at, present, members)


def _members(connection: duckdb.DuckDBPyConnection, program: str) -> pa.Table:
    try:
        found: Any = connection.sql(_MEMBERS, params=[program]).to_arrow_table()
    except (duckdb.CatalogException, duckdb.BinderException):
        return no_members()
    members: pa.Table = found.cast(MEMBERS_SCHEMA)
    return members


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any]
) -> Iterable[tuple[Any, ...]]:
    try:
        return connection.execute(query, parameters).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return []  # no such table yet, or one from before the column existed
