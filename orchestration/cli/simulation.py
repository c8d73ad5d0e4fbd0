"""`loyalty simulate`: what an edited reward catalogue would change, on screen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestration.catalogue import read_catalogue, write_catalogue
from orchestration.home import Home
from orchestration.programs import clock
from orchestration.settings import Settings
from orchestration.simulate import Simulation, read_current, simulate


def export(console: Console, home: Home, file: Path) -> None:
    """Write the present catalogue for editing."""
    rewards = read_current(home)
    write_catalogue(rewards, file)
    console.print(
        f"{len(rewards)} rewards in {file}. Change prices, take lines out, add lines with new ids, "
        f"then: loyalty simulate {file}",
        highlight=False,
        soft_wrap=True,
    )


def show(console: Console, settings: Settings, home: Home, file: Path) -> None:
    """Simulate and print: per programme, per reward, and where the rows are."""
    done = simulate(home, read_catalogue(file), clock(settings)())
    console.print(_programs(done.programs))
    console.print(_rewards(done.rewards))
    console.print(
        f"\nAnother best reward for {done.best_reward_changes:,} members. Nothing was changed. "
        f"Who gains and who loses, row by row: {done.file}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_query(done), highlight=False, markup=False, soft_wrap=True)


def _programs(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("Members who can redeem something")
    for name in ("programme", "members", "now", "then", "gain", "lose", "points", "money"):
        table.add_column(name, justify="left" if name == "programme" else "right")
    for row in rows:
        table.add_row(
            row["program"],
            f"{row['member_count']:,}",
            f"{row['can_redeem_before_count']:,}",
            f"{row['can_redeem_after_count']:,}",
            f"{row['gains_count']:,}",
            f"{row['loses_count']:,}",
            _moved(row["redeemable_points_before"], row["redeemable_points_after"]),
            _moved(row["redeemable_value_before"], row["redeemable_value_after"]),
        )
    return table


def _rewards(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("Rewards")
    for name in ("programme", "reward", "", "price", "eligible", "gain", "lose", "points gained"):
        table.add_column(name, justify="left" if name in ("programme", "reward", "") else "right")
    for row in rows:
        table.add_row(
            row["program"],
            row["reward_name"],
            "" if row["change"] == "unchanged" else row["change"],
            _moved(row["points_price_before"], row["points_price_after"]),
            _moved(row["eligible_before_count"], row["eligible_after_count"]),
            f"{row['gains_count']:,}",
            f"{row['loses_count']:,}",
            f"{row['gained_points']:,}",
        )
    return table


def _table(title: str) -> Table:
    return Table(title=f"\n{title}", title_justify="left", box=None, padding=(0, 2, 0, 0))


def _moved(before: Any, after: Any) -> str:
    """One number where nothing moved, two where it did."""
    shown = ["–" if value is None else f"{value:,}" for value in (before, after)]
    return shown[0] if before == after else " → ".join(shown)


def _query(done: Simulation) -> str:
    return f"  duckdb {done.file} \"select * from eligibility_changes where change = 'loses'\""
