"""Planning: which events nobody has accepted yet; computed, and nothing sent.

Reads the published file and the ledger, writes neither. Data flow: both attached to a scratch
DuckDB -> `plan_sql` -> `EventPlan`, whose rows are read in the order in which they are sent.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from reverse_etl.events.base import PlannedEvent
from reverse_etl.events.contract import COLUMNS, OPTIONAL, EventSync
from reverse_etl.events.judge import json_fault
from reverse_etl.events.plan_sql import EventPlanSql
from reverse_etl.keys import email_fault
from reverse_etl.ledger_file import LedgerFile
from reverse_etl.payloads import literal
from reverse_etl.scratch import Scratch
from vendor_http import ConfigurationError

_FETCH_ROWS = 5_000
_SEND = "reason_code is null"


class KindCount(NamedTuple):
    """Events of one kind: to tell as live, to tell as history, told already, held back."""

    kind: str
    live: int
    backfill: int
    told: int
    held: int


class EventPlan:
    """The events of one sync; a context manager, close it to free its memory.

    Attributes:
        counts: `rows` of the model, `accepted` before, `quarantined`, and of what is planned
            `live`, `backfill`, `invalid` and `skipped`.
    """

    def __init__(
        self,
        scratch: Scratch,
        sync: EventSync,
        run_id: str,
        now: datetime,
        counts: Mapping[str, int],
    ) -> None:
        self._scratch = scratch
        self.sync = sync
        self.run_id = run_id
        self.now = now
        self.counts = dict(counts)

    def __repr__(self) -> str:
        return f"EventPlan({self.sync.destination}, {self.counts})"

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
    def sendable(self) -> int:
        """Events that are to be sent."""
        return self.counts["live"] + self.counts["backfill"]

    def close(self) -> None:
        """Forget the events."""
        self._scratch.close()

    def rows(self) -> Iterator[PlannedEvent]:
        """Events to send, in order."""
        found = self._scratch.connection.cursor().sql(
            f"""
            select event_id, email, occurred_at, body, lane, group_key, is_backfill, is_uncertain,
                attempt_count
            from planned where {_SEND}
            """
        )
        for chunk in found.to_arrow_reader(_FETCH_ROWS) or ():  # None only by the stubs
            columns = [column.to_pylist() for column in chunk.columns]
            yield from map(PlannedEvent._make, zip(*columns, strict=True))

    def unsent(self) -> pa.Table:
        """Events that are not sent: `event_id, email, occurred_at, state, reason_code, ...`.

        Rows without an id are counted only: nothing could tell them apart.
        """
        table = (
            self._scratch.connection.cursor()
            .sql(
                f"""
            select event_id, email, occurred_at, state, reason_code, attempt_count
            from planned
            where not ({_SEND}) and is_news and coalesce(event_id, '') <> ''
            """
            )
            .to_arrow_table()
        )
        return pa.table({}) if table is None else table  # None only by the stubs

    def reasons(self) -> dict[str, int]:
        """Events that are held back, by reason; those too that were held back before."""
        rows = self._scratch.connection.cursor().execute(
            f"select reason_code, count(*) from planned where not ({_SEND}) group by 1 order by 1"
        )
        return {str(code): int(count) for code, count in rows.fetchall()}

    def kinds(self) -> list[KindCount]:
        """The same by what happened; of plans made with `has_kinds`."""
        rows = self._scratch.connection.cursor().execute(
            f"""
            select
                coalesce(kind, '(none)'),
                coalesce(any_value(p.live), 0), coalesce(any_value(p.backfill), 0),
                coalesce(any_value(t.event_count), 0), coalesce(any_value(p.held), 0)
            from (
                select kind,
                    count(*) filter ({_SEND} and not is_backfill) as live,
                    count(*) filter ({_SEND} and is_backfill) as backfill,
                    count(*) filter (not ({_SEND})) as held
                from planned group by kind
            ) as p
            full join told_kinds as t using (kind)
            group by 1 order by 1
            """
        )
        return [KindCount(str(kind), *counts) for kind, *counts in rows.fetchall()]


def plan_events(
    published: Path,
    ledger: LedgerFile,
    sync: EventSync,
    now: datetime,
    run_id: str,
    *,
    has_kinds: bool = False,
) -> EventPlan:
    """What the model holds and the destination has not accepted.

    Args:
        published: the published DuckDB file; opened read-only.
        ledger: what was accepted; see `EventLedger.recover` for what a killed run left.
        now: the product's clock: what is older than `sync.live_hours` then is backfill.
        has_kinds: somebody is going to look at it by kind.

    Raises:
        ConfigurationError: file, table or a column is missing or of an unfit type.
        LedgerBusyError: another process holds the ledger.
    """
    if not Path(published).exists():
        raise ConfigurationError(
            f"there is no published file {Path(published).name}. Run build and publish first"
        )
    with ledger.open():
        pass  # makes and migrates the file, so that it can be attached read-only
    scratch = Scratch(ledger.path.parent / "scratch")
    try:
        counts = _compute(scratch.connection, Path(published), ledger, sync, now, has_kinds)
    except BaseException:
        scratch.close()
        raise
    return EventPlan(scratch, sync, run_id, now, counts)


def _compute(
    db: duckdb.DuckDBPyConnection,
    published: Path,
    ledger: LedgerFile,
    sync: EventSync,
    now: datetime,
    has_kinds: bool,
) -> dict[str, int]:
    db.execute(f"attach {literal(str(published))} as published (read_only)")
    try:
        sql = EventPlanSql(sync, _column_types(db, sync), now)
        db.execute(sql.duplicates())
        has_duplicates = bool(_row(db, "select count(*) from duplicates")[0])
        with ledger.locked():
            db.execute(f"attach {literal(str(ledger.path))} as ledger (read_only)")
            try:
                rows, accepted, quarantined = _row(db, sql.counts())
                db.execute(sql.judged(has_duplicates))
                if has_kinds:
                    db.execute(f"create table told_kinds as {sql.told_by_kind()}")
            finally:
                db.execute("detach ledger")
    finally:
        db.execute("detach published")
    db.register("faults", _faults(db))
    db.execute(sql.planned())
    db.unregister("faults")
    db.execute("drop table judged")
    backfill, live, invalid, skipped = _row(
        db,
        f"""
        select count(*) filter ({_SEND} and is_backfill),
            count(*) filter ({_SEND} and not is_backfill),
            count(*) filter (state = 'invalid' and is_news),
            count(*) filter (state = 'skipped' and is_news)
        from planned
        """,
    )
    return {
        "rows": rows, "accepted": accepted, "quarantined": quarantined, "live": live,
        "backfill": backfill, "invalid": invalid, "skipped": skipped,
    }  # fmt: skip


def _faults(db: duckdb.DuckDBPyConnection) -> pa.Table:
    """What Python says about the few rows that SQL cannot judge: `kind, value, fault`."""
    found: list[tuple[str, str, str]] = []
    emails = db.execute(
        "select distinct email from judged where not is_plain_email and fault is null"
    ).fetchall()
    found += [("email", email, fault) for (email,) in emails if (fault := email_fault(email))]
    cursor = db.cursor().execute(
        "select event_id, doubtful_json from judged where is_doubtful and fault is null"
    )
    while rows := cursor.fetchmany(1_000):
        found += [("json", key, fault) for key, text in rows if (fault := json_fault(text))]
    names = ("kind", "value", "fault")
    return pa.table(
        {name: pa.array([row[at] for row in found], pa.string()) for at, name in enumerate(names)}
    )


def _column_types(db: duckdb.DuckDBPyConnection, sync: EventSync) -> dict[str, str]:
    try:
        described = db.execute(f"describe published.{sync.relation}").fetchall()
    except duckdb.CatalogException:
        raise ConfigurationError(
            f"the published file has no activation.{sync.model}. Run build and publish again"
        ) from None
    types = {str(row[0]): str(row[1]).upper() for row in described}
    wanted = COLUMNS[sync.destination]
    if missing := [name for name in wanted if name not in types]:
        raise ConfigurationError(
            f"activation.{sync.model} lacks {', '.join(missing)}. Run build and publish again"
        )
    for name, fitting in wanted.items():
        if fitting and not any(part in types[name] for part in fitting):
            raise ConfigurationError(
                f"activation.{sync.model}: column {name} is {types[name]}, which cannot be sent"
            )
    known = {*wanted, *OPTIONAL[sync.destination]}
    return {name: kind for name, kind in types.items() if name in known}


def _row(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found = db.execute(query).fetchone()
    assert found is not None, "an aggregate has a row"  # noqa: S101 - told to mypy
    return found
