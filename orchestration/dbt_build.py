"""`dbt build` in this process, node by node: what ran, what it took, what failed.

Uses dbt's own programmatic entry (https://docs.getdbt.com/reference/programmatic-invocations). In
process rather than as a command, because a step is forked with dbt imported already: of the 19 s
that the command took for a small shop, 11 went into starting Python three times.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from orchestration import dbt
from orchestration.context import one_line
from orchestration.home import Home
from orchestration.masking import masked
from orchestration.settings import Settings
from reverse_etl.ledger import Ledger
from vendor_http import LoyaltyError

_SHOWN_FAILURES = 3


@dataclass(frozen=True)
class NodeResult:
    """One model, seed, snapshot or test of a build.

    `status` is dbt's: success, pass, warn, fail, error, skipped. `failures`: rows a test found.
    """

    unique_id: str
    name: str
    status: str
    seconds: float
    failures: int
    message: str

    @property
    def is_test(self) -> bool:
        """Whether this is a data test."""
        return self.unique_id.startswith("test.")


def build(
    home: Home,
    settings: Settings,
    now: datetime,
    select: Sequence[str],
    say: Callable[[str], None],
    *,
    is_apart: bool = False,
) -> list[NodeResult]:
    """Build and test, with the deliveries so far at hand; the caller holds the writer's slot.

    Args:
        select: dbt selectors; empty = everything.
        say: told about progress.
        is_apart: run only tests that ask about the selection and what it is made from; what is made
            from the selection is of an earlier build, and comparing it would prove nothing.

    Raises:
        LoyaltyError: dbt could not begin (the project does not parse, the profile is broken).
    """
    dbt.export_environment(home)
    load_deliveries(home)
    # The clock travels beside --vars: another value there would make dbt parse everything anew.
    os.environ["LOYALTY_BUILD_NOW"] = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    arguments = [
        # An exposure is nothing to build, but dbt would count it.
        *("build", "--exclude-resource-types", "unit_test", "exposure"),
        *("--project-dir", str(dbt.PROJECT_FOLDER), "--profiles-dir", str(dbt.PROJECT_FOLDER)),
        *("--target-path", str(_target(home))),
        *("--vars", orjson.dumps(dbt.variables(settings)).decode()),
    ]
    if select:
        arguments += ["--select", *select]
    if is_apart:
        arguments += ["--indirect-selection", "buildable"]
    try:
        answer = dbtRunner(callbacks=[_Progress(say)]).invoke(arguments)
    finally:
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if answer.exception is not None:
        raise LoyaltyError(f"dbt could not begin: {masked(one_line(answer.exception))}")
    return _results(answer)


def _target(home: Home) -> Path:
    """Where dbt keeps what it parsed; forgotten when the project lies elsewhere than it did then.

    What was parsed names the project's files by their old place, and dbt does not look again: after
    an upgrade into another folder it would miss the seeds.
    """
    target = home.dbt / "build"
    target.mkdir(parents=True, exist_ok=True)
    place = target / "project_folder"
    if not place.exists() or place.read_text() != str(dbt.PROJECT_FOLDER):
        (target / "partial_parse.msgpack").unlink(missing_ok=True)
        place.write_text(str(dbt.PROJECT_FOLDER))
    return target


def load_deliveries(home: Home) -> None:
    """The dbt source `sync`: the ledger's record; empty tables before anything was sent."""
    with duckdb.connect(str(home.warehouse)) as connection:
        Ledger(home.ledger).export(connection, "sync")


def count_rows(home: Home) -> dict[tuple[str, str], int]:
    """Rows by (schema, table) of the warehouse; the caller holds the writer's slot."""
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        found = connection.execute("select schema_name, table_name from duckdb_tables()")
        counts = {}
        for schema, table in found.fetchall():
            count = connection.execute(f'select count(*) from "{schema}"."{table}"').fetchone()
            counts[schema, table] = int(count[0]) if count else 0
        return counts


def explain_failures(results: Sequence[NodeResult]) -> str | None:
    """One line for people about what stopped a build; None when nothing did."""
    failed = [result for result in results if result.status in ("fail", "error", "runtime error")]
    if not failed:
        return None
    shown = "; ".join(
        f"{result.name} ({f'{result.failures:,} rows' if result.is_test else result.message})"
        for result in failed[:_SHOWN_FAILURES]
    )
    more = f"; and {len(failed) - _SHOWN_FAILURES} more" if len(failed) > _SHOWN_FAILURES else ""
    return (
        f"{len(failed)} models or tests failed: {shown}{more}. Nothing was published: readers keep "
        "the last good tables, and nothing is sent"
    )


class _Progress:
    """Says how far dbt is, from its own "n of m" events."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, event: Any) -> None:
        if event.info.name == "LogStartLine":
            self._say(f"{event.data.index} of {event.data.total} models and tests")


def _results(answer: dbtRunnerResult) -> list[NodeResult]:
    return [
        NodeResult(
            unique_id=str(result.node.unique_id),
            name=str(result.node.name),
            status=str(result.status),
            seconds=float(result.execution_time),
            failures=int(result.failures or 0),
            message=masked(str(result.message or "")),
        )
        for result in getattr(answer.result, "results", [])
    ]
