"""The ledger: what was sent to whom, what each vendor accepted, and why the rest was not.

Owns `ledger.duckdb`. Every use takes the file lock, opens the file, does one short transaction and
closes it again, so that syncs in several processes share one ledger. Knows no vendor and no plan:
rows come as Arrow tables and leave as values.

    record_sent -> record_job -> settle -> fold -> (next plan) -> export
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from reverse_etl.ledger_export import EXPORTS, write_exports
from reverse_etl.ledger_schema import UNSETTLED, migrate
from reverse_etl.results import OPERATIONS, OperationCounts
from vendor_http import LoyaltyError

LOCK_SECONDS = 120.0

_TEXT: pa.DataType = pa.string()
_COUNT: pa.DataType = pa.int32()
DELIVERY_SCHEMA = pa.schema(
    [
        pa.field("email", _TEXT),
        pa.field("operation", _TEXT),
        pa.field("patch", _TEXT),
        pa.field("payload_hash", _TEXT),
        pa.field("attempt_count", _COUNT),
    ]
)
OUTCOME_SCHEMA = pa.schema(
    [pa.field(name, _TEXT) for name in ("email", "state", "reason_code", "reason")]
)


class LedgerBusyError(LoyaltyError):
    """Another process held the ledger for too long."""


@dataclass(frozen=True)
class OpenJob:
    """A vendor's job whose end is not known yet."""

    job_id: str
    run_id: str
    submitted_at: datetime
    row_count: int


@dataclass(frozen=True)
class Scope:
    """Whose rows: one destination and object."""

    destination: str
    object_name: str

    def __str__(self) -> str:
        return f"{self.destination}/{self.object_name}"


class Ledger:
    """One ledger file.

    Args:
        path: `ledger.duckdb`; made on first use. The lock is the file beside it, `.lock`.
        lock_seconds: how long to wait for another process.
    """

    def __init__(self, path: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self.path = Path(path)
        self._lock_seconds = lock_seconds
        self._syncs: dict[Scope, FileLock] = {}

    def __repr__(self) -> str:
        return f"Ledger({self.path.name})"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger against other processes and threads.

        Raises:
            LedgerBusyError: nobody let go within the lock time.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", timeout=self._lock_seconds)
        try:
            lock.acquire()
        except Timeout:
            raise LedgerBusyError(
                f"{self.path.name} is in use by another process for more than "
                f"{self._lock_seconds:.0f} s. Wait for the other sync to end, then run again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def exclusive(self, scope: Scope, wait_seconds: float = 0.0) -> Iterator[None]:
        """One sync per destination and object at a time; the same thread may enter again.

        Raises:
            LedgerBusyError: another sync of this destination is running.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{self.path.stem}.{scope.destination}.{scope.object_name}.lock"
        lock = self._syncs.setdefault(scope, FileLock(self.path.parent / name))
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise LedgerBusyError(
                f"another sync of {scope} is running. Wait for it to end, then run again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The open file, migrated, in one transaction; commits unless an error passes."""
        with self.locked(), duckdb.connect(str(self.path)) as connection:
            connection.execute("set timezone = 'UTC'")
            migrate(connection)
            connection.execute("begin")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def start_run(
        self, scope: Scope, run_id: str, now: datetime, counts: Mapping[str, OperationCounts]
    ) -> None:
        """One row per operation, status `running`. Repeating a run id replaces its rows."""
        with self.open() as db:
            db.execute(
                "delete from runs where run_id = ? and destination = ? and object = ?",
                [run_id, scope.destination, scope.object_name],
            )
            for operation in OPERATIONS:
                planned = counts[operation].planned
                db.execute(
                    "insert into runs values (?, ?, ?, ?, ?, null, 'running', ?, 0, 0, 0, 0, 0)",
                    [run_id, scope.destination, scope.object_name, operation, _utc(now), planned],
                )

    def finish_run(
        self,
        scope: Scope,
        run_id: str,
        now: datetime,
        status: str,
        counts: Mapping[str, OperationCounts],
    ) -> None:
        """Write the final counters, then fold what was delivered into the latest state."""
        with self.open() as db:
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
                        _utc(now), status, count.attempted, count.accepted,
                        count.rejected, count.invalid, count.aborted,
                        run_id, scope.destination, scope.object_name, operation,
                    ],
                )  # fmt: skip
            _fold(db, scope)

    def record_sent(self, scope: Scope, run_id: str, now: datetime, rows: pa.Table) -> None:
        """Before a request leaves: what it will say (`DELIVERY_SCHEMA`), state `sent`."""
        with self.open() as db:
            db.register("incoming", rows.cast(DELIVERY_SCHEMA))
            db.execute(
                """
                insert into deliveries
                select ?, ?, email, ?, operation, 'sent', null, null, patch, payload_hash,
                    null, null, attempt_count, true, ?, null
                from incoming
                """,
                [scope.destination, scope.object_name, run_id, _utc(now)],
            )
            db.unregister("incoming")

    def record_unsent(
        self, scope: Scope, run_id: str, now: datetime, rows: pa.Table, state: str
    ) -> None:
        """Rows that never left, with `reason_code` (and `reason`): `invalid` or `aborted`."""
        with self.open() as db:
            db.register("incoming", rows)
            db.execute(
                """
                insert into deliveries
                select ?, ?, email, ?, any_value(operation), ?, any_value(reason_code), null, '{}',
                    null, null, null, max(attempt_count), false, null, ?
                from incoming where email is not null group by email
                """,
                [scope.destination, scope.object_name, run_id, state, _utc(now)],
            )
            if state == "invalid":
                db.execute(
                    """
                    insert into rejections
                    select ?, ?, ?, email, operation, 'invalid', reason_code, null, attempt_count,
                        ?, null
                    from incoming
                    """,
                    [run_id, scope.destination, scope.object_name, _utc(now)],
                )
            db.unregister("incoming")

    def record_job(
        self, scope: Scope, run_id: str, now: datetime, job_id: str, emails: Sequence[str]
    ) -> None:
        """Right after the vendor named a job: its rows in the order of the request."""
        places = pa.table(
            {"email": pa.array(emails, pa.string()), "place": pa.array(range(len(emails)))}
        )
        with self.open() as db:
            db.execute(
                "insert into jobs values (?, ?, ?, ?, 'submitted', ?, null, ?, null, null)",
                [scope.destination, scope.object_name, job_id, run_id, _utc(now), len(emails)],
            )
            db.register("places", places)
            db.execute(
                """
                update deliveries set job_id = ?, job_position = places.place from places
                where places.email = deliveries.email and deliveries.destination = ?
                    and deliveries.object = ? and deliveries.state = 'sent'
                """,
                [job_id, scope.destination, scope.object_name],
            )
            db.unregister("places")

    def settle(
        self,
        scope: Scope,
        now: datetime,
        outcomes: pa.Table,
        job_id: str | None = None,
        job_status: str = "complete",
    ) -> dict[tuple[str, str, str], int]:
        """Answers for rows in state `sent` (`OUTCOME_SCHEMA`); one transaction.

        Returns:
            (run id, operation, state) -> rows, for the counters.
        """
        with self.open() as db:
            db.register("incoming", outcomes.cast(OUTCOME_SCHEMA))
            scoped = [scope.destination, scope.object_name]
            now_utc = _utc(now)
            settled = db.execute(
                """
                update deliveries set state = incoming.state, reason_code = incoming.reason_code,
                    reason = incoming.reason, settled_at = ?
                from incoming
                where incoming.email = deliveries.email and deliveries.destination = ?
                    and deliveries.object = ? and deliveries.state = 'sent'
                returning deliveries.run_id, deliveries.operation, deliveries.state,
                    deliveries.email, deliveries.reason_code, deliveries.reason,
                    deliveries.attempt_count
                """,
                [now_utc, *scoped],
            ).fetchall()
            db.unregister("incoming")
            rejected = [
                [row[0], *scoped, *row[3:4], row[1], row[2], row[4] or "refused", *row[5:], now_utc]
                for row in settled
                if row[2] == "rejected"
            ]
            if rejected:
                db.executemany(
                    "insert into rejections values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null)", rejected
                )
            counted = Counter((row[0], row[1], row[2]) for row in settled)
            if job_id is not None:
                states = outcomes.column("state").to_pylist()
                db.execute(
                    """
                    update jobs set status = ?, settled_at = ?, accepted_count = ?,
                        rejected_count = ?
                    where job_id = ? and destination = ? and object = ?
                    """,
                    [
                        job_status, _utc(now), states.count("accepted"), states.count("rejected"),
                        job_id, *scoped,
                    ],
                )  # fmt: skip
        return dict(counted)

    def add_to_run(self, scope: Scope, counted: Mapping[tuple[str, str, str], int]) -> None:
        """Late answers belong to the run that asked: add them to its counters."""
        column = {
            "accepted": "accepted_count",
            "rejected": "rejected_count",
            "aborted": "aborted_count",
            "unknown": "aborted_count",
        }
        with self.open() as db:
            for (run_id, operation, state), count in counted.items():
                db.execute(
                    f"""
                    update runs set {column[state]} = {column[state]} + ?
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

    def fold(self, scope: Scope, now: datetime) -> list[OpenJob]:
        """Make `profiles` current: settled deliveries, and what a crash left without an answer.

        Rows of a job that is still open stay in `deliveries`; rows that left without a job and
        without an answer count as unknown, so they are planned again.

        Returns:
            jobs that were submitted and not settled, oldest first.
        """
        with self.open() as db:
            db.execute(
                """
                update deliveries set state = 'unknown', reason_code = 'interrupted',
                    settled_at = ?
                where state = 'sent' and job_id is null and destination = ? and object = ?
                """,
                [_utc(now), scope.destination, scope.object_name],
            )
            db.execute(_CLOSE_BROKEN_RUNS, [_utc(now), scope.destination, scope.object_name])
            _fold(db, scope)
            return _open_jobs(db, scope)

    def refresh(self, scope: Scope, rows: pa.Table) -> None:
        """Rows found equal by value: remember the new hash, leave an old refusal behind.

        Args:
            rows: `email`, `payload_hash`.
        """
        with self.open() as db:
            db.register("incoming", rows)
            db.execute(
                """
                update profiles set payload_hash = incoming.payload_hash,
                    state = case when state = 'accepted' then state else 'unchanged' end,
                    reason_code = null
                from incoming
                where incoming.email = profiles.email and destination = ? and object = ?
                """,
                [scope.destination, scope.object_name],
            )
            db.unregister("incoming")

    def open_jobs(self, scope: Scope) -> list[OpenJob]:
        """Jobs that were submitted and not settled, oldest first."""
        with self.open() as db:
            return _open_jobs(db, scope)

    def job_emails(self, scope: Scope, job_id: str) -> list[str]:
        """E-mails of a job's unsettled rows, by place in its request."""
        with self.open() as db:
            rows = db.execute(
                """
                select job_position, email from deliveries
                where job_id = ? and state = 'sent' and destination = ? and object = ?
                order by job_position
                """,
                [job_id, scope.destination, scope.object_name],
            ).fetchall()
        return [row[1] for row in rows]

    def person(self, email: str) -> list[dict[str, Any]]:
        """All that is known about one person's deliveries, one dict per destination."""
        with self.open() as db:
            found = db.execute(
                f"select * from ({EXPORTS['profiles']}) where email = ?", [email.strip().lower()]
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def export(self, connection: duckdb.DuckDBPyConnection, schema: str = "sync") -> None:
        """Write `runs`, `profiles` and `rejections` into a database that is being published.

        Args:
            connection: open and writable; not the ledger itself.
            schema: made if it is missing; may be qualified (`new_file.sync`).
        """
        with self.open() as db:
            write_exports(db, connection, schema)


# A run that never ended: its counters come from its deliveries, the rest was not attempted.
_CLOSE_BROKEN_RUNS = """
update runs set
    status = 'failed',
    finished_at = ?,
    attempted_count = counted.attempted,
    accepted_count = counted.accepted,
    rejected_count = counted.rejected,
    invalid_count = counted.invalid,
    aborted_count = runs.planned_count - counted.accepted - counted.rejected
        - counted.invalid - counted.waiting
from (
    select r.run_id, r.destination, r.object, r.operation,
        count(*) filter (d.was_sent) as attempted,
        count(*) filter (d.state = 'accepted') as accepted,
        count(*) filter (d.state = 'rejected') as rejected,
        count(*) filter (d.state = 'invalid') as invalid,
        count(*) filter (d.state = 'sent') as waiting
    from runs as r
    left join deliveries as d using (run_id, destination, object, operation)
    group by all
) as counted
where runs.status = 'running' and runs.destination = ? and runs.object = ?
    and counted.run_id = runs.run_id and counted.destination = runs.destination
    and counted.object = runs.object and counted.operation = runs.operation
"""


def _open_jobs(db: duckdb.DuckDBPyConnection, scope: Scope) -> list[OpenJob]:
    rows = db.execute(
        """
        select job_id, run_id, submitted_at, row_count from jobs
        where status = 'submitted' and destination = ? and object = ?
        order by submitted_at, job_id
        """,
        [scope.destination, scope.object_name],
    ).fetchall()
    return [OpenJob(*row) for row in rows]


def _fold(db: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """Deliveries with an outcome -> profiles, then forget them. Set based, one pass.

    accepted: the patch is applied, unknown: each property of the patch becomes unsettled,
    otherwise the vendor's state is what it was.
    """
    scoped = [scope.destination, scope.object_name]
    found = db.execute(
        "select 1 from deliveries where state <> 'sent' and destination = ? and object = ? limit 1",
        scoped,
    ).fetchone()
    if found is None:
        return
    db.execute(
        f"""
        create or replace temp table settled as
        select *, case
            when state = 'accepted' then patch
            when state = 'unknown' then '{{' || array_to_string(
                list_transform(json_keys(patch), lambda k:
                    cast(to_json(k) as varchar) || ':{UNSETTLED}'), ',') || '}}'
            end as applied
        from deliveries where state <> 'sent' and destination = ? and object = ?
        """,
        scoped,
    )
    db.execute(
        """
        update profiles set
            state = case when s.state = 'unknown' then 'aborted' else s.state end,
            reason_code = s.reason_code,
            operation = s.operation,
            payload_hash = case
                when s.state = 'accepted' then s.payload_hash
                when s.state = 'unknown' then null
                else profiles.payload_hash end,
            accepted = case when s.applied is null then profiles.accepted
                else cast(json_merge_patch(profiles.accepted, s.applied) as varchar) end,
            job_id = coalesce(s.job_id, case when s.was_sent then null else profiles.job_id end),
            run_id = s.run_id,
            attempt_count = s.attempt_count,
            sent_at = coalesce(s.sent_at, profiles.sent_at),
            accepted_at = case when s.state = 'accepted' then s.settled_at
                else profiles.accepted_at end
        from settled as s
        where s.email = profiles.email and s.destination = profiles.destination
            and s.object = profiles.object
        """
    )
    db.execute(
        """
        insert into profiles
        select s.destination, s.object, s.email,
            case when s.state = 'unknown' then 'aborted' else s.state end,
            s.reason_code, s.operation,
            case when s.state = 'accepted' then s.payload_hash end,
            cast(json_merge_patch('{}', coalesce(s.applied, '{}')) as varchar) as accepted,
            accepted <> '{}',
            s.job_id, s.run_id, s.attempt_count, s.sent_at,
            case when s.state = 'accepted' then s.settled_at end
        from settled as s
        where not exists (
            select 1 from profiles as p where p.email = s.email
                and p.destination = s.destination and p.object = s.object
        )
        """
    )
    db.execute(
        """
        update profiles set is_holding = accepted <> '{}'
        where email in (select email from settled) and is_holding is distinct from accepted <> '{}'
            and destination = ? and object = ?
        """,
        scoped,
    )
    db.execute(
        "delete from deliveries where state <> 'sent' and destination = ? and object = ?", scoped
    )
    db.execute("drop table settled")


def _utc(moment: datetime) -> datetime:
    """Naive UTC, as the ledger stores it.

    Raises:
        ValueError: the moment has no zone, so nobody could say when it was.
    """
    if moment.tzinfo is None:
        raise ValueError("now needs a time zone, use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None)
