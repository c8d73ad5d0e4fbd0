"""Is a plan plausible? Shares and swings beyond a limit stop a sync before its first request.

A vendor's profiles cannot be taken back, so what looks like a fault upstream (half the members
gone, a column that is suddenly empty, e-mails lost) waits for a person. Owns the limits and what
they are compared with; knows no vendor and sends nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from reverse_etl.ledger_file import LedgerFile, Scope, utc
from reverse_etl.planned import Plan
from vendor_http import LoyaltyError

# Of fewer people a share says nothing.
LEAST_PEOPLE = 100
_RUNS_COMPARED = 5


@dataclass(frozen=True)
class GuardLimits:
    """Shares from 0 to 1 above which a sync waits for approval; 1 switches a guard off.

    Attributes:
        changed: people who change, of those who hold values of ours. A day moves a few per cent;
            a renamed or added property moves everybody, and is worth a look.
        cleared: people who lose everything, of those who hold values. Members leave one by one;
            a tenth at once is a list that was read in part.
        losing: people who lose at least one value, of those who hold values: a column went empty.
        swing: rows of the model, against the median of the last five runs, up or down.
        without_email: members without an e-mail, of all members: a join or a vendor lost them.
    """

    changed: float = 0.5
    cleared: float = 0.1
    losing: float = 0.3
    swing: float = 0.3
    without_email: float = 0.3


DEFAULT_LIMITS = GuardLimits()


@dataclass(frozen=True)
class Finding:
    """One guard that objects: its name, what was measured and what is allowed (shares)."""

    guard: str
    measured: float
    limit: float
    people: int

    def __str__(self) -> str:
        return (
            f"{_WORDS[self.guard].format(people=f'{self.people:,}')}, {_percent(self.measured)} "
            f"(LOYALTY_GUARD_{self.guard.upper()} is {_percent(self.limit)})"
        )


_WORDS = {
    "changed": "{people} people would change",
    "cleared": "{people} people would lose everything",
    "losing": "{people} people would lose at least one value",
    "swing": "the model has {people} rows, far from the last runs",
    "without_email": "{people} members have no e-mail",
}


class GuardError(LoyaltyError):
    """A plan went beyond a guard; nothing was sent.

    Attributes:
        findings: what objected.
    """

    def __init__(self, message: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(message)
        self.findings = findings


def judge(
    plan: Plan, ledger: LedgerFile, limits: GuardLimits = DEFAULT_LIMITS
) -> tuple[Finding, ...]:
    """The guards that object to a plan; none when it is plausible."""
    found = _measure(plan, _usual_rows(ledger, plan.scope))
    return tuple(
        Finding(guard, share, getattr(limits, guard), people)
        for guard, share, people in found
        if share > getattr(limits, guard)
    )


def remember(plan: Plan, ledger: LedgerFile) -> None:
    """Keep the size of a plan that was let through, for later runs to compare with."""
    with ledger.open() as db:
        db.execute(
            "delete from plan_sizes where run_id = ? and destination = ? and object = ?",
            [plan.run_id, plan.scope.destination, plan.scope.object_name],
        )
        db.execute(
            "insert into plan_sizes values (?, ?, ?, ?, ?, ?)",
            [
                plan.run_id, plan.scope.destination, plan.scope.object_name, utc(plan.now),
                plan.counts["rows"], plan.counts["known"],
            ],
        )  # fmt: skip


def _measure(plan: Plan, usual_rows: float | None) -> Iterator[tuple[str, float, int]]:
    """(guard, share, people it is about) for every guard that has something to compare with."""
    known, rows = plan.counts["known"], plan.counts["rows"]
    if known >= LEAST_PEOPLE:
        changed = plan.counts["change"] + plan.counts["clear"]
        yield "changed", changed / known, changed
        yield "cleared", plan.counts["clear"] / known, plan.counts["clear"]
        losing = plan.losing()
        yield "losing", losing / known, losing
    if usual_rows is not None and usual_rows >= LEAST_PEOPLE:
        yield "swing", abs(rows - usual_rows) / usual_rows, rows
    members, without = plan.counts.get("members", 0), plan.counts.get("without_email", 0)
    if members >= LEAST_PEOPLE:
        yield "without_email", without / members, without


def _usual_rows(ledger: LedgerFile, scope: Scope) -> float | None:
    """Median of the model's rows over the last runs; None before the first."""
    with ledger.open() as db:
        rows = db.execute(
            """
            select row_count from plan_sizes where destination = ? and object = ?
            order by planned_at desc limit ?
            """,
            [scope.destination, scope.object_name, _RUNS_COMPARED],
        ).fetchall()
    return float(median(row[0] for row in rows)) if rows else None


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"
