"""A published file that knows one person, or nobody: what a plan about one person compares with."""

from pathlib import Path

import duckdb

from reverse_etl.declarations import SyncSpec
from vendor_http import LoyaltyError


def excerpt(audited: Path, target: Path, spec: SyncSpec, email: str | None) -> Path:
    """Write `target` with all tables of the audited file, empty but for one row of a sync's model.

    Args:
        spec: the sync whose model keeps the person's row.
        email: normalised; None = nobody is wanted.

    Raises:
        LoyaltyError: nothing was published yet.
    """
    if not audited.exists():
        raise LoyaltyError("Nothing is published yet; run `loyalty run` first")
    with duckdb.connect(str(target)) as db:
        db.execute("set timezone = 'UTC'")
        db.execute(f"attach '{str(audited).replace(chr(39), chr(39) * 2)}' as audited (read_only)")
        tables = db.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'audited'"
        ).fetchall()
        for schema, table in tables:
            name = f'"{schema}"."{table}"'
            db.execute(f'create schema if not exists "{schema}"')
            db.execute(f"create table {name} as select * from audited.{name} limit 0")
        if email is not None:
            db.execute(
                f"insert into {spec.relation} "
                f'select * from audited.{spec.relation} where "{spec.key}" = ?',
                [email],
            )
        db.execute("detach audited")
    return target
