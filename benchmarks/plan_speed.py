"""Time to plan a sync: 1 million desired rows against 1 million ledger rows, 24 properties.

    python benchmarks/plan_speed.py [--rows 1000000] [--runs 3]

Three cases: nothing changed, 1 % changed, and everything new (empty ledger). Writes
`benchmarks/results/plan_speed.md`. Target: under 5 seconds on two cores for the first two.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from reverse_etl.declarations import Property, SyncSpec
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.plan import plan_sync

RESULT = Path(__file__).parent / "results" / "plan_speed.md"
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
TARGET_SECONDS = 5.0
COLUMNS = {
    "number": ("bigint", "cast(i % 5000 as bigint)"),
    "string": ("varchar", "'value ' || (i % 977)"),
    "boolean": ("boolean", "i % 2 = 0"),
    "datetime": ("timestamp", "timestamp '2026-01-01' + to_seconds(i % 9000000)"),
    "list": ("varchar[]", "['reward ' || (i % 7), 'reward ' || (i % 11)]"),
}
# As the common and vendor-named properties of Klaviyo: 24 in all, mostly numbers and short texts.
KINDS = ["number"] * 9 + ["string"] * 9 + ["boolean"] * 2 + ["datetime"] * 3 + ["list"]


def spec() -> SyncSpec:
    """24 properties of the kinds that are pushed."""
    properties = tuple(
        Property(f"p{index:02}", f"Loyalty Property {index:02}", kind, "common")
        for index, kind in enumerate(KINDS)
    )
    return SyncSpec(
        "sync_klaviyo__profiles", "klaviyo", "profiles", "activation", "sync_klaviyo__profiles",
        "email", properties,
    )  # fmt: skip


def publish(path: Path, rows: int, changed_share: float) -> None:
    """A published file whose first share of rows differs from what was accepted."""
    columns = ", ".join(
        f"{_expression(kind, index)} as p{index:02}" for index, kind in enumerate(KINDS)
    )
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as db:
        db.execute("create schema activation")
        db.execute(
            f"""
            create table activation.sync_klaviyo__profiles as
            select 'member.' || i || '@shop' || (i % 9) || '.se' as email,
                true as may_create_profile, {columns}
            from (select range as i, case when range < {int(rows * changed_share)} then 1 else 0
                end as shift from range({rows}))
            """
        )


def _expression(kind: str, index: int) -> str:
    """SQL of a column; every sixth one differs in the changed rows."""
    sql = COLUMNS[kind][1]
    return sql.replace("i %", "(i + shift) %") if index % 6 == 0 else sql


def accept_all(published: Path, ledger: Ledger, wanted: SyncSpec) -> None:
    """Fill the ledger as if the vendor had accepted the published file."""
    with plan_sync(published, ledger, wanted, NOW, "fill") as plan:
        table = plan._arrow("email, operation, patch, payload_hash, attempt_count from planned")
    scope = Scope("klaviyo", "profiles")
    ledger.record_sent(scope, "fill", NOW, table)
    with ledger.open() as db:
        db.execute("update deliveries set state = 'accepted', settled_at = sent_at")
    ledger.fold(scope, NOW)


def measure(
    published: Path, ledger: Ledger, wanted: SyncSpec, runs: int
) -> tuple[list[float], float, str]:
    """Seconds of each run, least CPU seconds of a run, and the counts of the last."""
    seconds, busy, counts = [], [], ""
    for run in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        with plan_sync(published, ledger, wanted, NOW, f"run{run}") as plan:
            seconds.append(time.perf_counter() - started)
            busy.append(time.process_time() - worked)
            counts = ", ".join(f"{name} {count:,}" for name, count in plan.counts.items() if count)
    return seconds, min(busy), counts


def main() -> None:
    """Measure the three cases and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    wanted = spec()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        published = Path(folder) / "loyalty.duckdb"
        full, empty = Ledger(Path(folder) / "full.duckdb"), Ledger(Path(folder) / "empty.duckdb")
        publish(published, options.rows, 0.0)
        accept_all(published, full, wanted)
        for name, share, ledger in (
            ("nothing changed", 0.0, full),
            ("1 % changed", 0.01, full),
            ("everything new (empty ledger)", 0.0, empty),
        ):
            publish(published, options.rows, share)
            seconds, busy, counts = measure(published, ledger, wanted, options.runs)
            best, middle, worst = min(seconds), statistics.median(seconds), max(seconds)
            lines.append(
                f"| {name} | {best:.2f} | {middle:.2f} | {worst:.2f} | {busy:.2f} | {counts} |"
            )
            print(lines[-1])
    head = (
        "# Planning a sync\n\n"
        f"{options.rows:,} desired rows, 24 properties, {options.runs} runs each; "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}, "
        f"{datetime.now(UTC):%Y-%m-%d}. Command: `python benchmarks/plan_speed.py`. "
        f"Load average during the runs: {os.getloadavg()[1]:.1f}. "
        f"Target: under {TARGET_SECONDS:.0f} s for the first two.\n\n"
        "| case | best s | median s | worst s | CPU s | plan |\n|---|---|---|---|---|---|\n"
    )
    if options.rows >= 1_000_000:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(head + "\n".join(lines) + "\n")
    print(f"written: {RESULT}" if options.rows >= 1_000_000 else "not written: fewer than 1 M rows")


if __name__ == "__main__":
    main()
