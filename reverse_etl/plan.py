"""Planning: what one sync would send, computed as a difference and nothing sent.

Reads the published file and the ledger; writes neither (beyond folding what an interrupted run left
in the ledger). Data flow: both attached to a scratch DuckDB -> `plan_sql` -> `planned.Plan`.
"""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from reverse_etl.declarations import CREATE_COLUMN, SyncSpec
from reverse_etl.keys import email_fault
from reverse_etl.ledger import Ledger, LedgerBusyError, Scope
from reverse_etl.plan_sql import PlanSql
from reverse_etl.planned import SEND, Plan
from reverse_etl.results import OPERATIONS, OperationCounts
from reverse_etl.saved_plan import fingerprint
from reverse_etl.scratch import Scratch
from vendor_http import ConfigurationError

# Tables of keys that are not planned now; each is counted under its name.
LEFT_OUT = ("waiting", "quarantined", "held_back")
# Which SQL types can carry a property kind; what is not listed takes any type.
_FITTING = {
    "number": ("INT", "DECIMAL", "DOUBLE", "FLOAT"),
    "boolean": ("BOOLEAN",),
    "datetime": ("TIMESTAMP", "DATE"),
    "date": ("DATE", "TIMESTAMP"),
    "list": ("[]",),
    "multiple": ("[]",),
}


def plan_sync(
    published: Path,
    ledger: Ledger,
    spec: SyncSpec,
    now: datetime,
    run_id: str,
    *,
    has_fingerprint: bool = False,
) -> Plan:
    """Compare what the published file wants with what the vendor accepted.

    Args:
        published: the published DuckDB file; opened read-only.
        ledger: what was accepted; its interrupted deliveries are folded first.
        spec: the declared sync.
        now: the product's clock.
        run_id: the run this plan belongs to.
        has_fingerprint: also compute what a saved plan is compared by.

    Raises:
        ConfigurationError: file, table or a declared column is missing or of an unfit type.
        LedgerBusyError: another process holds the ledger.
    """
    if not Path(published).exists():
        raise ConfigurationError(
            f"there is no published file {Path(published).name}. Run build and publish first"
        )
    scope = Scope(spec.destination, spec.object_name)
    try:
        with ledger.exclusive(scope):
            ledger.fold(scope, now)
    except LedgerBusyError:  # looking at a plan is allowed while another sync runs
        with ledger.open():
            pass  # makes and migrates the file, so that it can be attached read-only
    scratch = Scratch(ledger.path.parent / "scratch")
    try:
        counts, prints = _compute(
            scratch.connection, Path(published), ledger, spec, has_fingerprint
        )
        operations = _tally(scratch.connection, counts)
    except BaseException:
        scratch.close()
        raise
    return Plan(scratch, spec, run_id, now, counts, operations, prints)


def _compute(
    connection: duckdb.DuckDBPyConnection,
    published: Path,
    ledger: Ledger,
    spec: SyncSpec,
    has_fingerprint: bool,
) -> tuple[dict[str, int], dict[str, str]]:
    """Fill table `planned`; counts of what is not planned, and the fingerprint if it is wanted."""
    connection.execute(f"attach {_path(published)} as published (read_only)")
    try:
        sql = PlanSql(spec, _column_types(connection, spec))
        people = _people(connection, spec)
        with ledger.locked():
            connection.execute(f"attach {_path(ledger.path)} as ledger (read_only)")
            try:
                counts = _difference(connection, sql)
                _judge_emails(connection)
                prints = fingerprint(connection, spec) if has_fingerprint else {}
            finally:
                connection.execute("drop view if exists differences")
                connection.execute("detach ledger")
    finally:
        connection.execute("detach published")
    return {**counts, **people}, prints


def _tally(
    connection: duckdb.DuckDBPyConnection, counts: dict[str, int]
) -> dict[str, OperationCounts]:
    """Add to `counts` what was planned; the same as counters per operation."""
    tally = connection.execute(
        """
        select operation, count(*), count(*) filter (reason_code is not null)
        from planned group by operation
        """
    ).fetchall()
    found = {operation: (int(rows), int(refused)) for operation, rows, refused in tally}
    for name in OPERATIONS:
        rows, refused = found.get(name, (0, 0))
        counts[name] = rows - refused
        counts["invalid"] = counts.get("invalid", 0) + refused
    counts["not_known"] = found.get("not_known", (0, 0))[0]
    counts["unchanged"] += found.get("unchanged", (0, 0))[0]
    return {name: OperationCounts(planned=found.get(name, (0, 0))[0]) for name in OPERATIONS}


def _difference(connection: duckdb.DuckDBPyConnection, sql: PlanSql) -> dict[str, int]:
    """Fill table `planned`; the set-based part, everything inside DuckDB."""
    connection.execute(sql.keys())
    connection.execute(sql.duplicates())
    connection.execute(sql.waiting())
    connection.execute(sql.quarantined())
    connection.execute(sql.held_back())
    duplicates = _count(connection, "duplicates")
    left_out = {name: _count(connection, name) for name in LEFT_OUT}
    connection.execute(
        sql.candidates(bool(duplicates), [name for name, keys in left_out.items() if keys])
    )
    orphans = [str(row[0]) for row in connection.execute(sql.orphans()).fetchall()]
    connection.execute(sql.differences(orphans))
    connection.execute(sql.planned())
    total = _count(connection, f"published.{sql.spec.relation}")
    candidates = connection.execute(
        "select count(*) from candidates where payload_hash is not null"
    ).fetchone()
    compared = int(candidates[0]) if candidates else 0
    not_compared = sum(
        _one(connection, sql.in_model(name)) for name, keys in left_out.items() if keys
    )
    connection.execute("drop table candidates")
    connection.execute("drop table keys")
    return {
        "rows": total,
        "known": _one(connection, sql.known()),
        "unchanged": total - compared - not_compared,
        **left_out,
    }


def _people(connection: duckdb.DuckDBPyConnection, spec: SyncSpec) -> dict[str, int]:
    """How many members there are, and how many of them nobody can be told about."""
    if spec.people is None:
        return {}
    try:
        found = connection.execute(
            f"""
            select count(*), count(*) filter (email is null) from published.marts."{spec.people}"
            where membership = 'member' and not is_deleted
            """
        ).fetchone()
    except duckdb.CatalogException:
        raise ConfigurationError(
            f"the published file has no marts.{spec.people}, which sync model {spec.model} names. "
            "Run build and publish again"
        ) from None
    members, without_email = found or (0, 0)
    return {"members": int(members), "without_email": int(without_email)}


def _judge_emails(connection: duckdb.DuckDBPyConnection) -> None:
    """The library's word on the addresses that are not plainly right."""
    doubtful = connection.execute(
        f"select distinct email from planned where {SEND} and not is_plain_email"
    ).fetchall()
    faults = [(email, fault) for (email,) in doubtful if (fault := email_fault(email))]
    if not faults:
        return
    table = pa.table({"email": [row[0] for row in faults], "fault": [row[1] for row in faults]})
    connection.register("faults", table)
    connection.execute(
        "update planned set reason_code = faults.fault from faults "
        f"where faults.email = planned.email and {SEND}"
    )
    connection.unregister("faults")


def _column_types(connection: duckdb.DuckDBPyConnection, spec: SyncSpec) -> dict[str, str]:
    try:
        described = connection.execute(f"describe published.{spec.relation}").fetchall()
    except duckdb.CatalogException:
        raise ConfigurationError(
            f"the published file has no {spec.schema}.{spec.table}. Run build and publish again"
        ) from None
    types = {str(row[0]): str(row[1]) for row in described}
    needed = [spec.key, CREATE_COLUMN, *(item.column for item in spec.properties)]
    if spec.tags_column:
        needed.append(spec.tags_column)
    missing = [column for column in needed if column not in types]
    if missing:
        raise ConfigurationError(
            f"{spec.schema}.{spec.table} lacks {', '.join(missing)}, declared in the model's yml. "
            "Run build and publish again"
        )
    for item in spec.properties:
        fitting = _FITTING.get(item.kind)
        if fitting and not any(part in types[item.column].upper() for part in fitting):
            raise ConfigurationError(
                f"sync model {spec.model}: column {item.column} is {types[item.column]}, "
                f"which cannot be sent as {item.kind}. Correct the type in the yml or the cast"
            )
    return types


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return _one(connection, f"select count(*) from {relation}")


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _path(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
