"""Is the number of live events plausible? Each may start a flow, and no mail can be taken back.

A fault upstream (a model that forgot what was the first load, dates that moved) shows as far more
live events than ever before. Such a plan waits for a person. Backfill starts nothing and is not
guarded.
"""

from dataclasses import dataclass
from statistics import median

from reverse_etl.events.contract import OBJECT
from reverse_etl.events.plan import EventPlan
from reverse_etl.guards import GuardError
from reverse_etl.ledger_file import LedgerFile, utc

_RUNS_COMPARED = 5


@dataclass(frozen=True)
class EventGuard:
    """What is held: more live events than `least` and than `times` the median of the last runs.

    Attributes:
        times: of the median of the last five runs that told live events.
        least: so many are never held; an evening of a campaign makes hundreds.
    """

    times: float = 10
    least: int = 1_000


DEFAULT_GUARD = EventGuard()


def objection(plan: EventPlan, ledger: LedgerFile, guard: EventGuard) -> GuardError | None:
    """What is implausible about a plan, or None."""
    live = plan.counts["live"]
    if live <= guard.least:
        return None
    usual = _usual(ledger, plan.sync.destination)
    if live <= guard.times * usual:
        return None
    name = plan.sync.destination
    return GuardError(
        f"{name}: {live:,} events would be told as live and may start flows; the last runs told "
        f"{usual:,.0f} at a time (limit {guard.times:g} times as many). Nothing was sent. If it is "
        "right, approve the run",
        (),
    )


def remember(plan: EventPlan, ledger: LedgerFile) -> None:
    """Keep how many live events a plan held that was let through."""
    if not plan.counts["live"]:
        return
    with ledger.open() as db:
        db.execute(
            "insert into plan_sizes values (?, ?, ?, ?, ?, ?)",
            [
                plan.run_id, plan.sync.destination, OBJECT, utc(plan.now),
                plan.counts["live"], plan.sendable,
            ],
        )  # fmt: skip


def _usual(ledger: LedgerFile, destination: str) -> float:
    with ledger.open() as db:
        rows = db.execute(
            "select row_count from plan_sizes where destination = ? and object = ? "
            "order by planned_at desc limit ?",
            [destination, OBJECT, _RUNS_COMPARED],
        ).fetchall()
    return float(median(row[0] for row in rows)) if rows else 0.0
