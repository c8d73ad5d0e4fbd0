"""What reminders were followed by, counted once more in Python from the definition.

Each example runs the SQL that dbt compiled on hand-made tables in memory. Moments are whole days,
so that the ends of windows and of months are met often. Boundaries to the second are in
`_nudges__unit_tests.yml`; that the marts are filled by a build is seen by the questions' test.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isclose, sqrt
from statistics import NormalDist
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dbt.warehouse import NOW, Compiled

STARTS_AT = datetime.fromisoformat("2026-09-20 00:00:00")
UNTIL = datetime.fromisoformat(NOW)
WINDOWS = (7, 14, 30)
KINDS = ("points_reminder", "customer_birthday", "points_earned")  # the last invites to nothing
MEMBERS = ("a", "b", "c", "d")
TABLES = """
create table marts.fct_loyalty_events (program varchar, vendor varchar, event_id varchar,
    event_type varchar, member_id varchar, is_about_friend boolean, occurred_at timestamp);
create table seeds.loyalty_event_types (vendor varchar, event_type varchar, is_nudge boolean);
create table marts.fct_points_transactions (program varchar, member_id varchar,
    transaction_kind varchar, is_order_earn boolean, occurred_at timestamp, deleted_at timestamp);
create table marts.fct_member_states (program varchar, member_id varchar, valid_from_at timestamp,
    valid_to_at timestamp, membership varchar, is_deleted boolean, tier_id varchar);
create table marts.fct_tier_changes (program varchar, member_id varchar, changed_at timestamp,
    direction varchar);
create table sync.events (destination varchar, event_id varchar, state varchar,
    was_backfill boolean);
"""


@dataclass(frozen=True)
class Nudge:
    """An event and what two vendors said of it: (state, sent as history) or nothing."""

    kind: str
    member: str
    day: int
    klaviyo: tuple[str, bool | None] | None
    rule: tuple[str, bool | None] | None

    @property
    def at(self) -> datetime:
        return STARTS_AT + timedelta(days=self.day)

    @property
    def is_told(self) -> bool:
        return ("accepted", False) in (self.klaviyo, self.rule)


@dataclass(frozen=True)
class Action:
    """A row of the ledger, or a fall from a tier."""

    what: str
    member: str
    day: int

    @property
    def at(self) -> datetime:
        return STARTS_AT + timedelta(days=self.day)


WORDS = st.sampled_from(
    [None, ("accepted", False), ("accepted", True), ("rejected", False), ("skipped", None)]
)
NUDGES = st.lists(
    st.builds(
        Nudge,
        kind=st.sampled_from(KINDS),
        member=st.sampled_from(MEMBERS),
        day=st.integers(0, 61),
        klaviyo=WORDS,
        rule=WORDS,
    ),
    max_size=20,
)
ACTIONS = st.lists(
    st.builds(
        Action,
        what=st.sampled_from(["redeemed", "ordered", "lost", "earned"]),
        member=st.sampled_from(MEMBERS),
        day=st.integers(0, 61),
    ),
    max_size=20,
)
# The day on which each member is first known with a tier; None = never.
TIERS = st.fixed_dictionaries(
    {member: st.one_of(st.none(), st.integers(0, 30)) for member in MEMBERS}
)


def _fill(
    db: duckdb.DuckDBPyConnection,
    nudges: list[Nudge],
    actions: list[Action],
    tiers: dict[str, int | None],
) -> None:
    db.execute(TABLES)
    for kind in KINDS:
        values = [kind, kind != "points_earned"]
        db.execute("insert into seeds.loyalty_event_types values ('yotpo', ?, ?)", values)
    for number, nudge in enumerate(nudges):
        db.execute(
            "insert into marts.fct_loyalty_events values ('yotpo', 'yotpo', ?, ?, ?, false, ?)",
            [f"{number:03}", nudge.kind, nudge.member, nudge.at],
        )
        for vendor, word in (("klaviyo", nudge.klaviyo), ("rule", nudge.rule)):
            if word is not None:
                db.execute(
                    "insert into sync.events values (?, ?, ?, ?)", [vendor, f"{number:03}", *word]
                )
    for action in actions:
        if action.what == "lost":
            db.execute(
                "insert into marts.fct_tier_changes values ('yotpo', ?, ?, 'down')",
                [action.member, action.at],
            )
        else:
            kind = "redeem" if action.what == "redeemed" else "earn"
            db.execute(
                "insert into marts.fct_points_transactions values ('yotpo', ?, ?, ?, ?, null)",
                [action.member, kind, action.what == "ordered", action.at],
            )
    for member, day in tiers.items():
        if day is not None:
            db.execute(
                "insert into marts.fct_member_states values "
                "('yotpo', ?, ?, null, 'member', false, '1')",
                [member, STARTS_AT + timedelta(days=day)],
            )


def _wilson(reached: int, whole: int) -> tuple[float, float]:
    """Bounds of a share, by the formula in its textbook form."""
    z = NormalDist().inv_cdf(0.975)
    p = reached / whole
    centre = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    return centre - half, centre + half


def _expected(
    nudges: list[Nudge], actions: list[Action], tiers: dict[str, int | None]
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """(kind, month, days, outcome) -> told: whole, reached, waiting; and the same of the others."""
    months: defaultdict[tuple[str, datetime, str], list[Nudge]] = defaultdict(list)
    for nudge in nudges:
        if nudge.kind != "points_earned":
            months[nudge.kind, nudge.at.replace(day=1), nudge.member].append(nudge)
    counts: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 6)
    for (kind, month, member), found in months.items():
        told = [nudge for nudge in found if nudge.is_told]
        start = min(nudge.at for nudge in told or found)
        for days in WINDOWS:
            ends = start + timedelta(days=days)
            done = {
                each.what for each in actions if each.member == member and start < each.at <= ends
            }
            outcomes = {"redeemed": "redeemed" in done, "ordered": "ordered" in done}
            since = tiers[member]
            if since is not None and STARTS_AT + timedelta(days=since) <= start:
                outcomes["tier_kept"] = "lost" not in done
            for outcome, is_reached in outcomes.items():
                row = counts[kind, month.date(), days, outcome]
                at = 0 if told else 3
                if ends <= UNTIL:
                    row[at] += 1
                    row[at + 1] += is_reached
                else:
                    row[at + 2] += 1
    return {key: tuple(row) for key, row in counts.items()}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(nudges=NUDGES, actions=ACTIONS, tiers=TIERS)
def test_effects_are_those_that_the_definition_counts(
    compiled: Compiled, nudges: list[Nudge], actions: list[Action], tiers: dict[str, int | None]
) -> None:
    with compiled.database() as db:
        _fill(db, nudges, actions, tiers)
        compiled.build(db, "fct_nudges", "kpi_nudge_effects_monthly")
        rows = db.sql("select * from marts.kpi_nudge_effects_monthly").to_arrow_table().to_pylist()
    names = [
        f"{group}_{what}_count"
        for group in ("told", "untold")
        for what in ("member", "reached", "waiting")
    ]
    found = {
        (row["event_type"], row["month_on"], row["window_days"], row["outcome"]): tuple(
            row[name] for name in names
        )
        for row in rows
    }
    assert found == _expected(nudges, actions, tiers)
    for row in rows:
        told, reached, _, untold, others, _ = (row[name] for name in names)
        if not told or not untold:
            assert (
                row["share_difference"] is row["difference_low"] is row["difference_high"] is None
            )
            continue
        p, q = reached / told, others / untold
        (low, high), (other_low, other_high) = _wilson(reached, told), _wilson(others, untold)
        wanted = {
            "told_share": p,
            "untold_share": q,
            "share_difference": p - q,
            "difference_low": p - q - sqrt((p - low) ** 2 + (other_high - q) ** 2),
            "difference_high": p - q + sqrt((high - p) ** 2 + (q - other_low) ** 2),
        }
        for name, value in wanted.items():
            assert isclose(float(row[name]), value, abs_tol=0.0001), (name, row)


def test_the_interval_is_that_of_the_published_example(compiled: Compiled) -> None:
    """56 of 70 beside 48 of 80: 0.0524 to 0.3339, Newcombe 1998, table II, method 10."""
    nudges = [
        Nudge("points_reminder", f"{told}{number}", 0, ("accepted", False) if told else None, None)
        for told, size in ((True, 70), (False, 80))
        for number in range(size)
    ]
    actions = [
        Action("redeemed", f"{told}{number}", 1)
        for told, size in ((True, 56), (False, 48))
        for number in range(size)
    ]
    with compiled.database() as db:
        _fill(db, nudges, actions, {})
        compiled.build(db, "fct_nudges", "kpi_nudge_effects_monthly")
        row = db.execute(
            "select share_difference, difference_low, difference_high "
            "from marts.kpi_nudge_effects_monthly where window_days = 7 and outcome = 'redeemed'"
        ).fetchone()
    assert row is not None
    assert [f"{value:.4f}" for value in row] == ["0.2000", "0.0524", "0.3339"]
