"""One chain: pages in, committed chunks out.

Owns batching, de-duplication across pages, the values set aside, the watermark, and the `extracts`
row that says a chain was read to its end. Must not know a vendor. Data flow: records of a page ->
a batch -> `coercion.to_arrow` -> `spool.ChainStore.commit`, with the position after the last page.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dlt_sources.coercion import Rejection, to_arrow
from dlt_sources.declarations import EXTRACTS, QUARANTINE, Table
from dlt_sources.extraction import Extraction


class Chain:
    """One chain of an extraction: collects records, commits them, knows how far it is."""

    def __init__(
        self, extraction: Extraction, name: str, watermark_column: str | None = None
    ) -> None:
        self._extraction = extraction
        self._watermark_column = watermark_column
        self._store = extraction.store(name)
        self._stamps = extraction.stamps()
        self._pending: dict[str, tuple[Table, list[Any]]] = {}
        self._pending_rows = 0
        self._aside: list[tuple[str, Rejection]] = []
        self._committed_at = time.monotonic()
        self._is_broken = False
        self._recent: tuple[set[Any], set[Any]] = (set(), set())
        self.name = name
        self.expected: int | None = None

    @property
    def is_begun(self) -> bool:
        """Whether anything of it was committed, its beginning included."""
        return bool(self._store.state.mode)

    @property
    def is_finished(self) -> bool:
        """Whether it was read to its end."""
        return self._store.state.is_finished

    @property
    def is_full(self) -> bool:
        """Whether it lists everything, so that what it does not show is gone."""
        return self._store.state.mode == "full"

    @property
    def is_at_end(self) -> bool:
        """Whether its last page was read."""
        return self._store.state.is_at_end

    @property
    def position(self) -> str | None:
        """Where the next page begins."""
        return self._store.state.position

    @property
    def row_count(self) -> int:
        """Records kept and committed so far."""
        return self._store.state.row_count

    @property
    def since(self) -> datetime | None:
        """What an incremental chain reads from."""
        text = self._store.state.since
        return datetime.fromisoformat(text) if text else None

    def begin(self, mode: str, since: datetime | None = None) -> None:
        """Fix how the chain is read; one that was begun before keeps what it began with."""
        if not self.is_begun:
            self._store.state.mode = mode
            self._store.state.since = since.isoformat() if since else None
            self._store.commit({})
        if self._store.state.mode == "full":
            self.expected = self._extraction.present.get(self.name)

    def add(self, table: Table, records: Sequence[Any]) -> None:
        """Take records of a table; they are committed with the next chunk."""
        self._pending.setdefault(table.name, (table, []))[1].extend(records)
        self._pending_rows += len(records)

    def set_aside(self, resource: str, rejection: Rejection) -> None:
        """Put a record into quarantine that never became one; committed with the next chunk."""
        self._aside.append((resource, rejection))

    def moved(self, position: str | None, page_count: int = 1) -> None:
        """All records up to `position` were added; commits when it is time."""
        self._store.state.position = position
        self._store.state.is_at_end = position is None
        self._store.state.page_count += page_count
        if self._extraction.observer is not None:
            _, own = self._pending.get(self.name, (None, []))
            self._extraction.observer(
                self.name, self.row_count + len(own), self._store.state.page_count, self.expected
            )
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commit when the policy says so; also while a vendor keeps silent."""
        policy = self._extraction.policy
        age = time.monotonic() - self._committed_at
        if self._pending_rows >= policy.rows or (self._pending_rows and age >= policy.seconds):
            self.commit()

    def commit(self) -> None:
        """Make what was added durable, with the position behind it.

        After a commit that failed (a full disk) nothing more is committed: the position has moved
        on, and its rows are not on the disk.
        """
        if self._is_broken:
            return
        self._is_broken = True
        rows: dict[str, pa.Table] = {}
        pending, self._pending, self._pending_rows = self._pending, {}, 0
        rejected, self._aside = self._aside, []
        for table, records in pending.values():
            coerced = to_arrow(records, table, self._stamps)
            kept = self._of_nobody_erased(table, coerced.rows)
            rows[table.name] = kept if table.replaces else self._fresh(table, kept)
            rejected += [(table.name, rejection) for rejection in coerced.rejections]
            if table.name == self.name:
                self._count(rows[table.name])
        if rejected:
            rows[QUARANTINE.name] = self._of_nobody_erased(QUARANTINE, self._quarantined(rejected))
        self._store.commit(rows)
        self._is_broken = False
        self._committed_at = time.monotonic()

    def finish(self) -> None:
        """Commit the rest and say that the chain was read to its end."""
        self.commit()
        state = self._store.state
        watermark = self._watermark()
        row = {
            "resource": self.name,
            "mode": state.mode,
            "started_at": self._stamps["seen_at"].isoformat(),
            "finished_at": self._extraction.clock().isoformat(),
            "row_count": state.row_count,
            "watermark": watermark.isoformat() if watermark else None,
        }
        state.is_finished = True
        state.position = None
        self._store.commit({EXTRACTS.name: to_arrow([row], EXTRACTS, self._stamps).rows})

    def restart(self) -> None:
        """Begin anew: nothing that was read so far counts."""
        self._pending, self._pending_rows, self._aside = {}, 0, []
        self._recent = (set(), set())
        self._store.restart()

    def _of_nobody_erased(self, table: Table, rows: pa.Table) -> pa.Table:
        erased = self._extraction.erased
        return rows if erased is None else erased.without(table, rows)

    def _fresh(self, table: Table, rows: pa.Table) -> pa.Table:
        """Rows whose key did not come in this chunk or the one before.

        Pages shift when rows are added while they are read, so a row can come twice, soon after
        another. What comes twice further apart is folded when it is merged.
        """
        if table.name != self.name:
            return rows
        before, last = self._recent
        keys = rows[table.key[0]].to_pylist()
        distinct = set(keys)
        self._recent = (last, distinct)
        if len(distinct) == len(keys) and distinct.isdisjoint(last) and distinct.isdisjoint(before):
            return rows
        now: set[Any] = set()
        keep = []
        for value in keys:
            keep.append(value not in now and value not in last and value not in before)
            now.add(value)
        return rows.filter(pa.array(keep))

    def _count(self, rows: pa.Table) -> None:
        state = self._store.state
        state.row_count += rows.num_rows
        if self._watermark_column is not None and rows.num_rows:
            newest = pc.max(rows[self._watermark_column]).as_py()
            known = datetime.fromisoformat(state.newest) if state.newest else None
            latest = max((each for each in (newest, known) if each), default=None)
            state.newest = latest.isoformat() if latest else None

    def _watermark(self) -> datetime | None:
        """What the next incremental chain may rely on: everything older has been seen.

        A row changed while the chain was under way may lie behind it, unseen, and older than the
        newest one seen: so never later than the start of this extraction.
        """
        state = self._store.state
        if not state.newest:
            return self.since
        newest = min(datetime.fromisoformat(state.newest), self._extraction.started)
        return max(newest, self.since) if self.since else newest

    def _quarantined(self, rejected: Sequence[tuple[str, Rejection]]) -> pa.Table:
        start = self._store.state.rejection_count
        rows = [
            {
                "resource": resource,
                "position": position,
                "record_id": rejection.record_id,
                "column_name": rejection.column_name,
                "reason": rejection.reason,
                "payload": rejection.payload,
            }
            for position, (resource, rejection) in enumerate(rejected, start=start)
        ]
        self._store.state.rejection_count += len(rows)
        return to_arrow(rows, QUARANTINE, self._stamps).rows
