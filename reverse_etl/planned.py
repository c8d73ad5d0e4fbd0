"""What a plan holds: the rows to send, and the counts of all.

The rows live in a scratch DuckDB that belongs to the plan; they hold e-mails and
payloads, so a plan's repr shows counts only. How they are found is `plan`'s business.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from reverse_etl.declarations import SyncSpec
from reverse_etl.ledger import Scope
from reverse_etl.results import OPERATIONS, OperationCounts
from reverse_etl.scratch import Scratch

# Put together, a thousand people with some twenty tags in all cost one request and one for each
# tag: 0.02 requests a person. From about fifty on, people with the same tags are cheaper alone.
_SMALLEST_GROUP = 50
_FETCH_ROWS = 10_000
SEND = "operation in ('add', 'change', 'clear') and reason_code is null"
_REFUSE = "operation in ('add', 'change', 'clear') and reason_code is not null"


_ROW = """row_id, email, operation, patch, coalesce(body, patch) as body, lane,
    {key} as request_key, tags_add, tags_remove, payload_hash, attempt_count, must_exist"""
_TAG_LISTS = (7, 8)  # places of what arrives as lists


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


class LaneSize(NamedTuple):
    """Size of one lane of a plan.

    `group_rows`: rows of each request group; `removed_tags`: tags to remove, one by one.
    """

    name: str
    rows: int
    payload_bytes: int
    group_rows: tuple[int, ...]
    removed_tags: int


class Plan:
    """The rows of one planned sync; a context manager, close it to free its memory."""

    def __init__(
        self,
        scratch: Scratch,
        spec: SyncSpec,
        run_id: str,
        now: datetime,
        counts: Mapping[str, int],
        operations: Mapping[str, OperationCounts],
        fingerprint: Mapping[str, str] | None = None,
    ) -> None:
        self._scratch = scratch
        self._connection = scratch.connection
        self.spec = spec
        self.run_id = run_id
        self.now = now
        self.counts = dict(counts)
        self.operations = dict(operations)
        self.fingerprint = dict(fingerprint or {})

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
        self._scratch.close()

    def rows(self) -> Iterator[PlannedRow]:
        """Rows to send, those that share a request beside each other.

        Groups too small for a request of their own are put together, under the empty key; the
        destination copes with what differs in them.
        """
        if self.spec.tags_column is not None:
            yield from self._fetch(
                f"""
                with grouped as (
                    select lane, group_key, count(*) as people
                    from planned where {SEND} group by all
                )
                select {_ROW.format(key="if(people >= ?, group_key, '')")}
                from planned join grouped using (lane, group_key) where {SEND}
                order by lane, request_key, group_key, row_id
                """,
                [_SMALLEST_GROUP],
            )
            return
        lanes = self._connection.cursor().execute(
            f"select distinct lane from planned where {SEND} order by lane"
        )
        for (lane,) in lanes.fetchall():  # in the order of the table: nothing to sort
            yield from self._fetch(
                f"select {_ROW.format(key='group_key')} from planned where {SEND} and lane = ?",
                [lane],
            )

    def _fetch(self, query: str, parameters: Sequence[Any]) -> Iterator[PlannedRow]:
        found = self._connection.cursor().sql(query, params=parameters)
        for chunk in found.to_arrow_reader(_FETCH_ROWS) or ():  # None only by the stubs
            columns = [column.to_pylist() for column in chunk.columns]
            for place in _TAG_LISTS:
                columns[place] = list(map(tuple, columns[place]))
            yield from map(PlannedRow._make, zip(*columns, strict=True))

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
            from planned where {SEND} and row_id not in (select row_id from attempted)
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
            where {SEND} or {_REFUSE}
            qualify row_number() over (
                partition by operation, reason_code is null order by email
            ) <= ?
            order by reason_code is not null, operation, email
            """,
            [count],
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def losing(self) -> int:
        """People who lose at least one value."""
        return int(self._one(f"select count(*) from planned where {SEND} and has_clear"))

    def lane_sizes(self) -> list[LaneSize]:
        """Rows and bytes by lane, as `rows` would give them."""
        found = self._connection.cursor().execute(
            f"""
            with grouped as (
                select lane, group_key, count(*) as people,
                    sum(strlen(coalesce(body, patch)) + strlen(email)) as bytes,
                    sum(len(tags_remove)) as removed
                from planned where {SEND} group by all
            )
            select lane, sum(people), sum(bytes),
                coalesce(list(people) filter (people >= ?), [])
                    || [coalesce(sum(people) filter (people < ?), 0)],
                sum(removed)
            from grouped group by lane order by lane
            """,
            [_SMALLEST_GROUP, _SMALLEST_GROUP],
        )
        return [
            LaneSize(lane, int(rows), int(size), tuple(int(n) for n in groups or ()), int(removed))
            for lane, rows, size, groups, removed in found.fetchall()
        ]

    def _arrow(self, query: str) -> pa.Table:
        return _table(self._connection.cursor().sql(f"select {query}"))

    def _one(self, query: str) -> Any:
        row = self._connection.cursor().execute(query).fetchone()
        return row[0] if row else None


def _table(found: duckdb.DuckDBPyRelation) -> pa.Table:
    table = found.to_arrow_table()
    return pa.table({}) if table is None else table  # None only by the stubs
