"""The ledger: what was sent to whom, what each vendor accepted, and why the rest was not.

Owns the contents of `ledger.duckdb`. Knows no vendor and no plan: rows come as Arrow tables and
leave as values. Each method is one transaction (see `reverse_etl.ledger_file`).

    record_sent -> record_job | record_part -> settle -> fold -> (next plan) -> export
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from reverse_etl import ledger_runs
from reverse_etl.arrow_schemas import DELIVERY_SCHEMA, OUTCOME_SCHEMA, PART_SCHEMA
from reverse_etl.ledger_export import PROFILES_WITH_PAYLOAD, write_exports
from reverse_etl.ledger_file import LedgerBusyError, LedgerFile, Scope, utc
from reverse_etl.ledger_fold import CLOSE_BROKEN_RUNS, OpenJob, fold_settled, open_jobs
from reverse_etl.results import OperationCounts

__all__ = ["Ledger", "LedgerBusyError", "OpenJob", "Scope"]

# Settled rows are folded while a long run goes on, so that a batch costs the size of a batch and
# not of all before it, and memory the size of a fold. Some ten batches of Klaviyo's.
FOLD_ROWS = 50_000


class Ledger(LedgerFile):
    """One ledger file; made on first use."""

    def start_run(
        self, scope: Scope, run_id: str, now: datetime, counts: Mapping[str, OperationCounts]
    ) -> None:
        """One row per operation, status `running`. Repeating a run id replaces its rows."""
        with self.open() as db:
            ledger_runs.start(db, scope, run_id, now, counts)

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
            ledger_runs.finish(db, scope, run_id, now, status, counts)
            fold_settled(db, scope)

    def record_sent(self, scope: Scope, run_id: str, now: datetime, rows: pa.Table) -> None:
        """Before a request leaves: what it will say (`DELIVERY_SCHEMA`), state `sent`."""
        with self.open() as db:
            db.register("incoming", rows.cast(DELIVERY_SCHEMA))
            db.execute(
                """
                insert into deliveries
                select ?, ?, email, ?, operation, 'sent', null, null, patch, payload_hash,
                    null, null, attempt_count, true, ?, null, null
                from incoming
                """,
                [scope.destination, scope.object_name, run_id, utc(now)],
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
                    null, null, null, max(attempt_count), false, null, ?, null
                from incoming where email is not null group by email
                """,
                [scope.destination, scope.object_name, run_id, state, utc(now)],
            )
            if state == "invalid":
                db.execute(
                    """
                    insert into rejections
                    select ?, ?, ?, email, operation, 'invalid', reason_code, null, attempt_count,
                        ?, null
                    from incoming
                    """,
                    [run_id, scope.destination, scope.object_name, utc(now)],
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
                [scope.destination, scope.object_name, job_id, run_id, utc(now), len(emails)],
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

    def record_part(self, scope: Scope, rows: pa.Table) -> None:
        """Rows in state `sent` of which the vendor holds all but some members of their patch.

        They stay `sent`; what is settled later, or never, is about these members.

        Args:
            rows: `PART_SCHEMA`.
        """
        with self.open() as db:
            db.register("incoming", rows.cast(PART_SCHEMA))
            db.execute(
                """
                update deliveries set left_members = incoming.left_members from incoming
                where incoming.email = deliveries.email and deliveries.destination = ?
                    and deliveries.object = ? and deliveries.state = 'sent'
                """,
                [scope.destination, scope.object_name],
            )
            db.unregister("incoming")

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
            now_utc = utc(now)
            db.execute(
                """
                create or replace temp table answered as
                select deliveries.rowid as delivery, incoming.state, incoming.reason_code,
                    incoming.reason, deliveries.run_id, deliveries.operation, deliveries.email,
                    deliveries.attempt_count
                from deliveries join incoming on incoming.email = deliveries.email
                where deliveries.destination = ? and deliveries.object = ?
                    and deliveries.state = 'sent'
                """,
                scoped,
            )
            db.unregister("incoming")
            db.execute(
                """
                update deliveries set state = answered.state, reason_code = answered.reason_code,
                    reason = answered.reason, settled_at = ?
                from answered where answered.delivery = deliveries.rowid
                """,
                [now_utc],
            )
            db.execute(
                """
                insert into rejections
                select run_id, ?, ?, email, operation, state, coalesce(reason_code, 'refused'),
                    reason, attempt_count, ?, null
                from answered where state = 'rejected'
                """,
                [*scoped, now_utc],
            )
            counted = db.execute(
                "select run_id, operation, state, count(*) from answered group by all"
            ).fetchall()
            db.execute("drop table answered")
            if job_id is not None:
                states = outcomes.column("state").to_pylist()
                db.execute(
                    """
                    update jobs set status = ?, settled_at = ?, accepted_count = ?,
                        rejected_count = ?
                    where job_id = ? and destination = ? and object = ?
                    """,
                    [
                        job_status, utc(now), states.count("accepted"), states.count("rejected"),
                        job_id, *scoped,
                    ],
                )  # fmt: skip
            settled = db.execute(
                """
                select count(*) from deliveries
                where state <> 'sent' and destination = ? and object = ?
                """,
                scoped,
            ).fetchone()
            if settled is not None and settled[0] >= FOLD_ROWS:
                fold_settled(db, scope)
        return {(run, operation, state): rows for run, operation, state, rows in counted}

    def add_to_run(self, scope: Scope, counted: Mapping[tuple[str, str, str], int]) -> None:
        """Late answers belong to the run that asked: add them to its counters."""
        with self.open() as db:
            ledger_runs.add_late(db, scope, counted)

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
                [utc(now), scope.destination, scope.object_name],
            )
            db.execute(CLOSE_BROKEN_RUNS, [utc(now), scope.destination, scope.object_name])
            fold_settled(db, scope)
            return open_jobs(db, scope)

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
            return open_jobs(db, scope)

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
                f"select * from ({PROFILES_WITH_PAYLOAD}) where email = ?", [email.strip().lower()]
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def export(self, connection: duckdb.DuckDBPyConnection, schema: str = "sync") -> None:
        """Write the tables of `ledger_export.EXPORTS` into another database.

        Args:
            connection: open and writable; not the ledger itself.
            schema: made if it is missing; may be qualified (`new_file.sync`).
        """
        with self.open() as db:
            write_exports(db, connection, schema)
