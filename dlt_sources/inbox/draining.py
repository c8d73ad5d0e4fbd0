"""From the inbox into the spool, and out of the way once dlt has merged it.

The order makes a crash anywhere harmless: a segment is sealed, read into the spool, merged by
delivery id, and only then moved to `loaded/`. Whoever was killed before that is followed by a load
that reads the same segments again, which merges to the same rows. Erased people are left out of the
rows and, before a segment is kept, taken out of it as well. Opens no database.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from dlt_sources.coercion import Rejection, to_arrow
from dlt_sources.declarations import QUARANTINE
from dlt_sources.erased import Erased, mentions, normalised
from dlt_sources.inbox.segments import (
    LOADED,
    SEALED,
    Delivery,
    deliveries,
    rewrite,
    seal_open,
    sync_folder,
)
from dlt_sources.inbox.store import MALFORMED
from dlt_sources.inbox.tables import TABLES, row
from dlt_sources.spool import Facts, Spool

_DAY_NS = 24 * 3600 * 1_000_000_000
_DIGITS = 20  # of the nanoseconds that the names of files begin with


@dataclass
class Drained:
    """What was read from an inbox into a spool.

    Attributes:
        segments: the files, to be filed away when the spool is loaded.
        rows: events.
        left_out: deliveries that name somebody who was erased.
        damaged: lines that the disk has damaged; they stay in the kept segment.
    """

    segments: list[Path] = field(default_factory=list)
    rows: int = 0
    left_out: int = 0
    damaged: int = 0
    touched: set[Path] = field(default_factory=set, repr=False)


def drain(
    source: str, inbox: Path, spool_folder: Path, facts: Facts, erased: Erased | None
) -> tuple[Drained, Spool | None]:
    """Seal what came and read it; None for a spool when nothing waits.

    What an earlier load left in `spool_folder` is read again from its segments.
    """
    done = Drained()
    if not inbox.exists():
        return done, None
    seal_open(inbox)
    done.segments = sorted(inbox.glob(f"{SEALED}/*.jsonl"))
    if not done.segments:
        return done, None
    spool = Spool.begin(spool_folder, facts)
    chain = spool.chain(TABLES[source].name)
    stamps = {
        "program": facts.program,
        "extract_id": facts.extract_id,
        "seen_at": datetime.fromisoformat(facts.seen_at),
    }
    set_aside = 0
    for path in done.segments:
        found = list(deliveries(path))
        whole = [each for each in found if each is not None]
        done.damaged += len(found) - len(whole)
        coerced = to_arrow([row(source, each, path.name) for each in whole], TABLES[source], stamps)
        aside = _quarantined(coerced.rejections, set_aside, stamps)
        set_aside += len(coerced.rejections)
        rows = coerced.rows
        if erased is not None:
            rows = erased.without(TABLES[source], coerced.rows)
            aside = erased.without(QUARANTINE, aside)
            if not rows.equals(coerced.rows):
                done.touched.add(path)
        done.left_out += coerced.rows.num_rows - rows.num_rows
        done.rows += rows.num_rows
        chain.commit({TABLES[source].name: rows, QUARANTINE.name: aside})
    return done, spool


def file_away(source: str, drained: Drained, erased: Erased | None) -> None:
    """Move loaded segments to `loaded/`, without the erased."""
    for path in drained.segments:
        if erased is not None and path in drained.touched:
            leave_out(source, path, erased)
        path.replace(path.parents[1] / LOADED / path.name)
    if drained.segments:
        sync_folder(drained.segments[0].parent)
        sync_folder(drained.segments[0].parents[1] / LOADED)


def delete_old(inbox: Path, days: int) -> int:
    """Delete loaded segments and malformed bodies that are older than `days`; files that went.

    By the machine's clock and the files' names: rewriting a file does not make it younger.
    """
    gone = 0
    until = time.time_ns() - days * _DAY_NS
    for path in [*inbox.glob(f"{LOADED}/*.jsonl"), *inbox.glob(f"{MALFORMED}/*.body")]:
        if int(path.name[:_DIGITS]) < until:
            path.unlink()
            gone += 1
    return gone


def leave_out(source: str, path: Path, erased: Erased) -> int:
    """Take the erased out of one sealed or loaded segment; deliveries that went or changed."""
    found = [each for each in deliveries(path) if each is not None]
    stamps = {"program": "", "extract_id": 0, "seen_at": datetime.now(UTC)}
    before = to_arrow([row(source, each, path.name) for each in found], TABLES[source], stamps)
    after = erased.without(TABLES[source], before.rows)
    columns = after.select(["delivery_id", "payload"]).to_pylist()
    kept = {each["delivery_id"]: each["payload"] for each in columns}
    payloads = dict(
        zip(
            before.rows["delivery_id"].to_pylist(),
            before.rows["payload"].to_pylist(),
            strict=True,
        )
    )

    def change(delivery: Delivery) -> Delivery | None:
        payload = kept.get(delivery.delivery_id)
        if payload is None:
            return None
        is_changed = payload != payloads[delivery.delivery_id]
        return replace(delivery, body=payload) if is_changed else delivery

    return rewrite(path, change)


def erase(source: str, inbox: Path, erased: Erased, emails: Collection[str]) -> int:
    """Take the erased out of everything that an inbox keeps; deliveries and files touched.

    Args:
        emails: normalised; a malformed body that holds one of them is deleted.
    """
    if not inbox.exists():
        return 0
    seal_open(inbox)
    kept = [*inbox.glob(f"{SEALED}/*.jsonl"), *inbox.glob(f"{LOADED}/*.jsonl")]
    touched = sum(leave_out(source, path, erased) for path in kept)
    for path in inbox.glob(f"{MALFORMED}/*.body"):
        text = path.read_bytes().decode(errors="replace")
        if any(normalised(each) in emails for each in mentions(text)):
            path.unlink()
            touched += 1
    for draft in inbox.rglob("*.draft"):  # of a process that was killed while it replaced a file
        draft.unlink()
    return touched


def _quarantined(
    rejections: Sequence[Rejection], start: int, stamps: dict[str, object]
) -> pa.Table:
    rows = [
        {
            "resource": TABLES["yotpo"].name,
            "position": position,
            "record_id": each.record_id,
            "column_name": each.column_name,
            "reason": each.reason,
            "payload": each.payload["payload"],
        }
        for position, each in enumerate(rejections, start=start)
    ]
    return to_arrow(rows, QUARANTINE, stamps).rows
