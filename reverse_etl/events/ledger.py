"""The ledger's part about events: one row per destination and event, in the same file.

Rows are appended to `event_deliveries` before their request leaves, settled by its answer and
folded into `events` every so often, so that a batch costs the size of a batch. Each method is one
transaction. An accepted event stays accepted for ever; nothing here can make it be sent again.

    recover -> start_run -> record_unsent -> (record_sent -> settle)* -> finish_run
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from reverse_etl import ledger_runs
from reverse_etl.events.base import EventOutcome, PlannedEvent
from reverse_etl.events.contract import OBJECT
from reverse_etl.ledger_file import LedgerFile, Scope, utc
from reverse_etl.results import OPERATIONS, OperationCounts

OPERATION = "add"  # an event is only ever added
# Some fifty of Klaviyo's batches: a fold then costs less than the batches between two.
FOLD_ROWS = 50_000
_TEXT: pa.DataType = pa.string()
_FLAG: pa.DataType = pa.bool_()
_COUNT: pa.DataType = pa.int32()
_MOMENT: pa.DataType = pa.timestamp("us")
_SENT = pa.schema(
    [
        pa.field("event_id", _TEXT),
        pa.field("email", _TEXT),
        pa.field("was_backfill", _FLAG),
        pa.field("occurred_at", _MOMENT),
        pa.field("attempt_count", _COUNT),
    ]
)
_OUTCOMES = pa.schema(
    [pa.field(name, _TEXT) for name in ("event_id", "state", "reason_code", "reason")]
)
# What is folded while its run goes on: the run keeps the count, so that a kill loses none.
_COUNT_FOLDED = f"""
update runs set
    attempted_count = runs.attempted_count + counted.attempted,
    accepted_count = runs.accepted_count + counted.accepted,
    rejected_count = runs.rejected_count + counted.rejected
from (
    select run_id, destination,
        count(*) as attempted,
        count(*) filter (state = 'accepted') as accepted,
        count(*) filter (state = 'rejected') as rejected
    from settled group by all
) as counted
where runs.status = 'running' and runs.object = '{OBJECT}' and counted.run_id = runs.run_id
    and counted.destination = runs.destination and runs.operation = '{OPERATION}'
"""
_FOLDED = """
insert into events
select s.destination, s.event_id, s.email,
    case when s.state = 'unknown' then 'aborted' else s.state end,
    s.reason_code, s.was_backfill, s.occurred_at, s.run_id, s.attempt_count,
    case s.state
        when 'rejected' then coalesce(b.rejected_count, 0) + 1
        when 'accepted' then null
        else b.rejected_count end,
    case s.state
        when 'accepted' then false
        when 'unknown' then true
        else coalesce(b.is_uncertain, false) end,
    s.sent_at,
    case when s.state = 'accepted' then s.settled_at end,
    null
from settled as s left join before as b using (event_id)
"""


class EventLedger:
    """Events of one destination in a ledger file."""

    def __init__(self, file: LedgerFile, destination: str) -> None:
        self.file = file
        self.scope = Scope(destination, OBJECT)
        self._unfolded = 0

    def __repr__(self) -> str:
        return f"EventLedger({self.scope})"

    def recover(self, now: datetime) -> None:
        """Settle what a killed run left: requests without an answer have an unknown outcome."""
        with self.file.open() as db:
            db.execute(
                """
                update event_deliveries set state = 'unknown', reason_code = 'interrupted',
                    settled_at = ?
                where state = 'sent' and destination = ?
                """,
                [utc(now), self.scope.destination],
            )
            self._fold(db)
            db.execute(
                """
                update runs set status = 'failed', finished_at = ?, aborted_count =
                    planned_count - accepted_count - rejected_count - invalid_count
                where status = 'running' and destination = ? and object = ?
                """,
                [utc(now), self.scope.destination, OBJECT],
            )

    def start_run(self, run_id: str, now: datetime, count: OperationCounts) -> None:
        """A row of status `running`; repeating a run id replaces it."""
        with self.file.open() as db:
            ledger_runs.start(db, self.scope, run_id, now, _by_operation(count))
            self._drop_other_operations(db, run_id)

    def finish_run(self, run_id: str, now: datetime, status: str, count: OperationCounts) -> None:
        """The final counters, then everything settled becomes the latest state."""
        with self.file.open() as db:
            self._fold(db)
            ledger_runs.finish(db, self.scope, run_id, now, status, _by_operation(count))

    def record_unsent(self, run_id: str, now: datetime, rows: pa.Table) -> None:
        """Events that never left, with their state (`invalid` or `skipped`) and reason.

        Args:
            rows: `event_id, email, occurred_at, state, reason_code, attempt_count`.
        """
        if not rows.num_rows:
            return
        with self.file.open() as db:
            db.register("incoming", rows)
            self._remember(db, "select event_id from incoming")
            db.execute(
                """
                insert into events
                select ?, i.event_id, any_value(i.email), any_value(i.state),
                    any_value(i.reason_code), any_value(b.was_backfill), any_value(i.occurred_at),
                    ?, any_value(i.attempt_count), any_value(b.rejected_count),
                    coalesce(bool_or(b.is_uncertain), false), any_value(b.sent_at), null,
                    any_value(b.quarantined_at)
                from incoming as i left join before as b using (event_id)
                group by i.event_id
                """,
                [self.scope.destination, run_id],
            )
            db.execute(
                """
                insert into rejections
                select ?, ?, ?, email, ?, state, reason_code, null, attempt_count, ?, null
                from incoming where state = 'invalid'
                """,
                [run_id, self.scope.destination, OBJECT, OPERATION, utc(now)],
            )
            db.execute(
                """
                update runs set invalid_count =
                    (select count(*) from incoming where state = 'invalid')
                where run_id = ? and destination = ? and object = ? and status = 'running'
                """,
                [run_id, self.scope.destination, OBJECT],
            )
            db.execute("drop table before")
            db.unregister("incoming")

    def record_sent(self, run_id: str, now: datetime, rows: Sequence[PlannedEvent]) -> None:
        """Before a request leaves: whom it is about and as what, state `sent`."""
        columns = zip(
            *((r.event_id, r.email, r.is_backfill, r.occurred_at, r.attempt_count) for r in rows),
            strict=True,
        )
        with self.file.open() as db:
            db.register("incoming", _table(columns, _SENT))
            db.execute(
                """
                insert into event_deliveries
                select ?, event_id, email, ?, 'sent', null, null, was_backfill, occurred_at,
                    attempt_count, ?, null
                from incoming
                """,
                [self.scope.destination, run_id, utc(now)],
            )
            db.unregister("incoming")
        self._unfolded += len(rows)

    def settle(self, now: datetime, outcomes: Sequence[EventOutcome]) -> Counter[str]:
        """Answers for events that were sent; how many by state."""
        if not outcomes:
            return Counter()
        columns = zip(
            *((o.event_id, o.state, o.reason_code, o.reason) for o in outcomes), strict=True
        )
        with self.file.open() as db:
            db.register("incoming", _table(columns, _OUTCOMES))
            db.execute(
                """
                update event_deliveries set state = i.state, reason_code = i.reason_code,
                    reason = i.reason, settled_at = ?
                from incoming as i
                where i.event_id = event_deliveries.event_id and destination = ?
                    and event_deliveries.state = 'sent'
                """,
                [utc(now), self.scope.destination],
            )
            db.unregister("incoming")
            if self._unfolded >= FOLD_ROWS:
                self._fold(db)
        return Counter(outcome.state for outcome in outcomes)

    def set_aside(self, now: datetime, attempts: int) -> int:
        """Try events no more that were refused `attempts` times in a row; how many."""
        with self.file.open() as db:
            found = db.execute(
                """
                update events set quarantined_at = ?
                where destination = ? and state = 'rejected' and quarantined_at is null
                    and rejected_count >= ?
                returning event_id
                """,
                [utc(now), self.scope.destination, attempts],
            ).fetchall()
        return len(found)

    def states(self) -> dict[str, int]:
        """Events by state."""
        with self.file.open() as db:
            rows = db.execute(
                "select state, count(*) from events where destination = ? group by state",
                [self.scope.destination],
            ).fetchall()
        return dict(rows)

    def _fold(self, db: duckdb.DuckDBPyConnection) -> None:
        """Settled deliveries -> events, in the open transaction."""
        self._unfolded = 0
        db.execute(
            "create or replace temp table settled as select * from event_deliveries "
            "where state <> 'sent' and destination = ?",
            [self.scope.destination],
        )
        db.execute(_COUNT_FOLDED)
        db.execute(
            f"""
            insert into acceptance_times
            select run_id, destination, '{OBJECT}', date_sub('second', sent_at, settled_at),
                count(*)
            from settled where state = 'accepted' group by all
            """
        )
        db.execute(
            f"""
            insert into rejections
            select run_id, destination, '{OBJECT}', email, '{OPERATION}', state,
                coalesce(reason_code, 'refused'), reason, attempt_count, settled_at, null
            from settled where state = 'rejected'
            """
        )
        self._remember(db, "select event_id from settled")
        db.execute(_FOLDED)
        db.execute(
            "delete from event_deliveries where state <> 'sent' and destination = ?",
            [self.scope.destination],
        )
        db.execute("drop table settled")
        db.execute("drop table before")

    def _remember(self, db: duckdb.DuckDBPyConnection, ids: str) -> None:
        """Take the rows that are about to be replaced out of `events`, into `before`."""
        db.execute(
            "create or replace temp table before as select * from events "
            f"where destination = ? and event_id in ({ids})",
            [self.scope.destination],
        )
        db.execute(
            f"delete from events where destination = ? and event_id in ({ids})",
            [self.scope.destination],
        )

    def _drop_other_operations(self, db: duckdb.DuckDBPyConnection, run_id: str) -> None:
        db.execute(
            "delete from runs where run_id = ? and destination = ? and object = ? "
            "and operation <> ?",
            [run_id, self.scope.destination, OBJECT, OPERATION],
        )


def _by_operation(count: OperationCounts) -> dict[str, OperationCounts]:
    return {name: count if name == OPERATION else OperationCounts() for name in OPERATIONS}


def _table(columns: "zip[tuple[object, ...]]", schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
