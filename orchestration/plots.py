"""Pictures for the Dagster UI, drawn from the published file: where a picture says more than a row.

Each becomes Markdown with the picture inside it, for `dg.MetadataValue.md`. Counts only, nothing of
a person. Colours are told apart by colour-blind people too (Okabe and Ito's palette).
"""

import base64
import io
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

DAYS = 90
REWARDS_SHOWN = 8
_LEAST_BARS = 14  # room for two weeks, so that one day is no wall
_SIZE_INCHES = (8.0, 3.2)
_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
_STATES = {
    "accepted": _GREEN,
    "rejected": _RED,
    "invalid": _ORANGE,
    "aborted": _BLUE,
    "waiting": _GREY,
}
Rows = list[tuple[Any, ...]]


def points_by_day(published: Path) -> str:
    """Points issued and redeemed on each of the last 90 days on which the ledger has any."""
    rows = _ask(
        published,
        f"""
        select day_on, sum(earned_points), sum(redeemed_points), sum(expired_points)
        from marts.kpi_points_daily
        where day_on > (select max(day_on) from marts.kpi_points_daily) - {DAYS}
        group by day_on order by day_on
        """,
    )
    days = [row[0] for row in rows]
    series = {"issued": _BLUE, "redeemed": _ORANGE, "expired": _GREY}

    def draw(axes: Axes) -> None:
        for place, (name, color) in enumerate(series.items(), start=1):
            axes.plot(days, [_number(row[place]) for row in rows], label=name, color=color, lw=1.6)
        axes.set_ylabel("points a day")

    return _picture(f"Points issued and redeemed, last {DAYS} days", draw, days)


def rewards_in_reach(published: Path) -> str:
    """Members by the number of rewards that they can redeem now, per programme."""
    rows = _ask(
        published,
        f"""
        select program, least(eligible_reward_count, {REWARDS_SHOWN}), count(*)
        from marts.fct_member_rewards group by all order by all
        """,
    )
    programs = sorted({row[0] for row in rows})
    colors = (_BLUE, _ORANGE, _GREEN, _GREY)

    def draw(axes: Axes) -> None:
        width = 0.8 / max(len(programs), 1)
        for place, program in enumerate(programs):
            counts = {row[1]: row[2] for row in rows if row[0] == program}
            at = [number + (place + 0.5) * width - 0.4 for number in counts]
            color = colors[place % len(colors)]
            axes.bar(at, list(counts.values()), width, label=program, color=color)
        axes.set_xlabel("rewards that a member can redeem now")
        axes.set_ylabel("members")
        axes.set_xticks(
            range(REWARDS_SHOWN + 1), [*map(str, range(REWARDS_SHOWN)), f"{REWARDS_SHOWN}+"]
        )

    return _picture("Members by rewards within reach", draw, programs)


def profiles_by_day(published: Path, destination: str) -> str:
    """Rows that a destination was to get on each day with a sync, by what became of them."""
    columns = ", ".join(f"sum({state}_count)" for state in _STATES)
    rows = _ask(
        published,
        f"""
        select day_on, {columns} from marts.kpi_sync_profiles_daily
        where destination = ? group by day_on
        having sum(planned_count) > 0 order by day_on desc limit {DAYS}
        """,
        [destination],
    )[::-1]
    days = [row[0] for row in rows]

    def draw(axes: Axes) -> None:
        below = [0.0] * len(rows)
        for place, (state, color) in enumerate(_STATES.items(), start=1):
            counts = [_number(row[place]) for row in rows]
            if any(counts):
                names = [day.isoformat() for day in days]
                axes.bar(names, counts, 0.6, bottom=below, label=state, color=color)
            below = [low + count for low, count in zip(below, counts, strict=True)]
        axes.set_ylabel("profiles a day")
        axes.set_xlim(-0.6, max(len(days), _LEAST_BARS) - 0.4)

    return _picture(f"Profiles sent to {destination.title()}, by state", draw, days)


def _ask(published: Path, query: str, parameters: Sequence[object] = ()) -> Rows:
    with duckdb.connect(str(published), read_only=True) as connection:
        return connection.execute(query, list(parameters)).fetchall()


def _number(value: object) -> float:
    return float(str(value)) if value is not None else 0.0


def _picture(title: str, draw: Callable[[Axes], None], subjects: Sequence[str | date]) -> str:
    """A picture in Markdown; words instead where there is nothing to draw."""
    if not subjects:
        return f"{title}: nothing yet."
    figure = Figure(figsize=_SIZE_INCHES, dpi=80, layout="constrained")  # no window, no state
    axes = figure.subplots()
    draw(axes)
    axes.set_title(title, loc="left", fontsize=11)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.tick_params(axis="x", labelsize=8)
    if isinstance(subjects[0], date):
        axes.xaxis.set_tick_params(rotation=30)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper right")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return f"![{title}](data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()})"
