"""Generate, build and test populations of growing size; write the figures."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.growth.population import NOW, generate

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "growth.md"
SIZES = (100_000, 300_000, 1_000_000)
TARGET_SECONDS, TARGET_GIBIBYTES = 120, 8
_SLOWEST_SHOWN = 8


@dataclass(frozen=True)
class Built:
    """One build: its size, time, memory, and the nodes that took longest."""

    members: int
    ledger_rows: int
    seconds: float
    peak_gibibytes: float
    slowest: Sequence[tuple[str, float]]


def main() -> None:
    """Measure, or (as a child) build."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth")
    parser.add_argument("--members", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        print(json.dumps(build(options.build)))
        return
    results = []
    for members in options.members:
        results.append(measure(members))
        print(f"{members:,} members: {results[-1].seconds:.1f} s", flush=True)
    text = report(results)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    print(text)


def measure(members: int) -> Built:
    """Generate a population, then build it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rows = generate(Path(folder) / "warehouse.duckdb", members)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.growth", "--build", folder],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        return Built(members, rows, told["seconds"], told["peak_gibibytes"], told["slowest"])


def build(folder: Path) -> dict[str, object]:
    """The product's build with all data tests; figures of this process."""
    from orchestration.dbt_build import build as dbt_build
    from orchestration.dbt_build import explain_failures
    from orchestration.home import Home
    from orchestration.settings import load_settings

    home = Home(folder)
    home.prepare()
    moment = datetime.fromisoformat(f"{NOW}+00:00")
    begin = time.perf_counter()
    nodes = dbt_build(home, load_settings(), moment, (), lambda _: None)
    seconds = time.perf_counter() - begin
    if failed := explain_failures(nodes):
        raise SystemExit(failed)
    slowest = sorted(nodes, key=lambda node: -node.seconds)[:_SLOWEST_SHOWN]
    return {
        "seconds": seconds,
        "peak_gibibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "slowest": [(node.name, node.seconds) for node in slowest],
    }


def report(results: Sequence[Built]) -> str:
    """The figures as Markdown."""
    first = results[0]
    lines = [
        "# The whole build with its tests, by size",
        "",
        "20 ledger rows a member, 20 rewards, both programmes; first build of an empty warehouse.",
        "",
        "| members | ledger rows | seconds | seconds per 100,000 members | peak memory, GiB |",
        "|---|---|---|---|---|",
        *(
            f"| {each.members:,} | {each.ledger_rows:,} | {each.seconds:.1f} "
            f"| {each.seconds / each.members * 100_000:.1f} | {each.peak_gibibytes:.1f} |"
            for each in results
        ),
        "",
        f"Target at a million: {TARGET_SECONDS} seconds and {TARGET_GIBIBYTES} GiB on two cores. "
        f"Growth from the smallest to the largest: {results[-1].members / first.members:.0f} times "
        f"the members, {results[-1].seconds / first.seconds:.1f} times the seconds.",
        "",
        f"Slowest of the largest: "
        f"{', '.join(f'`{name}` {seconds:.1f} s' for name, seconds in results[-1].slowest)}.",
        "",
        "- Command: `python -m benchmarks.growth`, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; load average at the end {os.getloadavg()[1]:.1f}",
        f"- Machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, duckdb {version('duckdb')}, "
        f"dbt-core {version('dbt-core')}",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
