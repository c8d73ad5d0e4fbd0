"""One programme's extraction: network outside the writer's slot, loading inside it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dlt_sources.extraction as extraction
from dlt_sources.changes import Changes, foresee
from dlt_sources.declarations import Table
from dlt_sources.erased import Erased
from dlt_sources.extraction import Source, find_unfinished
from dlt_sources.history import History, read_history
from dlt_sources.loading import load, recover
from dlt_sources.pipeline import build_pipeline
from dlt_sources.smile import smile_source
from dlt_sources.spool import Reach, Spool
from dlt_sources.yotpo import yotpo_source
from orchestration.home import Home, claim
from orchestration.programs import Program, source_client
from orchestration.progress import Progress
from orchestration.settings import Settings
from orchestration.slot import exclusive, writer_slot
from orchestration.tombstones import Tombstones
from vendor_http import ApiClient, Traffic

_WAIT_SECONDS = 30 * 60.0
# An extraction that was continued tells of the moment it began. When that is longer ago than this,
# a quick one follows at once, so that what is published is of today.
_CATCH_UP_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Extracted:
    """What an extraction did.

    Attributes:
        rows: rows merged per table.
        changes: per table what that changed.
        traffic: per table the requests that filled it.
        total: all requests.
        reading_seconds: spent with the vendor.
        loading_seconds: spent with the warehouse.
        left_out: the vendor is not configured.
        is_continued: an interrupted extraction was finished.
        erased_people: people who were erased, turned up at the vendor, and were left out.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, Changes] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    total: Traffic = field(default_factory=Traffic)
    reading_seconds: float = 0.0
    loading_seconds: float = 0.0
    left_out: bool = False
    is_continued: bool = False
    erased_people: int = 0


def extract(
    program: Program,
    settings: Settings,
    home: Home,
    now: datetime,
    say: Callable[[str], None],
    *,
    reach: Reach = "daily",
    allow_shrink: bool = False,
) -> Extracted:
    """Read a programme into its raw tables. Not configured = the tables exist, empty.

    An extraction that was interrupted is continued. Whatever an earlier run read and could not load
    is loaded first.

    Args:
        say: told about progress, often; from several threads.
        reach: how much is read, see `smile_source` and `yotpo_source`.
        allow_shrink: believe a list however short it is.
    """
    client = source_client(program, settings)
    if client is not None:
        claim(home, program.source, settings.base_url(program.source))
    name, what = f"extract_{program.name}", f"{program.name}'s extraction"
    with exclusive(home, name, what, _WAIT_SECONDS, say):
        try:
            run = _Run(program, settings, home, now, say, client, allow_shrink)
            done = run.once(reach)
            if done.is_continued and run.is_behind:
                say("what was interrupted is loaded; reading what changed since")
                done = _together(done, run.once("quick"))
            return done
        finally:
            if client is not None:
                client.close()


@dataclass
class _Run:
    program: Program
    settings: Settings
    home: Home
    now: datetime
    say: Callable[[str], None]
    client: ApiClient | None
    allow_shrink: bool
    is_behind: bool = False

    def once(self, reach: Reach) -> Extracted:
        """One extraction, begun or continued, and its load."""
        program, folder = self.program, self.home.spool(self.program.name)
        pipeline = build_pipeline(
            program.source, self.home.warehouse, self.home.dlt, program=program.name
        )
        tables = self._source(None, reach).tables
        with writer_slot(self.home, say=self.say) as warehouse:
            recover(pipeline, tables, folder, reach)
            history = read_history(warehouse, program.source, program.name)
        unfinished = find_unfinished(folder, reach)
        if unfinished is not None:
            reach = unfinished.facts.reach
            self.is_behind = self._is_behind(unfinished.facts.seen_at, unfinished.facts.started_at)
        source = self._source(history, reach)
        reading = time.monotonic()
        spool = None
        erased = Tombstones.read(self.home).erased(program.name)
        if self.client is not None:
            try:
                spool = extraction.extract(
                    source,
                    folder,
                    program=program.name,
                    extract_id=time.time_ns(),
                    clock=lambda: self.now,
                    reach=reach,
                    present=history.present,
                    allow_shrink=self.allow_shrink,
                    observer=Progress(self.say),
                    erased=erased,
                )
            finally:
                self._remember(erased)
            if erased is not None and erased.met:
                # Rows that only the new id ties to a person; they may have come before it.
                leave_out(spool, tables, Tombstones.read(self.home).erased(program.name))
        erased_people = len(erased.left_out) if erased is not None else 0
        reading_seconds = time.monotonic() - reading
        with writer_slot(self.home, say=self.say) as warehouse:
            loading = time.monotonic()
            changes = foresee(warehouse, program.source, tables, spool) if spool else {}
            rows = load(pipeline, tables, spool)
            loading_seconds = time.monotonic() - loading
        traffic = self.client.traffic if self.client else {}
        return Extracted(
            rows=rows,
            changes=changes,
            traffic={
                table: traffic[name] for table, name in source.requests.items() if name in traffic
            },
            total=self.client.total_traffic() if self.client else Traffic(),
            reading_seconds=reading_seconds,
            loading_seconds=loading_seconds,
            left_out=self.client is None,
            is_continued=unfinished is not None,
            erased_people=erased_people,
        )

    def _remember(self, erased: Erased | None) -> None:
        """Keep the new ids that the vendor gave to erased people, even when the rest failed."""
        if erased is not None and erased.met:
            with Tombstones.changing(self.home) as tombstones:
                tombstones.meet(self.program.name, erased.met)

    def _source(self, history: History | None, reach: Reach) -> Source:
        settings = self.settings
        if self.program.source == "smile":
            return smile_source(
                self.client,
                history=history,
                reach=reach,
                now=self.now,
                sweep_every=timedelta(days=settings.sweep_days),
            )
        return yotpo_source(
            self.client,
            history=history,
            reach=reach,
            member_list=settings.yotpo_member_list,
            anniversaries=settings.yotpo_anniversaries,
        )

    def _is_behind(self, seen_at: str, started_at: str) -> bool:
        by_product = abs(self.now - datetime.fromisoformat(seen_at))
        by_machine = datetime.now(UTC) - datetime.fromisoformat(started_at)
        return max(by_product, by_machine) > _CATCH_UP_AFTER


def leave_out(spool: Spool, tables: Sequence[Table], erased: Erased | None) -> int:
    """Take what is erased people's out of a spool; rows that went."""
    named = {table.name: table for table in tables}
    if erased is None:
        return 0
    return spool.rewrite(lambda table, rows: erased.without(named[table], rows))


def _together(first: Extracted, second: Extracted) -> Extracted:
    """Figures of two extractions in one; the client counted the traffic of both."""
    tables = {*first.rows, *second.rows}
    none = Changes()
    return Extracted(
        rows={table: first.rows.get(table, 0) + second.rows.get(table, 0) for table in tables},
        changes={
            table: first.changes.get(table, none) + second.changes.get(table, none)
            for table in {*first.changes, *second.changes}
        },
        traffic=second.traffic,
        total=second.total,
        reading_seconds=first.reading_seconds + second.reading_seconds,
        loading_seconds=first.loading_seconds + second.loading_seconds,
        left_out=second.left_out,
        is_continued=True,
        erased_people=max(first.erased_people, second.erased_people),
    )
