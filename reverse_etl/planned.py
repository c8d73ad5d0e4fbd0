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
from reverse_etl.tag_packing import Call, calls_of, pieces, requests

# Rows sorted at once, of up to some three kilobytes.
_PORTION_ROWS = 60_000
_FETCH_ROWS = 10_000
SEND = "operation in ('add', 'change', 'clear') and reason_code is null"
_REFUSE = "operation in ('add', 'change', 'clear') and reason_code is not null"
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

    `calls`: requests that `rows` fills, and those for the tags that its calls leave out, where the
    lane's size was told; `removed_tags`: tags to remove, one by one.
    """

    name: str
    rows: int
    payload_bytes: int
    calls: int
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

    def rows(self, sizes: Mapping[str, int] = {}) -> Iterator[PlannedRow]:
        """Rows to send, those that share a request beside each other and with one `group_key`.

        Args:
            sizes: lane -> most rows of a request. Rows of different groups share requests only in
                lanes that stand here; the destination copes with what differs in them.
        """
        for lane, groups in self._groups().items():
            if lane in sizes and len(groups) > 1:
                yield from self._packed(lane, calls_of(groups, sizes[lane]))
            else:
                # One group is in order as it lies.
                order = "order by group_key, row_id" if len(groups) > 1 else ""
                source = f"planned where {SEND} and lane = ?"
                yield from self._fetch("group_key", f"{source} {order}", [lane])

    def _groups(self) -> dict[str, dict[str, int]]:
        """Lane -> group key -> rows to send."""
        found = self._connection.cursor().execute(
            f"""
            select lane, group_key, count(*) from planned where {SEND}
            group by all order by lane, group_key
            """
        )
        groups: dict[str, dict[str, int]] = {}
        for lane, key, rows in found.fetchall():
            groups.setdefault(lane, {})[key] = rows
        return groups

    def _packed(self, lane: str, calls: Sequence[Call]) -> Iterator[PlannedRow]:
        """Rows of a lane call by call, so many calls at once as can be sorted in memory."""
        cursor = self._connection.cursor()
        cursor.register("pieces", pieces(calls))
        cursor.execute(
            f"""
            create or replace table placed as
            with numbered as (
                select row_id, group_key,
                    row_number() over (partition by group_key order by row_id) - 1 as number
                from planned where {SEND} and lane = ?
            )
            select row_id, place from numbered asof join pieces
                on numbered.group_key = pieces.group_key and numbered.number >= pieces.begin
            """,
            [lane],
        )
        together = max(1, _PORTION_ROWS // max(sum(call.people.values()) for call in calls))
        for begin in range(0, len(calls), together):
            yield from self._fetch(
                "cast(place as varchar)",
                "planned join placed using (row_id) where place >= ? and place < ? "
                "order by place, row_id",
                [begin, begin + together],
            )

    def _fetch(self, key: str, source: str, values: Sequence[Any]) -> Iterator[PlannedRow]:
        """Rows of `source` (SQL after `from`); those with the same `key` may share a request."""
        found = self._connection.cursor().sql(
            f"""
            select row_id, email, operation, patch, coalesce(body, patch) as body, lane,
                {key} as request_key, tags_add, tags_remove, payload_hash, attempt_count, must_exist
            from {source}
            """,
            params=list(values),
        )
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

    def lane_sizes(self, sizes: Mapping[str, int] = {}) -> list[LaneSize]:
        """Rows and bytes by lane, and the calls of the lanes in `sizes`, as `rows` gives them."""
        found = self._connection.cursor().execute(
            f"""
            select lane, count(*), sum(strlen(coalesce(body, patch)) + strlen(email)),
                sum(len(tags_remove))
            from planned where {SEND} group by lane order by lane
            """
        )
        groups = self._groups()
        return [
            LaneSize(
                lane,
                int(rows),
                int(size),
                requests(calls_of(groups[lane], sizes[lane]), sizes[lane]) if lane in sizes else 0,
                int(removed),
            )
            for lane, rows, size, removed in found.fetchall()
        ]

    def _arrow(self, query: str) -> pa.Table:
        return _table(self._connection.cursor().sql(f"select {query}"))

    def _one(self, query: str) -> Any:
        row = self._connection.cursor().execute(query).fetchone()
        return row[0] if row else None


def _table(found: duckdb.DuckDBPyRelation) -> pa.Table:
    table = found.to_arrow_table()
    return pa.table({}) if table is None else table  # None only by the stubs
