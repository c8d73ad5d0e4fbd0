"""One person in the ledger: what vendors hold of them, and taking them out for good.

Knows the ledger's tables only by their `email` column, so that a table that joins later is not
forgotten. Sends nothing: clearing at the vendors is an ordinary sync over a ledger that holds this
one person (`lend`), and whose outcome `held_names` reads.
"""

from collections.abc import Collection, Mapping
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from reverse_etl.file_rewrite import rewriting
from reverse_etl.ledger import Ledger, Scope


def is_under_way(ledger: Ledger, scope: Scope, emails: Collection[str]) -> bool:
    """Whether a job that has not ended carries one of these people."""
    with ledger.open() as db:
        row = db.execute(
            "select count(*) from deliveries where state = 'sent' "
            "and destination = ? and object = ? and list_contains(?, email)",
            [scope.destination, scope.object_name, list(emails)],
        ).fetchone()
    return bool(row and row[0])


def held_names(ledger: Ledger, scope: Scope, emails: Collection[str]) -> list[str]:
    """Properties and tags (`tag:<tag>`) that the vendor holds of these people because of us."""
    with ledger.open() as db:
        found = db.execute(
            "select distinct unnest(json_keys(accepted)) as name from profiles "
            "where destination = ? and object = ? and list_contains(?, email) order by all",
            [scope.destination, scope.object_name, list(emails)],
        ).fetchall()
    return [str(name) for (name,) in found]


def refusals(ledger: Ledger, scope: Scope) -> list[str]:
    """Reason codes of what a vendor refused, each once."""
    with ledger.open() as db:
        found = db.execute(
            "select distinct reason_code from profiles where reason_code is not null "
            "and destination = ? and object = ? and state <> 'accepted' order by all",
            [scope.destination, scope.object_name],
        ).fetchall()
    return [str(code) for (code,) in found]


def lend(
    ledger: Ledger,
    other: Ledger,
    scope: Scope,
    emails: Collection[str],
    *,
    to_clear: bool = False,
) -> int:
    """Copy these people's states into an empty ledger; how many.

    Args:
        to_clear: they count as never accepted and never refused there: who is unknown at the vendor
            by now is not made anew just to be cleared, and nobody waits in quarantine.
    """
    with ledger.open() as db:
        rows: Any = db.sql(
            "select * from profiles where destination = ? and object = ? "
            "and list_contains(?, email)",
            params=[scope.destination, scope.object_name, list(emails)],
        ).to_arrow_table()
    with other.open() as db:
        db.register("lent", rows)
        db.execute("insert into profiles by name select * from lent")
        db.unregister("lent")
        if to_clear:
            db.execute(
                "update profiles set accepted_at = null, quarantined_at = null, "
                "payload_hash = null, attempt_count = 0"
            )
    return int(rows.num_rows)


def lend_names(other: Ledger, names: Collection[str]) -> None:
    """Let everybody in a lent ledger hold these properties and tags as well."""
    held = orjson.dumps(dict.fromkeys(sorted(names), "told")).decode()
    with other.open() as db:
        db.execute("update profiles set accepted = json_merge_patch(?::json, accepted)", [held])


def erase(ledger: Ledger, emails: Collection[str]) -> Mapping[str, int]:
    """Delete these people from every table and from the bytes of the file; rows per table.

    Raises:
        LedgerBusyError: another process held the ledger for too long.
    """
    if not ledger.path.exists():
        return {}
    with ledger.open():
        pass  # migrates, and brings a killed process's log into the file
    gone: dict[str, int] = {}
    with ledger.locked(), rewriting(ledger.path) as db:
        db.register("erased", pa.table({"email": pa.array(sorted(emails), pa.string())}))
        for table in _tables(db):
            row = db.execute(
                f'delete from "{table}" where email in (select email from erased)'
            ).fetchone()
            if row and row[0]:
                gone[table] = int(row[0])
        db.unregister("erased")
    return gone


def _tables(db: duckdb.DuckDBPyConnection) -> list[str]:
    found = db.execute(
        "select table_name from duckdb_columns() where column_name = 'email' and not internal "
        "and database_name = current_database() order by all"
    ).fetchall()
    return [str(table) for (table,) in found]
