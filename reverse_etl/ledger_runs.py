"""The counters of runs, one row per operation, in the open ledger."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from reverse_etl.ledger_file import Scope, utc
from reverse_etl.results import OPERATIONS, OperationCounts

_COLUMN = {
    "accepted": "accepted_count",
    "rejected": "rejected_count",
    "aborted": "aborted_count",
    "unknown": "aborted_count",
}


def start(
    db: duckdb.DuckDBPyConnection,
    scope: Scope,
    run_id: str,
    now: datetime,
    counts: Mapping[str, OperationCounts],
) -> None:
    """One row per operation, status `running`; rows of the same run are replaced."""
    db.execute(
        "delete from runs where run_id = ? and destination = ? and object = ?",
        [run_id, scope.destination, scope.object_name],
    )
    for operation in OPERATIONS:
        planned = counts[operation].planned
        db.execute(
            "insert into runs values (?, ?, ?, ?, ?, null, 'running', ?, 0, 0, 0, 0, 0)",
            [run_id, scope.destination, scope.object_name, operation, utc(now), planned],
        )


def finish(
    db: duckdb.DuckDBPyConnection,
    scope: Scope,
    run_id: str,
    now: datetime,
    status: str,
    counts: Mapping[str, OperationCounts],
) -> None:
    """The final counters and status."""
    for operation in OPERATIONS:
        count = counts[operation]
        db.execute(
            """
            update runs set
                finished_at = ?, status = ?, attempted_count = ?, accepted_count = ?,
                rejected_count = ?, invalid_count = ?, aborted_count = ?
            where run_id = ? and destination = ? and object = ? and operation = ?
            """,
            [
                utc(now), status, count.attempted, count.accepted,
                count.rejected, count.invalid, count.aborted,
                run_id, scope.destination, scope.object_name, operation,
            ],
        )  # fmt: skip


def add_late(
    db: duckdb.DuckDBPyConnection, scope: Scope, counted: Mapping[tuple[str, str, str], int]
) -> None:
    """Add answers that came after their run; a run that waits for no more has succeeded."""
    for (run_id, operation, state), count in counted.items():
        column = _COLUMN[state]
        db.execute(
            f"""
            update runs set {column} = {column} + ?
            where run_id = ? and operation = ? and destination = ? and object = ?
            """,
            [count, run_id, operation, scope.destination, scope.object_name],
        )
    db.execute(
        """
        update runs set status = 'succeeded' where status = 'unfinished'
            and destination = ? and object = ? and run_id not in (
                select run_id from deliveries where state = 'sent'
                    and destination = ? and object = ?
            )
        """,
        [scope.destination, scope.object_name] * 2,
    )
