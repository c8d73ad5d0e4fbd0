"""A throw-away warehouse: hand-written raw rows, built by the real dbt project.

Owns the calls of dbt for tests and the clock they use. It must not know any rule of the models.
`Warehouse.build` runs dbt in a process of its own, with target, logs and database below one
folder, so that nothing is left in the checkout. dbt reads the project anew, for seconds, wherever
the file's path or a variable differs: it runs in that folder, the clock comes by the environment,
and what the first warehouse of a test session has read serves all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from reverse_etl.ledger import Ledger
from tests.dbt.raw_tables import create_raw_tables, insert

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
NOW = "2026-11-21 06:00:00"
SEEN_AT = "2026-11-21 05:00:00+00"


class Warehouse:
    """One DuckDB file with raw tables, and dbt to build it."""

    _parsed: ClassVar[Path | None] = None  # dbt's reading of the project, by whoever came first

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "warehouse.duckdb"
        if self.path.exists():  # a copy
            return
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            create_raw_tables(connection)
            Ledger(folder / "ledger.duckdb").export(connection)

    def insert(self, schema: str, table: str, *rows: Mapping[str, Any]) -> None:
        """Add raw rows; programme, extraction 1 and the time of seeing are filled in."""
        program = schema.removeprefix("raw_")
        shared: dict[str, Any] = {"program": program, "extract_id": 1}
        if table != "extracts":
            shared["seen_at"] = SEEN_AT
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            insert(connection, schema, table, ({**shared, **row} for row in rows))

    def execute(self, sql: str, *values: Any) -> None:
        """Change the warehouse directly, for instance a raw row between two builds."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(sql, list(values))

    def listed_in_full(self, schema: str, *resources: str, extract_id: int = 1) -> None:
        """Say that the extraction listed these resources completely."""
        self.insert(
            schema,
            "extracts",
            *(
                {
                    "extract_id": extract_id,
                    "resource": resource,
                    "mode": "full",
                    "started_at": f"2026-11-{20 + extract_id:02d} 04:00:00+00",
                    "finished_at": f"2026-11-{20 + extract_id:02d} 04:30:00+00",
                    "row_count": 0,
                }
                for resource in resources
            ),
        )

    def build(self, *arguments: str, **variables: Any) -> str:
        """Run `dbt build` as production does; a failure is an AssertionError with dbt's output."""
        return self.dbt("build", "--exclude-resource-types", "unit_test", *arguments, **variables)

    def dbt(self, command: str, *arguments: str, now: str = NOW, **variables: Any) -> str:
        """Run one dbt command against this warehouse, by the clock `now`."""
        environment = os.environ | {
            "LOYALTY_WAREHOUSE": self.path.name,
            "LOYALTY_BUILD_NOW": now,
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "TZ": "America/New_York",  # no model may depend on the time zone of the machine
        }
        parsed = self.folder / "target" / "partial_parse.msgpack"
        others = Warehouse._parsed
        if not parsed.exists() and others is not None and others.exists():
            parsed.parent.mkdir(exist_ok=True)
            shutil.copy(others, parsed)
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "dbt.cli.main", "--no-use-colors", command),
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--vars", json.dumps(variables)),
                *arguments,
            ],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert finished.returncode == 0, f"dbt {command} failed:\n{finished.stdout[-6000:]}"
        if not variables and (others is None or not others.exists()):
            Warehouse._parsed = parsed
        return finished.stdout

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Result of a query as dicts."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            result = connection.execute(sql, list(values))
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def row(self, sql: str, *values: Any) -> dict[str, Any]:
        """The only row of a query."""
        rows: Iterable[dict[str, Any]] = self.rows(sql, *values)
        (row,) = rows
        return row


class Compiled:
    """The models' SQL, and a database in memory to run it in.

    Args:
        folder: where `dbt compile` wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.sql = {path.stem: path.read_text() for path in folder.rglob("*.sql")}

    def database(self) -> duckdb.DuckDBPyConnection:
        """An empty database that the compiled SQL takes for the warehouse."""
        connection = duckdb.connect()
        connection.execute("set TimeZone = 'UTC'; attach ':memory:' as warehouse; use warehouse")
        for schema in ("marts", "intermediate", "seeds", "sync"):
            connection.execute(f"create schema {schema}")
        return connection

    def build(self, connection: duckdb.DuckDBPyConnection, *models: str) -> None:
        """Make tables of these models, in this order."""
        for model in models:
            schema = "intermediate" if model.startswith("int_") else "marts"
            connection.execute(f"create table {schema}.{model} as {self.sql[model]}")
