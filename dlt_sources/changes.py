"""What a load is about to change: rows new, changed, unchanged, deleted and set aside, per table.

Compares the committed files of a spool with the raw tables before they are merged; read-only. The
comparison is of keys and of hashes of the declared columns, never of row order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dlt_sources.declarations import EXTRACTS, QUARANTINE, Table
from dlt_sources.pipeline import LOAD_MEMORY
from dlt_sources.spool import Spool, SpoolFile

# Rows compared at once: so many keys with two hashes each fit well into the memory of a load, and
# larger tables are compared in parts, so that memory does not grow with them.
_PART_ROWS = 1_000_000


@dataclass(frozen=True)
class Changes:
    """What one table is about to see.

    Attributes:
        new: keys that the table does not hold.
        changed: keys that it holds with other values.
        unchanged: keys that it holds with the same values.
        deleted: rows that the vendor listed until now and that a full list no longer shows; of a
            group that is replaced, rows that the newer group lacks.
        quarantined: values of this table that did not fit and were set aside.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    quarantined: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
            self.quarantined + other.quarantined,
        )


def foresee(
    warehouse: Path, source: str, tables: Sequence[Table], spool: Spool
) -> dict[str, Changes]:
    """Changes per table, before the spool is loaded.

    Args:
        warehouse: the DuckDB file; need not exist.
    """
    files: dict[str, list[SpoolFile]] = {}
    for file in spool.files():
        files.setdefault(file.table, []).append(file)
    with duckdb.connect(config={"memory_limit": LOAD_MEMORY}) as connection:
        connection.execute("set timezone = 'UTC'")
        attached = warehouse.exists()
        if attached:
            connection.execute(f"attach '{_quoted(warehouse)}' as stored (read_only)")
        set_aside = _set_aside(connection, files.get(QUARANTINE.name, []))
        finished = _full_chains(connection, files.get(EXTRACTS.name, []))
        return {
            table.name: _changes(
                connection,
                table,
                files.get(table.name, []),
                stored=f"stored.raw_{source}.{table.name}"
                if attached and _exists(connection, source, table)
                else None,
                program=spool.facts.program,
                is_full=table.name in finished,
                quarantined=set_aside.get(table.name, 0),
            )
            for table in tables
            if table.name not in (EXTRACTS.name, QUARANTINE.name)
        }


def _changes(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: Sequence[SpoolFile],
    *,
    stored: str | None,
    program: str,
    is_full: bool,
    quarantined: int,
) -> Changes:
    if stored is None or not files:
        rows = sum(file.row_count for file in files)
        deleted = _listed(connection, table, stored, program) if stored and is_full else 0
        return Changes(new=rows, deleted=deleted, quarantined=quarantined)
    incoming_rows = sum(file.row_count for file in files)
    stored_rows = _count(connection, stored) if is_full else 0
    parts = 1 + max(incoming_rows, stored_rows) // _PART_ROWS
    has = _column_names(connection, stored)
    query = _comparison(table, files, stored, has, is_full=is_full, parts=parts)
    found = Changes(quarantined=quarantined)
    for part in range(parts):
        row = connection.execute(query, {"program": program, "part": part}).fetchall()[0]
        found += Changes(*row)
    return found


def _comparison(
    table: Table,
    files: Sequence[SpoolFile],
    stored: str,
    has: Collection[str],
    *,
    is_full: bool,
    parts: int,
) -> str:
    """SQL that counts one part of a table as new, changed, unchanged and deleted.

    Groups of rows stay together: parts are made of `Table.key`.

    Args:
        has: the columns that the stored table has.
    """
    identity = (*table.key, *table.identity)
    group, keys = _names(table.key), _names(identity)
    filled = ", ".join(f'coalesce("{name}", \'\') as "{name}"' for name in identity)
    columns = [each.name for each in table.columns if each.name not in identity]
    in_part = f"hash({group}) % {parts} = $part" if parts > 1 else "$part = 0"
    if table.replaces:  # the rest of a group whose newer state has come
        is_gone = f"{_names(table.key[:1])} in (select {_names(table.key[:1])} from incoming)"
    else:
        is_gone = f"{is_full} and held.extract_id >= {_newest_full(table, stored)}"
    # What a partial list does not show is not looked at, unless its group came.
    looked_at = "" if is_full else f"semi join incoming using ({group})"
    return f"""
        with incoming as (
            select {filled}, {_hashed(columns, columns)} as content
            from read_parquet({_list(files)}, union_by_name = true)
            where {in_part}
            group by all
        ),
        held as (
            select {filled}, {_hashed(columns, has)} as content, max(extract_id) as extract_id
            from {stored} {looked_at}
            where program = $program and {in_part}
            group by all
        )
        select
            count(*) filter (where held.content is null),
            count(*) filter (where held.content <> incoming.content),
            count(*) filter (where held.content = incoming.content),
            count(*) filter (where incoming.content is null and {is_gone})
        from incoming full join held using ({keys})
    """


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _count(connection: duckdb.DuckDBPyConnection, stored: str) -> int:
    ((rows,),) = connection.execute(f"select count(*) from {stored}").fetchall()
    return int(rows)


def _hashed(columns: Sequence[str], present: Collection[str]) -> str:
    """One hash of a row's values; a column that a table does not have yet counts as null."""
    values = [f'"{name}"::varchar' if name in present else "null::varchar" for name in columns]
    return f"any_value(hash({', '.join(values)}))" if values else "hash(0)"


def _column_names(connection: duckdb.DuckDBPyConnection, stored: str) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(f"describe {stored}").fetchall())


def _newest_full(table: Table, stored: str) -> str:
    """The newest full list of a table; 0 before there was one."""
    extracts = stored.rsplit(".", 1)[0] + ".extracts"
    return (
        f"(select coalesce(max(extract_id), 0) from {extracts} "
        f"where program = $program and resource = '{table.name}' and mode = 'full')"
    )


def _listed(connection: duckdb.DuckDBPyConnection, table: Table, stored: str, program: str) -> int:
    """Rows that the vendor listed until now."""
    query = (
        f"select count(*) from {stored} where program = $program "
        f"and extract_id >= {_newest_full(table, stored)}"
    )
    ((rows,),) = connection.execute(query, {"program": program}).fetchall()
    return int(rows)


def _set_aside(
    connection: duckdb.DuckDBPyConnection, files: Sequence[SpoolFile]
) -> Mapping[str, int]:
    if not files:
        return {}
    query = f"select resource, count(*) from read_parquet({_list(files)}) group by resource"
    return dict(connection.execute(query).fetchall())


def _full_chains(
    connection: duckdb.DuckDBPyConnection, files: Sequence[SpoolFile]
) -> frozenset[str]:
    if not files:
        return frozenset()
    query = f"select resource from read_parquet({_list(files)}) where mode = 'full'"
    return frozenset(row[0] for row in connection.execute(query).fetchall())


def _exists(connection: duckdb.DuckDBPyConnection, source: str, table: Table) -> bool:
    query = (
        "select 1 from duckdb_tables() "
        "where database_name = 'stored' and schema_name = ? and table_name = ?"
    )
    return bool(connection.execute(query, [f"raw_{source}", table.name]).fetchall())


def _list(files: Sequence[SpoolFile]) -> str:
    return "[" + ", ".join(f"'{_quoted(file.path)}'" for file in files) + "]"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
