"""Lots, expiries and cohorts against a ledger that is worked through step by step.

The models say first in, first out in sets; here it is a queue. Each example runs the SQL that dbt
compiled for the models, on hand-made tables in memory, because a run of dbt per example would take
an hour. What a rule means at its boundary is in `_points__unit_tests.yml`.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dbt.warehouse import NOW, Compiled, Warehouse

LEDGER = (
    "program varchar, transaction_id varchar, member_id varchar, points_change bigint, "
    "transaction_kind varchar, occurred_at timestamp, deleted_at timestamp"
)
LOTS = (
    "int_loyalty__points_members_summed",
    "int_loyalty__points_programs_bounded",
    "int_loyalty__points_spanned",
    "fct_points_lots",
    "int_loyalty__points_cohorts_attributed",
    "kpi_points_daily",
)
STARTS_AT = datetime.fromisoformat("2026-10-30 00:00:00")
VANISHED_AT = datetime.fromisoformat("2026-11-03 00:00:00")
FATES = {"redeemed": "spent", "expired": "expired"}


@dataclass(frozen=True)
class Row:
    """One ledger row; the place in the list is its id."""

    member: str
    points: int
    kind: str
    hours: int
    vanished: bool

    @property
    def at(self) -> datetime:
        return STARTS_AT + timedelta(hours=self.hours)

    @property
    def vanished_at(self) -> datetime | None:
        return VANISHED_AT if self.vanished else None

    @property
    def movement(self) -> str:
        if self.kind in ("expire", "adjust"):
            return {"expire": "expired", "adjust": "adjusted"}[self.kind]
        if self.points >= 0:
            return "earned" if self.kind == "earn" else "reimbursed"
        return "redeemed" if self.kind == "redeem" else "reversed"


ROWS = st.lists(
    st.builds(
        Row,
        member=st.sampled_from(["a", "b", "gone"]),
        points=st.integers(-60, 60),
        kind=st.sampled_from(["earn", "redeem", "expire", "refund", "adjust"]),
        hours=st.integers(0, 72),
        vanished=st.sampled_from([False] * 9 + [True]),
    ),
    max_size=25,
)


def fifo(rows: list[Row]) -> tuple[dict[str, int], Counter[tuple[str, str]]]:
    """Unspent points per row, and (month of the grant, fate) -> points, by a queue per member."""
    remaining: dict[str, int] = {}
    fates: Counter[tuple[str, str]] = Counter()
    queues: defaultdict[str, deque[str]] = defaultdict(deque)
    debts: defaultdict[str, deque[list[Any]]] = defaultdict(deque)
    order = sorted(enumerate(rows), key=lambda item: (item[1].at, f"{item[0]:04d}"))
    for number, row in order:
        if row.vanished or not row.points:
            continue
        if row.points > 0:
            remaining[f"{number:04d}"] = row.points
            queues[row.member].append(f"{number:04d}")
        else:
            debts[row.member].append([FATES.get(row.movement, "withdrawn"), -row.points])
        while queues[row.member] and debts[row.member]:
            lot, debt = queues[row.member][0], debts[row.member][0]
            used = min(remaining[lot], debt[1])
            fates[f"{rows[int(lot)].at:%Y-%m-01}", debt[0]] += used
            remaining[lot] -= used
            debt[1] -= used
            if not remaining[lot]:
                queues[row.member].popleft()
            if not debt[1]:
                debts[row.member].popleft()
    for lot, points in remaining.items():
        row = rows[int(lot)]
        fate = "forfeited" if row.member == "gone" else "outstanding"
        fates[f"{row.at:%Y-%m-01}", fate] += points
    return {lot: points for lot, points in remaining.items() if points}, +fates


@settings(max_examples=60)
@given(rows=ROWS)
def test_lots_and_cohorts_are_those_of_a_queue(compiled: Compiled, rows: list[Row]) -> None:
    with compiled.database() as connection:
        connection.execute(f"create table marts.fct_points_transactions ({LEDGER})")
        for number, row in enumerate(rows):
            connection.execute(
                "insert into marts.fct_points_transactions values ('smile', ?, ?, ?, ?, ?, ?)",
                [f"{number:04d}", row.member, row.points, row.kind, row.at, row.vanished_at],
            )
        connection.execute(
            "create table marts.dim_members as select 'smile' as program, "
            "unnest(['a', 'b', 'gone']) as member_id, member_id = 'gone' as is_deleted, "
            "case when is_deleted then timestamp '2026-11-02 12:00:00' end as deleted_at"
        )
        connection.execute(
            "create table intermediate.int_loyalty__points_expiry_told as select program, "
            "member_id, true as is_history_known, 'none' as policy, null::date as told_expires_on, "
            "null::bigint as told_points, null::date as inactive_on, null::int as date_earned_days "
            "from marts.dim_members where not is_deleted"
        )
        compiled.build(connection, *LOTS)
        lots = connection.execute(
            "select transaction_id, remaining_points from marts.fct_points_lots"
        ).fetchall()
        cohorts = connection.execute(
            "select month_on::varchar, fate, points from (unpivot "
            "intermediate.int_loyalty__points_cohorts_attributed on spent_points, expired_points, "
            "withdrawn_points, forfeited_points, outstanding_points into name fate value points)"
        ).fetchall()
        closing = connection.execute(
            "select closing_points, deleted_member_points from marts.kpi_points_daily "
            f"where day_on = '{NOW[:10]}'"
        ).fetchone()
    remaining, fates = fifo(rows)
    assert dict(lots) == {lot: n for lot, n in remaining.items() if rows[int(lot)].member != "gone"}
    assert {
        (month, fate.removesuffix("_points")): points for month, fate, points in cohorts if points
    } == dict(fates)
    counting = [row for row in rows if not row.vanished]
    left = sum(row.points for row in counting if row.member == "gone")
    assert closing == ((sum(row.points for row in counting), left) if counting else None)


def test_the_coming_366_days_begin_today_and_hold_a_policy_of_one_year(compiled: Compiled) -> None:
    today = date.fromisoformat(NOW[:10])
    with compiled.database() as connection:
        connection.execute("create table marts.dim_members as select 'smile' as program")
        connection.execute(
            "create table marts.fct_points_expirations "
            "(program varchar, member_id varchar, expires_on date, expiring_points bigint)"
        )
        for member, days, points in [("a", -1, 9), ("a", 0, 1), ("b", 365, 2), ("c", 365, 3)]:
            connection.execute(
                "insert into marts.fct_points_expirations values ('smile', ?, ?, ?)",
                [member, today + timedelta(days=days), points],
            )
        connection.execute(
            "insert into marts.fct_points_expirations values ('smile', 'd', ?, 9)",
            [today + timedelta(days=366)],
        )
        compiled.build(connection, "kpi_points_expiring_daily")
        days = connection.execute(
            "select expires_on, days_to_expiry, expiring_points, member_count, "
            "expiring_until_then_points from marts.kpi_points_expiring_daily order by expires_on"
        ).fetchall()
    assert len(days) == 366
    assert days[0] == (today, 0, 1, 1, 1)
    assert days[364] == (today + timedelta(days=364), 364, 0, 0, 1)
    assert days[365] == (today + timedelta(days=365), 365, 5, 2, 6)


def test_a_pattern_that_another_one_takes_first_is_found(empty_warehouse: Warehouse) -> None:
    tests = empty_warehouse.folder / "target" / "compiled" / "loyalty" / "seeds"
    (path,) = tests.rglob("no_pattern_is_shadowed_*.sql")
    patterns = [
        ("points%", "earn", 10),
        ("points expired%", "expire", 20),  # never asked: the one above takes all of its texts
        ("refund%", "refund", 10),
        ("refunded%", "refund", 10),  # the longer one decides first
        ("%order%", "earn", 30),
        ("an order%", "refund", 20),  # comes before the wider one
        ("same%", "earn", 10),
        ("same%", "adjust", 10),  # says something else
    ]
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse; use warehouse; create schema seeds")
        connection.execute(
            "create table seeds.points_patterns (vendor varchar, pattern varchar, "
            "transaction_kind varchar, priority integer, is_order_earn boolean default false)"
        )
        connection.executemany(
            "insert into seeds.points_patterns (vendor, pattern, transaction_kind, priority) "
            "values ('smile', ?, ?, ?)",
            patterns,
        )
        found = connection.execute(path.read_text()).fetchall()
    assert {row[1] for row in found} == {"points expired%", "same%"}
