"""The summary after a run: the programme, the rewards, what each vendor accepted, where to look.

Everything shown is read from the published file, by queries a person could type.
"""

from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

QUERIES = {
    "how many members are in each tier": (
        "select program, tier_name, count(*) as members\n"
        "from marts.dim_members where membership = 'member' and not is_deleted\n"
        "group by all order by all"
    ),
    "who can redeem what": (
        "select m.program, m.email, r.reward_name, e.affordable_points, e.affordable_value\n"
        "from marts.fct_reward_eligibility as e\n"
        "join marts.dim_rewards as r using (program, reward_id)\n"
        "join marts.dim_members as m using (program, member_id)\n"
        "where e.is_eligible limit 20"
    ),
    "the ten members closest to their next reward": (
        "select m.program, m.email, w.next_reward_name, w.points_to_next_reward\n"
        "from marts.fct_member_rewards as w\n"
        "join marts.dim_members as m using (program, member_id)\n"
        "where w.points_to_next_reward is not null\n"
        "order by w.points_to_next_reward, w.program, w.member_id limit 10"
    ),
}
_BAR_WIDTH = 24


def show_summary(console: Console, published: Path, run_id: str) -> None:
    """Print the state of the programmes, what run `run_id` delivered, and where to look."""
    with _reading(published) as connection:
        console.print()
        console.print(_programmes(connection))
        console.print(_best_rewards(connection))
        console.print(_deliveries(connection, run_id))
        _say_events(console, connection, run_id)
    console.print(
        f"\nPublished: [bold]{published}[/] (any DuckDB ≥ 1.3). Three queries to try:\n",
        highlight=False,
        soft_wrap=True,
    )
    for question, query in QUERIES.items():
        console.print(f"[dim]-- {question}[/]", highlight=False)
        console.print(query + ";\n", highlight=False, markup=False, soft_wrap=True)


def show_deliveries(console: Console, published: Path, run_id: str) -> None:
    """Print what run `run_id` delivered."""
    with _reading(published) as connection:
        console.print(_deliveries(connection, run_id))
        _say_events(console, connection, run_id)
        console.print()


def _reading(published: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(published), read_only=True)


def _table(title: str) -> Table:
    return Table(
        title=f"\n{title}",
        title_justify="left",
        box=None,
        padding=(0, 1),
        pad_edge=False,
        collapse_padding=True,
    )


def _programmes(connection: duckdb.DuckDBPyConnection) -> Table:
    table = _table("Members")
    for column in ("programme", "tier"):
        table.add_column(column)
    for column in ("members", "points", "can redeem", "points to next"):
        table.add_column(column, justify="right", no_wrap=True)
    rows = connection.execute(
        """
        select
            m.program,
            coalesce(m.tier_name, '(no tier)'),
            count(*),
            sum(m.points_balance)::bigint,
            count(*) filter (where w.eligible_reward_count > 0),
            avg(w.points_to_next_reward)
        from marts.dim_members as m
        left join marts.fct_member_rewards as w using (program, member_id)
        where m.membership = 'member' and not m.is_deleted
        group by m.program, m.tier_name, m.tier_rank
        order by m.program, m.tier_rank nulls first
        """
    ).fetchall()
    for program, tier, members, points, eligible, needed in rows:
        table.add_row(
            program,
            tier,
            f"{members:,}",
            f"{points:,}",
            f"{eligible:,} ({eligible / members:.0%})",
            "–" if needed is None else f"{needed:,.0f}",
        )
    return table


def _best_rewards(connection: duckdb.DuckDBPyConnection) -> Table:
    table = _table("Best reward")
    table.add_column("programme")
    table.add_column("best reward right now")
    table.add_column("members", justify="right")
    table.add_column("")
    rows = connection.execute(
        """
        select program, coalesce(best_reward_name, '(none yet)') as reward, count(*) as members
        from marts.fct_member_rewards
        group by all
        order by program, members desc, reward
        """
    ).fetchall()
    largest = max((members for *_, members in rows), default=1)
    for program, reward, members in rows:
        bar = "█" * max(1, round(members / largest * _BAR_WIDTH))
        table.add_row(program, reward, f"{members:,}", f"[cyan]{bar}[/]")
    return table


def _deliveries(connection: duckdb.DuckDBPyConnection, run_id: str) -> Table:
    table = _table("Sent in this run")
    counts = ("planned", "attempted", "accepted", "rejected", "invalid", "aborted")
    for column in ("destination", "what", "operation"):
        table.add_column(column, no_wrap=True)
    for column in counts:
        table.add_column(column, justify="right", no_wrap=True)
    rows = connection.execute(
        f"""
        select destination, object, operation, {", ".join(f"{c}_count" for c in counts)}
        from sync.runs
        where run_id = ? and planned_count > 0
        order by all
        """,
        [run_id],
    ).fetchall()
    for destination, what, operation, *numbers in rows:
        table.add_row(destination, what, operation, *(f"{number:,}" for number in numbers))
    if not rows:
        table.add_row("nothing", *[""] * 8)
    return table


def _say_events(console: Console, connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """How many of the events that each vendor accepted in this run may start something."""
    rows = connection.execute(
        """
        select destination, count(*) filter (not was_backfill), count(*) filter (was_backfill)
        from sync.events
        where run_id = ? and state = 'accepted'
        group by destination
        order by destination
        """,
        [run_id],
    ).fetchall()
    for destination, live, history in rows:
        console.print(
            f"events told to {destination}: {live:,} of now, {history:,} of history, which start "
            "nothing",
            highlight=False,
            soft_wrap=True,
        )
