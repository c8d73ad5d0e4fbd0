"""The second half of one person's path: what each vendor should hold, holds, and would get next.

By the same plan that a sync makes, over this one person: a published file with their row alone and
a ledger with their state alone, both in a private folder that is gone afterwards. Sends nothing,
and waits for nobody but the ledger's own moments.
"""

import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from orchestration.activate import SYNCS, DeclaredSync, specification
from orchestration.excerpt import excerpt
from orchestration.home import Home
from orchestration.person import Row, read, rows
from orchestration.person_events import events_of
from orchestration.settings import Settings
from reverse_etl.declarations import SyncSpec
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_erasure import is_under_way, lend
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan

_OPERATIONS = {"add": "create with", "change": "change", "clear": "clear"}


@dataclass(frozen=True, repr=False)
class Delivery:
    """One destination.

    Attributes:
        wanted: property -> value by today's tables; empty for somebody who is not sent.
        tags: tags by today's tables.
        held: property -> value the vendor accepted and holds of ours, tags as `tag:<tag>`.
        ledger: latest state (`sync.profiles`) with quarantined_at; None = never planned.
        rejections: newest refusals, at most three.
        difference: property -> what the next sync would write; None = clear.
        next_sync: what the next sync would do, in words.
        events: this person's events, newest first, see `events_of`.
    """

    destination: str
    wanted: Row
    tags: list[str]
    held: Row
    ledger: Row | None
    rejections: list[Row]
    difference: Row
    next_sync: str
    events: list[Row]


def deliveries(email: str, settings: Settings, home: Home, now: datetime) -> list[Delivery]:
    """One per destination; none before anything was published.

    Args:
        email: normalised.
    """
    if not home.audited.exists():
        return []
    home.erasure.mkdir(mode=0o700, exist_ok=True)
    found = []
    for sync in SYNCS:
        spec = specification(sync, settings, home)
        with tempfile.TemporaryDirectory(dir=home.erasure, prefix="why-") as folder:
            found.append(_delivery(email, sync, spec, home, now, Path(folder)))
    return found


def _delivery(
    email: str, sync: DeclaredSync, spec: SyncSpec, home: Home, now: datetime, folder: Path
) -> Delivery:
    scope, ledger = Scope(sync.destination, sync.object_name), Ledger(home.ledger)
    published = excerpt(home.audited, folder / "wanted.duckdb", spec, email)
    with read(published) as db:
        wanted = next(iter(rows(db, f"select * from {spec.relation}", ())), {})
    state, rejections = _recorded(ledger, scope, email)
    lent = Ledger(folder / "ledger.duckdb")
    lend(ledger, lent, scope, [email])
    with plan_sync(published, lent, spec, now, uuid.uuid4().hex) as plan:
        difference, next_sync = _next(plan, is_planned=state is not None)
    if is_under_way(ledger, scope, [email]):
        next_sync = "wait: a job that carries this person has not ended at the vendor"
    values = {p.name: wanted.get(p.column) for p in spec.properties}
    held = orjson.loads(state.pop("accepted")) if state else {}
    return Delivery(
        destination=sync.destination,
        wanted={name: value for name, value in values.items() if value is not None},
        tags=list(wanted.get(spec.tags_column or "") or ()),
        held=held,
        ledger=state,
        rejections=rejections,
        difference=difference,
        next_sync=next_sync,
        events=events_of(email, sync.destination, home),
    )


def _recorded(ledger: Ledger, scope: Scope, email: str) -> tuple[Row | None, list[Row]]:
    """Latest state with what is held (`accepted`, JSON), and refusals, newest first."""
    if not ledger.path.exists():
        return None, []
    parameters = [scope.destination, scope.object_name, email]
    mine = "where destination = ? and object = ? and email = ?"
    with ledger.open() as db:
        state = rows(
            db,
            "select state, operation, reason_code, job_id, sent_at, accepted_at, attempt_count, "
            f"quarantined_at, run_id, accepted from profiles {mine}",
            parameters,
        )
        refused = rows(
            db,
            "select recorded_at, reason_code, reason, attempt_count from rejections "
            f"{mine} order by recorded_at desc limit 3",
            parameters,
        )
    return next(iter(state), None), refused


def _next(plan: Plan, *, is_planned: bool) -> tuple[Row, str]:
    """What a sync would send, and in words."""
    counts: Mapping[str, int] = plan.counts
    for sample in plan.samples(1):
        if sample["reason_code"]:
            return {}, f"set aside, not sent: {sample['reason_code'].replace('_', ' ')}"
        patch: dict[str, Any] = orjson.loads(sample["patch"])
        values = "value" if len(patch) == 1 else "values"
        return patch, f"{_OPERATIONS[sample['operation']]} {len(patch)} {values}"
    if counts.get("quarantined"):
        return {}, "nothing: in quarantine after repeated refusals; see `loyalty rejections`"
    if counts.get("not_known"):
        return {}, "nothing: may not get a profile and never had one from us"
    if counts.get("unchanged"):
        if not is_planned:
            return {}, "nothing: nothing of ours is wanted there, and nothing ever was"
        return {}, "nothing: the vendor holds what is wanted"
    return {}, "nothing: no row for this person in the sync"
