"""What a plan holds: the rows to send, and the counts of all.

The rows live in a scratch DuckDB that belongs to the plan; they hold e-mails and
payloads, so a plan's repr shows counts only. How they are found is `plan`'s business.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa

from reverse_etl.declarations import SyncSpec
from reverse_etl.ledger import Scope
from reverse_etl.results import OPERATIONS, OperationCounts
from reverse_etl.scratch import Scratch

# Put together by thousands, people with some twenty tags in all cost one request and a share of one
# for each tag that not all of them get: about 0.005 requests a person. From some two hundred on,
# people with the same tags are cheaper alone. With 4,172 sets of tags among a million people this
# takes 1,550 requests; with fifty, and a request a tag for every thousand, it was 2,180.
_SMALLEST_GROUP = 200
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

    `group_rows`: rows of each request group, the last one being what is put together from small
    ones; `tag_rows`: of these, rows per tag; `removed_tags`: tags to remove, one by one.
    """

    name: str
    rows: int
    payload_bytes: int
    group_rows: tuple[int, ...]
    tag_rows: tuple[int, ...]
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
        for groups in self._portions():
            # One group is in order as it lies; several are small enough together to be sorted.
            order = "order by place, row_id" if groups.num_rows > 1 else ""
            yield from self._fetch(
                f"""
                select row_id, email, operation, patch, coalesce(body, patch) as body,
                    if(is_pooled and lane = 'upsert', 'upsert_pooled', lane) as request_lane,
                    if(is_pooled, '', group_key) as request_key, tags_add, tags_remove,
                    payload_hash, attempt_count, must_exist
                from planned join portion using (lane, group_key) where {SEND} {order}
                """,
                groups,
            )

    def _portions(self) -> Iterator[pa.Table]:
        """Groups in the order in which they are sent, some together: those that fit into memory.

        Columns `lane, group_key, place, is_pooled`.
        """
        found = self._connection.cursor().sql(
            f"""
            with grouped as (
                select lane, group_key, count(*) as people
                from planned where {SEND} group by all
            ),
            pooled as (
                select *, people < {_SMALLEST_GROUP}
                    and count(*) filter (people < {_SMALLEST_GROUP}) over (partition by lane) > 1
                    as is_pooled
                from grouped
            )
            select lane, group_key, is_pooled, people,
                row_number() over (order by lane, is_pooled, group_key) as place
            from pooled order by place
            """
        )
        groups = _table(found)
        begin = rows = 0
        sizes = [int(people or 0) for people in groups.column("people").to_pylist()]
        for place, people in enumerate(sizes):
            if place > begin and rows + people > _PORTION_ROWS:
                yield groups.slice(begin, place - begin)
                begin, rows = place, 0
            rows += people
        if groups.num_rows:
            yield groups.slice(begin)

    def _fetch(self, query: str, portion: pa.Table) -> Iterator[PlannedRow]:
        cursor = self._connection.cursor()
        cursor.register("portion", portion)
        found = cursor.sql(query)
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
            ),
            pooled as (
                select *, people < ? and count(*) filter (people < ?) over (
                    partition by lane
                ) > 1 as is_pooled
                from grouped
            ),
            tagged as (
                select lane, list(people) as tag_rows from (
                    select lane, tag, cast(sum(people) as bigint) as people
                    from (
                        select lane, people, unnest(string_split(group_key, '\n')) as tag
                        from pooled where is_pooled
                    ) where tag <> '' group by lane, tag
                ) group by lane
            )
            select lane, sum(people), sum(bytes),
                coalesce(list(people) filter (not is_pooled), [])
                    || [coalesce(sum(people) filter (is_pooled), 0)],
                coalesce(any_value(tag_rows), []), sum(removed)
            from pooled left join tagged using (lane) group by lane order by lane
            """,
            [_SMALLEST_GROUP, _SMALLEST_GROUP],
        )
        return [
            LaneSize(lane, int(rows), int(size), tuple(map(int, groups)), tuple(tags), int(removed))
            for lane, rows, size, groups, tags, removed in found.fetchall()
        ]

    def _arrow(self, query: str) -> pa.Table:
        return _table(self._connection.cursor().sql(f"select {query}"))

    def _one(self, query: str) -> Any:
        row = self._connection.cursor().execute(query).fetchone()
        return row[0] if row else None


def _table(found: duckdb.DuckDBPyRelation) -> pa.Table:
    table = found.to_arrow_table()
    return pa.table({}) if table is None else table  # None only by the stubs
