"""Hand-made activation models of events, and whole syncs of them, for the tests."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from reverse_etl.events.base import EventDestination
from reverse_etl.events.contract import EventSync
from reverse_etl.events.engine import sync_events
from reverse_etl.job_watch import EngineSettings
from reverse_etl.ledger import Ledger
from reverse_etl.results import SyncResult

TYPES = {
    "klaviyo": {
        "event_id": "varchar",
        "email": "varchar",
        "metric": "varchar",
        "occurred_at": "timestamp",
        "properties": "json",
        "value": "decimal(12,2)",
        "value_currency": "varchar",
        "is_first_load": "boolean",
        "is_friend": "boolean",
        "may_create_profile": "boolean",
    },
    "rule": {
        "event_id": "varchar",
        "email": "varchar",
        "event_type": "varchar",
        "tag": "varchar",
        "occurred_at": "timestamp",
        "fields": "json",
        "is_first_load": "boolean",
        "is_friend": "boolean",
        "automation": "varchar",
        "marker_tag": "varchar",
        "may_create_profile": "boolean",
    },
}
QUICK = EngineSettings()
Row = dict[str, Any]


def now() -> datetime:
    """The sandbox has a clock of its own, so the tests' events are of today."""
    return datetime.now(UTC).replace(microsecond=0)


def ago(**span: float) -> datetime:
    """A moment before now, as a model holds it."""
    return (now() - timedelta(**span)).replace(tzinfo=None)


def klaviyo_event(event_id: str, email: str, **values: Any) -> Row:
    """Points earned an hour ago, no first load, unless told otherwise."""
    row: Row = {
        "event_id": event_id,
        "email": email,
        "metric": "Points Earned on Order",
        "occurred_at": ago(hours=1),
        "properties": {"points": 25, "spent": 0, "note": "", "gone": None, "is_vip": False},
        "value": None,
        "value_currency": None,
        "is_first_load": False,
    }
    return {**row, **values}


def rule_event(event_id: str, email: str, **values: Any) -> Row:
    """Points earned an hour ago, no first load, unless told otherwise."""
    row: Row = {
        "event_id": event_id,
        "email": email,
        "event_type": "points_earned",
        "tag": "PointsEarned",
        "occurred_at": ago(hours=1),
        "fields": {"Yotpo.StoreName": "Shop", "Yotpo.PerkRewardPoints": "25"},
        "is_first_load": False,
        "is_friend": False,
    }
    return {**row, **values}


def publish(path: Path, destination: str, rows: Sequence[Row]) -> Path:
    """Write a published file with one model of events; moved into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    types = TYPES[destination]
    with duckdb.connect(str(new)) as db:
        db.execute("create schema activation")
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        db.execute(f"create table activation.sync_{destination}__events ({columns})")
        place = f"({', '.join('?' for _ in types)})"
        for at in range(0, len(rows), 200):
            part = rows[at : at + 200]
            values = [_text(row.get(name)) for row in part for name in types]
            marks = ", ".join(place for _ in part)
            db.execute(f"insert into activation.sync_{destination}__events values {marks}", values)
    os.replace(new, path)  # noqa: PTH105 - the same call as the product's publish
    return path


def told_before(ledger: Ledger, destination: str, when: datetime | None = None) -> None:
    """As if an event had been told, long ago or then: what happened since is live while young."""
    with ledger.open() as db:
        db.execute(
            "insert into events values (?, 'long-ago', 'a@shop.se', 'accepted', null, true, null,"
            " 'run0', 1, null, false, ?, null, null)",
            [destination, when or ago(days=365)],
        )


def run(
    published: Path,
    ledger: Ledger,
    destination: EventDestination,
    run_id: str = "run",
    sync: EventSync | None = None,
    settings: EngineSettings = QUICK,
    **options: Any,
) -> SyncResult:
    """One whole sync."""
    declared = sync or EventSync(destination.name)
    return sync_events(
        published, declared, destination, ledger, now(), run_id, settings=settings, **options
    )


def _text(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value
