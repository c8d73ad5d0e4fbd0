"""A plan: what one sync would send, computed as a difference and nothing sent.

Reads the published file and the ledger; writes neither (beyond folding what an interrupted run left
in the ledger). The rows live in a scratch DuckDB in memory that belongs to the plan; they hold
e-mails and payloads, so a plan's repr shows counts only.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from reverse_etl.declarations import CREATE_COLUMN, SyncSpec
from reverse_etl.keys import email_fault
from reverse_etl.ledger import Ledger, LedgerBusyError, Scope
from reverse_etl.plan_sql import PlanSql
from reverse_etl.results import OPERATIONS, OperationCounts
from vendor_http import ConfigurationError

# Put together, a thousand people with some twenty tags in all cost one request and one for each
# tag: 0.02 requests a person. From about fifty on, people with the same tags are cheaper alone.
_SMALLEST_GROUP = 50
_FETCH_ROWS = 10_000
_SEND = "operation in ('add', 'change', 'clear') and reason_code is null"
_REFUSE = "operation in ('add', 'change', 'clear') and reason_code is not null"
# Which SQL types can carry a property kind; what is not listed takes any type.
_FITTING = {
    "number": ("INT", "DECIMAL", "DOUBLE", "FLOAT"),
    "boolean": ("BOOLEAN",),
    "datetime": ("TIMESTAMP", "DATE"),
    "date": ("DATE", "TIMESTAMP"),
    "list": ("[]",),
    "multiple": ("[]",),
}


class PlannedRow(NamedTuple):
    """One person's changes, ready to be sent.

    `patch` is a JSON object of new values, null for a clear; `body` the destination's own form of
    it (the patch itself where that is the form). `must_exist`: the person may have been created by
    a request whose outcome nobody knows, and may not be created now.
    """

    row_id: int
    email: str
    operation: str
    patch: str
    body: str
    lane: str
    group_key: str
    tags_add: tuple[str, ...]
    tags_remove: tuple[str, ...]
    payload_hash: str | None
    attempt_count: int
    must_exist: bool


class Plan:
    """The rows of one planned sync; a context manager, close it to free its memory."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: SyncSpec,
        run_id: str,
        now: datetime,
        counts: Mapping[str, int],
        operations: Mapping[str, OperationCounts],
    ) -> None:
        self._connection = connection
        self.spec = spec
        self.run_id = run_id
        self.now = now
        self.counts = dict(counts)
        self.operations = dict(operations)

    def __repr__(self) -> str:
        return f"Plan({self.spec.model}, {self.counts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def scope(self) -> Scope:
        """Whose rows these are in the ledger."""
        return Scope(self.spec.destination, self.spec.object_name)

    @property
    def is_empty(self) -> bool:
        """True when a sync would send nothing."""
        return not any(self.counts[name] for name in OPERATIONS)

    def close(self) -> None:
        """Forget the rows."""
        self._connection.close()

    def rows(self) -> Iterator[PlannedRow]:
        """Rows to send, those that share a request beside each other.

        Groups too small for a request of their own are put together, under the empty key; the
        destination copes with what differs in them.
        """
        cursor = self._connection.cursor()
        reader = cursor.execute(
            f"""
            with sent as (
                select *, case when count(*) over (partition by lane, group_key) >= ?
                    then group_key else '' end as request_key
                from planned where {_SEND}
            )
            select row_id, email, operation, patch, coalesce(body, patch) as body, lane,
                request_key, tags_add, tags_remove, payload_hash, attempt_count, must_exist
            from sent order by lane, request_key, row_id
            """,
            [_SMALLEST_GROUP],
        )
        while batch := reader.fetchmany(_FETCH_ROWS):
            for row in batch:
                found = PlannedRow(*row)
                yield found._replace(
                    tags_add=tuple(found.tags_add), tags_remove=tuple(found.tags_remove)
                )

    def refused(self) -> pa.Table:
        """Rows that are never sent: `email, operation, reason_code, attempt_count`."""
        return self._arrow(
            f"email, operation, reason_code, attempt_count from planned where {_REFUSE}"
        )

    def unattempted(self, attempted: set[int], reason_code: str) -> pa.Table:
        """Rows to send that are not in `attempted` (row ids), in the form of `refused`."""
        ids = pa.table({"row_id": pa.array(sorted(attempted), pa.int64())})
        cursor = self._connection.cursor()
        cursor.register("attempted", ids)
        found = cursor.sql(
            f"""
            select email, operation, ? as reason_code, attempt_count
            from planned where {_SEND} and row_id not in (select row_id from attempted)
            """,
            params=[reason_code],
        )
        return _table(found)

    def equal(self) -> pa.Table:
        """Rows equal by value whose ledger row is out of date: `email, payload_hash`."""
        return self._arrow(
            "email, payload_hash from planned where operation = 'unchanged' "
            "and state is not null and payload_hash is not null"
        )

    def samples(self, count: int = 5) -> list[dict[str, Any]]:
        """Up to `count` rows of each operation and of the refused, for people to look at."""
        found = self._connection.cursor().execute(
            f"""
            select operation, email, patch, reason_code from planned
            where {_SEND} or {_REFUSE}
            qualify row_number() over (
                partition by operation, reason_code is null order by email
            ) <= ?
            order by reason_code is not null, operation, email
            """,
            [count],
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def size_bytes(self) -> int:
        """Bytes of all patches to send."""
        return int(self._one(f"select coalesce(sum(strlen(patch)), 0) from planned where {_SEND}"))

    def _arrow(self, query: str) -> pa.Table:
        return _table(self._connection.cursor().sql(f"select {query}"))

    def _one(self, query: str) -> Any:
        row = self._connection.cursor().execute(query).fetchone()
        return row[0] if row else None


def plan_sync(published: Path, ledger: Ledger, spec: SyncSpec, now: datetime, run_id: str) -> Plan:
    """Compare what the published file wants with what the vendor accepted.

    Args:
        published: the published DuckDB file; opened read-only.
        ledger: what was accepted; its interrupted deliveries are folded first.
        spec: the declared sync.
        now: the product's clock.
        run_id: the run this plan belongs to.

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
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("set timezone = 'UTC'")
        counts, operations = _compute(connection, Path(published), ledger, spec)
    except BaseException:
        connection.close()
        raise
    return Plan(connection, spec, run_id, now, counts, operations)


def _compute(
    connection: duckdb.DuckDBPyConnection, published: Path, ledger: Ledger, spec: SyncSpec
) -> tuple[dict[str, int], dict[str, OperationCounts]]:
    connection.execute(f"attach {_path(published)} as published (read_only)")
    try:
        sql = PlanSql(spec, _column_types(connection, spec))
        with ledger.locked():
            connection.execute(f"attach {_path(ledger.path)} as ledger (read_only)")
            try:
                counts = _difference(connection, sql)
            finally:
                connection.execute("drop view if exists differences")
                connection.execute("detach ledger")
    finally:
        connection.execute("detach published")
    _judge_emails(connection)
    tally = connection.execute(
        """
        select operation, count(*), count(*) filter (reason_code is not null)
        from planned group by operation
        """
    ).fetchall()
    found = {operation: (int(rows), int(refused)) for operation, rows, refused in tally}
    operations = {name: OperationCounts(planned=found.get(name, (0, 0))[0]) for name in OPERATIONS}
    for name in OPERATIONS:
        rows, refused = found.get(name, (0, 0))
        counts[name] = rows - refused
        counts["invalid"] = counts.get("invalid", 0) + refused
    counts["not_known"] = found.get("not_known", (0, 0))[0]
    counts["unchanged"] += found.get("unchanged", (0, 0))[0]
    return counts, operations


def _difference(connection: duckdb.DuckDBPyConnection, sql: PlanSql) -> dict[str, int]:
    """Fill table `planned`; the set-based part, everything inside DuckDB."""
    connection.execute(sql.duplicates())
    connection.execute(sql.waiting())
    duplicates = _count(connection, "duplicates")
    waiting = _count(connection, "waiting")
    connection.execute(sql.candidates(bool(duplicates), bool(waiting)))
    connection.execute(sql.differences())
    connection.execute(sql.planned())
    total = _count(connection, f"published.{sql.spec.relation}")
    candidates = connection.execute(
        "select count(*) from candidates where payload_hash is not null"
    ).fetchone()
    compared = int(candidates[0]) if candidates else 0
    in_model = 0
    if waiting:
        in_model = int((connection.execute(sql.waiting_in_model()).fetchone() or (0,))[0])
    connection.execute("drop table candidates")
    return {"unchanged": total - compared - in_model, "waiting": waiting}


def _judge_emails(connection: duckdb.DuckDBPyConnection) -> None:
    """The library's word on the addresses that are not plainly right."""
    doubtful = connection.execute(
        f"select distinct email from planned where {_SEND} and not is_plain_email"
    ).fetchall()
    faults = [(email, fault) for (email,) in doubtful if (fault := email_fault(email))]
    if not faults:
        return
    table = pa.table({"email": [row[0] for row in faults], "fault": [row[1] for row in faults]})
    connection.register("faults", table)
    connection.execute(
        "update planned set reason_code = faults.fault from faults "
        f"where faults.email = planned.email and {_SEND}"
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


def _table(found: duckdb.DuckDBPyRelation) -> pa.Table:
    table = found.to_arrow_table()
    return pa.table({}) if table is None else table  # None only by the stubs


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0


def _path(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
