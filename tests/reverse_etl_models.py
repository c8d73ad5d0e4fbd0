"""Hand-made published files, declarations and a vendor in memory, for the tests of reverse ETL."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from reverse_etl.declarations import SyncSpec, sync_spec
from reverse_etl.destinations.base import (
    Batch,
    Event,
    JobReport,
    LaneLimits,
    Outcome,
    Settled,
    Submitted,
)
from reverse_etl.engine import sync
from reverse_etl.job_watch import EngineSettings
from reverse_etl.ledger import Ledger
from reverse_etl.planned import PlannedRow
from reverse_etl.results import SyncResult

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
COMMON = frozenset({"common"})
BOTH = frozenset({"common", "vendor"})
QUICK = EngineSettings(
    stalled_seconds=1.0, first_poll_seconds=0.01, longest_poll_seconds=0.05, settle_seconds=1.0
)

# column -> (SQL type, Klaviyo meta, Rule meta)
COLUMNS: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "points": (
        "bigint",
        {"property": "Loyalty Points Balance", "type": "number", "family": "common"},
        {"field": "Loyalty.PointsBalance", "type": "text", "family": "common"},
    ),
    "amount": (
        "decimal(12,2)",
        {"property": "Loyalty Amount To Next Tier", "type": "number", "family": "common"},
        {"field": "Loyalty.AmountToNextTier", "type": "text", "family": "common"},
    ),
    "tier": (
        "varchar",
        {"property": "Loyalty Tier Name", "type": "string", "family": "common"},
        {"field": "Loyalty.TierName", "type": "text", "family": "common"},
    ),
    "at_risk": (
        "boolean",
        {"property": "Loyalty Tier At Risk", "type": "boolean", "family": "common"},
        {"field": "Loyalty.TierAtRisk", "type": "text", "family": "common"},
    ),
    "rewards": (
        "varchar[]",
        {"property": "Loyalty Available Rewards", "type": "list", "family": "common"},
        {"field": "Loyalty.AvailableRewards", "type": "multiple", "family": "common"},
    ),
    "expires_at": (
        "timestamp",
        {"property": "Loyalty Tier Expires At", "type": "datetime", "family": "common"},
        {"field": "Loyalty.TierExpiresAt", "type": "datetime", "family": "common"},
    ),
    "birthday": (
        "date",
        {"property": "swell_birthday", "type": "date", "family": "vendor"},
        {"field": "Subscriber.Birthday", "type": "date", "family": "vendor", "never_cleared": True},
    ),
    "state": (
        "varchar",
        {"property": "Smile State", "type": "string", "family": "vendor"},
        {"field": "Yotpo.IsMember", "type": "text", "family": "vendor"},
    ),
    "synced_at": (
        "timestamp",
        {
            "property": "Loyalty Synced At",
            "type": "datetime",
            "family": "common",
            "compared": False,
        },
        {"field": "Loyalty.SyncedAt", "type": "datetime", "family": "common", "compared": False},
    ),
}
MODELS = {"klaviyo": "sync_klaviyo__profiles", "rule": "sync_rule__subscribers"}
OBJECTS = {"klaviyo": "profiles", "rule": "subscribers"}

Row = Mapping[str, Any]


def manifest() -> dict[str, Any]:
    """The part of dbt's manifest.json that declares the two syncs."""
    nodes: dict[str, Any] = {}
    for place, (destination, model) in enumerate(MODELS.items(), start=1):
        columns: dict[str, Any] = {"email": {"name": "email", "config": {"meta": {}}}}
        for column, metas in COLUMNS.items():
            meta = dict(metas[place])  # type: ignore[arg-type]
            columns[column] = {"name": column, "config": {"meta": meta}}
        if destination == "rule":
            columns["tags"] = {"name": "tags", "config": {"meta": {"tags": True}}}
        declared = {"destination": destination, "object": OBJECTS[destination], "key": "email"}
        nodes[f"model.loyalty.{model}"] = {
            "resource_type": "model",
            "name": model,
            "alias": model,
            "schema": "activation",
            "config": {"meta": {"sync": declared}},
            "columns": columns,
        }
    return {"nodes": nodes}


def spec(destination: str, families: frozenset[str] = BOTH, clears: str = "") -> SyncSpec:
    """The declared sync of a destination; `clears` as in `declarations.CLEARS`."""
    return replace(sync_spec(manifest(), MODELS[destination], families), clears=clears)


def publish(path: Path, rows: Sequence[Row]) -> Path:
    """Write a published file with both activation models; moved into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    names = ["email", "may_create_profile", *COLUMNS, "tags"]
    types = ["varchar", "boolean", *(kind for kind, _, _ in COLUMNS.values()), "varchar[]"]
    with duckdb.connect(str(new)) as db:
        db.execute("create schema activation")
        for model in MODELS.values():
            columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
            db.execute(f"create table activation.{model} ({columns})")
            marks = ", ".join("?" for _ in names)
            values = [
                [row.get(name, True if name == "may_create_profile" else None) for name in names]
                for row in rows
            ]
            for at in range(0, len(values), 100):  # row by row, a thousand take half a minute
                part = values[at : at + 100]
                listed = ", ".join(f"({marks})" for _ in part)
                flat = [value for row in part for value in row]
                db.execute(f"insert into activation.{model} values {listed}", flat)
    os.replace(new, path)  # noqa: PTH105 - the same call as the product's publish
    return path


def member(email: str, **values: Any) -> dict[str, Any]:
    """One row; 250 points in tier Gold unless told otherwise."""
    row: dict[str, Any] = {
        "email": email,
        "may_create_profile": True,
        "points": 250,
        "tier": "Gold",
        "state": "member",
        "synced_at": datetime(2026, 11, 21, 6),  # noqa: DTZ001 - as the model holds it
        "tags": ["loyalty-member", "loyalty-tier-gold"],
    }
    return {**row, **values}


def wire_value(destination: str, kind: str, value: Any) -> Any:
    """What a vendor must hold for a value, written independently of the product's SQL."""
    if isinstance(value, list):
        return value
    if isinstance(value, datetime):
        return value.strftime(
            "%Y-%m-%dT%H:%M:%S+00:00" if destination == "klaviyo" else "%Y-%m-%d %H:%M:%S"
        )
    if isinstance(value, date):
        return value.isoformat()
    if destination == "klaviyo":
        return float(value) if kind == "number" and not isinstance(value, int) else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if not isinstance(value, str) and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def wanted(destination: str, row: Row, families: frozenset[str] = BOTH) -> dict[str, Any]:
    """Properties that a vendor must show for a row; tags as `tag:<tag>`."""
    place = 1 if destination == "klaviyo" else 2
    found: dict[str, Any] = {}
    for column, metas in COLUMNS.items():
        meta: Mapping[str, Any] = metas[place]  # type: ignore[assignment]
        value = row.get(column)
        if value is not None and meta["family"] in families:
            name = str(meta.get("property") or meta.get("field"))
            found[name] = wire_value(destination, str(meta["type"]), value)
    if destination == "rule":
        found.update({f"tag:{tag}": True for tag in row.get("tags") or []})
    return found


@dataclass
class ModelVendor:
    """A vendor in memory that behaves as its orders say.

    `fate(batch number, row)` -> applied | refused | lost (applied, then no answer) |
    cut (not applied, no answer) | job | stuck.
    """

    name: str = "klaviyo"
    object_name: str = "profiles"
    fate: Callable[[int, PlannedRow], str] = lambda _number, _row: "applied"
    rows_per_batch: int = 3
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, tuple[str, tuple[PlannedRow, ...]]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    created: list[str] = field(default_factory=list)
    nulls_in_bulk: int = 0
    batches: int = 0

    @property
    def lanes(self) -> Mapping[str, LaneLimits]:
        limits = LaneLimits(self.rows_per_batch, 1_000_000)
        lanes = ("bulk", "single", "patch", "upsert", "upsert_again", "upsert_anew")
        return dict.fromkeys(lanes, limits)

    def row_bytes(self, row: PlannedRow) -> int:
        return len(row.body.encode())

    def finish(self) -> Iterator[Event]:
        return iter(())

    def deliver(self, batch: Batch) -> Iterator[Event]:
        from vendor_http import VendorUnavailableError

        self.batches += 1
        self.requests["POST"] += 1
        if batch.lane == "bulk":
            patches = [orjson.loads(row.patch) for row in batch.rows]
            self.nulls_in_bulk += sum(None in patch.values() for patch in patches)
        fates = {row.email: self.fate(self.batches, row) for row in batch.rows}
        in_job = tuple(row for row in batch.rows if fates[row.email] in ("job", "stuck"))
        if in_job:
            job_id = f"job{self.batches}"
            is_stuck = any(fates[row.email] == "stuck" for row in in_job)
            self.jobs[job_id] = ("stuck" if is_stuck else "running", in_job)
            yield Submitted(job_id, tuple(row.email for row in in_job))
        outcomes = []
        broken = False
        for row in batch.rows:
            fate = fates[row.email]
            if fate in ("applied", "lost"):
                self._apply(row)
            if fate == "applied":
                outcomes.append(Outcome(row.email, "accepted"))
            elif fate == "refused":
                outcomes.append(Outcome(row.email, "rejected", "refused_by_model", "as ordered"))
            elif fate in ("lost", "cut"):
                broken = True
        yield Settled(tuple(outcomes))
        if broken:
            raise VendorUnavailableError("the model vendor does not answer")

    def poll(self, job_id: str, emails: Sequence[str]) -> JobReport:
        self.requests["GET"] += 1
        status, rows = self.jobs[job_id]
        if status == "stuck":
            return JobReport("processing")
        for row in rows:
            self._apply(row)
        return JobReport("complete", len(rows), tuple(Outcome(e, "accepted") for e in emails))

    def release(self) -> None:
        """Let stuck jobs go on."""
        self.jobs = {job: ("running", rows) for job, (_status, rows) in self.jobs.items()}

    def _apply(self, row: PlannedRow) -> None:
        if row.must_exist and row.email not in self.profiles:
            return
        if row.email not in self.profiles:
            self.created.append(row.email)
        profile = self.profiles.setdefault(row.email, {})
        for name, value in orjson.loads(row.patch).items():
            if value is None:
                profile.pop(name, None)
            else:
                profile[name] = value


def run(
    published: Path,
    ledger: Ledger,
    vendor: Any,
    run_id: str,
    families: frozenset[str] = BOTH,
    settings: EngineSettings = QUICK,
    clears: str = "",
) -> SyncResult:
    """One whole sync."""
    declared = spec(vendor.name, families, clears)
    return sync(published, declared, vendor, ledger, NOW, run_id, settings=settings)


def assert_tied(result: SyncResult) -> None:
    """The counters of every operation add up."""
    for operation, count in result.counts.items():
        outcomes = count.accepted + count.rejected + count.invalid + count.aborted
        assert count.planned == outcomes + count.unfinished, operation
        assert count.unfinished >= 0, operation
        assert count.attempted <= count.planned - count.invalid, operation
        assert count.attempted >= count.accepted + count.rejected + count.unfinished, operation
