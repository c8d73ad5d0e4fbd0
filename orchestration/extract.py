"""One programme's extraction: network outside the writer's slot, loading inside it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from dlt.extract import DltSource

from dlt_sources.history import read_known_hashes, read_watermarks
from dlt_sources.pipeline import build_pipeline, extract_and_normalize, load
from dlt_sources.smile import smile_source
from dlt_sources.yotpo import yotpo_source
from orchestration.home import Home, claim
from orchestration.programs import Program, source_client
from orchestration.settings import Settings
from orchestration.slot import exclusive, writer_slot
from vendor_http import ApiClient

_WAIT_SECONDS = 30 * 60.0


@dataclass(frozen=True)
class Extracted:
    """What an extraction did: rows merged per table, requests, seconds spent where."""

    rows: dict[str, int]
    requests: int
    retries: int
    network_seconds: float
    load_seconds: float
    left_out: bool


def extract(
    program: Program,
    settings: Settings,
    home: Home,
    now: datetime,
    say: Callable[[str], None],
    *,
    full: bool = False,
) -> Extracted:
    """Read a programme into its raw tables. Not configured = the tables exist, empty.

    Args:
        say: told about progress, often; from several threads.
        full: read ledgers and coupons from their beginning, not from the last watermark.
    """
    client = source_client(program, settings)
    if client is not None:
        claim(home, program.source, settings.base_url(program.source))
    with exclusive(home, f"extract_{program.name}", f"{program.name}'s extraction", _WAIT_SECONDS):
        try:
            source = _source(program, client, home, now, _Progress(say).report, full)
            pipeline = build_pipeline(
                program.source, home.warehouse, home.dlt, program=program.name
            )
            started = time.monotonic()
            extract_and_normalize(pipeline, source)
            extracted = time.monotonic()
            with writer_slot(home):
                loading = time.monotonic()
                rows = load(pipeline)
            return Extracted(
                rows=dict(rows),
                requests=client.counts["GET"] if client else 0,
                retries=client.counts["retries"] if client else 0,
                network_seconds=extracted - started,
                load_seconds=time.monotonic() - loading,
                left_out=client is None,
            )
        finally:
            if client is not None:
                client.close()


def _source(
    program: Program,
    client: ApiClient | None,
    home: Home,
    now: datetime,
    report: Callable[[str, int], None],
    full: bool,
) -> DltSource:
    options: dict[str, Any] = {
        "program": program.name,
        "clock": lambda: now,
        "extract_id": time.time_ns(),
        "report": report,
    }
    with writer_slot(home) as warehouse:
        if program.source == "smile":
            watermarks = read_watermarks(warehouse, program.name)
        else:
            known = read_known_hashes(warehouse, program.name)
            if full:  # known, so that the vanished are noticed; changed, so that all are read
                known = dict.fromkeys(known, "")
    if program.source == "smile":
        return smile_source(client, watermarks=lambda: watermarks, full=full, **options)
    return yotpo_source(client, known_hashes=lambda: known, **options)


class _Progress:
    """Adds up what several threads report, and says it in one line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rows: Counter[str] = Counter()
        self._lock = Lock()

    def report(self, table: str, rows: int) -> None:
        with self._lock:
            self._rows[table] += rows
            text = ", ".join(
                f"{name} {count:,}" for name, count in self._rows.most_common(4) if count
            )
        self._say(text)
