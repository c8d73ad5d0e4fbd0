"""Which rows a spool or a warehouse holds, by key: what is lost, what is doubled."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from loyalty_fakes import vendor_tables

from dlt_sources.declarations import EXTRACTS, QUARANTINE, Table
from dlt_sources.spool import Spool

_OURS = (EXTRACTS.name, QUARANTINE.name)
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Found:
    """Keys per table, each as often as it is there, and the records that were set aside."""

    keys: Mapping[str, Counter[Key]]
    replaced: frozenset[str]
    set_aside: frozenset[str] = field(default_factory=frozenset)

    def counts(self) -> dict[str, int]:
        """Rows per table."""
        return {table: sum(keys.values()) for table, keys in self.keys.items()}

    def with_later(self, later: "Found") -> "Found":
        """This, and what a later extraction found besides."""
        keys = {table: mine | later.keys[table] for table, mine in self.keys.items()}
        return Found(keys, self.replaced, self.set_aside)

    def lost(self, calm: "Found") -> int:
        """Rows that `calm` has and this has not; what was set aside is not lost."""
        missing = 0
        for table, keys in calm.keys.items():
            gone = keys - self.keys[table]
            missing += sum(n for key, n in gone.items() if str(key[0]) not in self.set_aside)
        return missing

    def doubled(self, calm: "Found") -> int:
        """Rows that are there once more than they should."""
        found = 0
        for table, keys in self.keys.items():
            if table in self.replaced:
                beyond = keys - calm.keys[table]
                found += sum(n for key, n in beyond.items() if key in calm.keys[table])
            else:
                found += sum(n - 1 for n in keys.values())
        return found


def keys_in_spool(vendor: str, folder: Path) -> Found:
    """What an extraction committed."""
    spool = Spool.find(folder)
    assert spool is not None
    with duckdb.connect() as connection:
        for table in vendor_tables(vendor):
            connection.register("empty_" + table.name, table.empty())
            files = [f"'{file.path}'" for file in spool.files() if file.table == table.name]
            rest = f"union all by name from read_parquet([{', '.join(files)}])" if files else ""
            connection.execute(
                f"create view {table.name} as from empty_{table.name} "
                f"{rest.replace('])', '], union_by_name = true)')}"
            )
        return _found(connection, vendor, "")


def keys_in_warehouse(vendor: str, file: Path) -> Found:
    """What was loaded."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return _found(connection, vendor, f"raw_{vendor}.")


def _found(connection: duckdb.DuckDBPyConnection, vendor: str, schema: str) -> Found:
    tables = [table for table in vendor_tables(vendor) if table.name not in _OURS]
    aside = connection.execute(
        f"select record_id from {schema}quarantine where column_name is null"
    ).fetchall()
    return Found(
        {table.name: _keys(connection, table, schema) for table in tables},
        frozenset(table.name for table in tables if table.replaces),
        frozenset(str(row[0]) for row in aside),
    )


def _keys(connection: duckdb.DuckDBPyConnection, table: Table, schema: str) -> Counter[Key]:
    columns = ", ".join((*table.key, *table.identity))
    return Counter(connection.execute(f"select {columns} from {schema}{table.name}").fetchall())
