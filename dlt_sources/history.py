"""What earlier extracts left in the warehouse and the next one starts from.

Read-only questions to the DuckDB file, asked before an extraction while nobody writes. The answers
lie beside the data they speak of and are loaded with it, so the two cannot disagree: a dataset that
was dropped is simply read in full again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

_DELETED_IS_UNKNOWN = """
    select email_key, list_record_hash
    from raw_yotpo.customer_details
    where program = ? and is_found and list_record_hash is not null
"""
_WATERMARKS = """
    select resource, max(watermark) as newest
    from raw_smile.extracts
    where program = ? and watermark is not null
    group by resource
"""
_ANY_ROW = 'select 1 from raw_smile."{table}" where program = ? limit 1'


def read_watermarks(warehouse: Path, program: str) -> Mapping[str, datetime]:
    """Per Smile resource the time from which an incremental read loses nothing.

    {} without file or tables; a resource whose table has no row of the programme is left out.
    """
    return {
        resource: newest.astimezone(UTC)
        for resource, newest in _ask(warehouse, _WATERMARKS, [program])
        if _ask(
            warehouse, f'select 1 from raw_smile."{resource}" where program = ? limit 1', [program]
        )
    }


def read_known_hashes(warehouse: Path, program: str) -> Mapping[str, str]:
    """Per Yotpo member (normalised e-mail) the hash of the list record its details belong to.

    {} without file or tables. Members the vendor no longer knows are left out: one who comes back
    is new.
    """
    return dict(_ask(warehouse, _DELETED_IS_UNKNOWN, [program]))


def _ask(warehouse: Path, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    if not warehouse.exists():
        return []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        try:
            return connection.execute(query, parameters).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):
            return []  # no such table yet, or one from before the column existed
