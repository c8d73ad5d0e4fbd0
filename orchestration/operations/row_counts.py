"""Has a table lost rows since it was last published? Asked before the next publication.

The extraction refuses a list that came back too short; this sees what is lost later: a join that
drops members, a model that filters too much, a raw table that somebody deleted.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from orchestration.home import Home
from orchestration.slot import writer_slot

_log = logging.getLogger(__name__)

# What is counted of each table. The deleted stay in dim_members, so members are counted who are
# none; rows of the others stay for ever.
COUNTED = {
    "dim_members": "membership = 'member' and not is_deleted",
    "dim_rewards": "true",
    "dim_tiers": "true",
    "fct_points_transactions": "true",
    "fct_coupons": "true",
}
LEAST_ROWS = 20  # of fewer rows a share says nothing, unless all are gone


@dataclass(frozen=True)
class Loss:
    """A table of one programme that has fewer rows than were published."""

    table: str
    program: str
    before: int
    after: int

    @property
    def share(self) -> float:
        """Share of the rows that are gone."""
        return (self.before - self.after) / self.before

    def __str__(self) -> str:
        return (
            f"marts.{self.table} of {self.program} has {self.after:,} rows, {self.before:,} are "
            "published"
        )


def losses(home: Home, tolerated: float, say: Callable[[str], None] = _log.info) -> list[Loss]:
    """Tables that lost more than a share of a programme's rows; none before the first publication.

    Args:
        tolerated: LOYALTY_ROWS_LOST; 1 = whatever is lost.
        say: told whom it waits for.
    """
    if not home.audited.exists():
        return []
    with writer_slot(home, say=say) as warehouse:
        if not warehouse.exists():
            return []
        with duckdb.connect() as connection:
            connection.execute(f"attach '{_quoted(warehouse)}' as built (read_only)")
            connection.execute(f"attach '{_quoted(home.audited)}' as audited (read_only)")
            found = [
                Loss(table, program, before, after.get(program, 0))
                for table, condition in COUNTED.items()
                for after in [_counts(connection, "built", table, condition)]
                for program, before in _counts(connection, "audited", table, condition).items()
            ]
    return [
        loss
        for loss in found
        if loss.share > tolerated and (loss.before >= LEAST_ROWS or loss.after == 0)
    ]


def in_words(found: list[Loss]) -> str | None:
    """What to tell an operator; None when nothing is lost."""
    if not found:
        return None
    return (
        f"{'; '.join(map(str, found))}. Nothing was published: readers keep the last good tables, "
        "and nothing is sent. If it is true, run once with LOYALTY_ROWS_LOST=1"
    )


def _counts(
    connection: duckdb.DuckDBPyConnection, database: str, table: str, condition: str
) -> dict[str, int]:
    try:
        rows = connection.execute(
            f"select program, count(*) from {database}.marts.{table} where {condition} group by all"
        ).fetchall()
    except duckdb.CatalogException:  # not built, or an earlier release
        return {}
    return {str(program): int(count) for program, count in rows if count}


def _quoted(path: object) -> str:
    return str(path).replace("'", "''")
