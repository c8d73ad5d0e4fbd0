"""The figures as Markdown."""

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.activate import floor, vendors
from benchmarks.activate.cases import DAYS, Figures
from benchmarks.extract.report import machine, table

RESULTS = Path(__file__).resolve().parents[1] / "results" / "activate.md"
_WINDOWS = {"klaviyo": vendors.KLAVIYO_BULK, "rule": vendors.RULE}


def line(found: Figures) -> str:
    """One sync in one line, while the others still run."""
    run = found.run
    return (
        f"{found.destination}, {found.case}: {run['accepted']:,} of {run['planned']:,} in "
        f"{run['seconds']:.1f} s ({run['cpu']:.1f} CPU s), peak {run['peak_bytes'] / 1e6:,.0f} MB, "
        f"{dict(found.counts)}"
    )


def document(
    figures: Sequence[Figures],
    rival: Mapping[str, Any] | None,
    options: argparse.Namespace,
    command: str,
    load_before: float,
) -> str:
    """The whole result file."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "httpx", "orjson")
    )
    return "\n".join(
        [
            "# Delivery",
            "",
            f"{options.rows:,} members, 24 properties each; the vendors are simulated in a process "
            "of their own, with the documented limits kept exactly, an import job taking "
            f"{options.processing_seconds:g} s and each answer {options.latency_seconds:g} s. They "
            "count and store nothing: the sandbox, which checks every profile, is where "
            "correctness is tested. Each sync is a fresh process with the product's defaults.",
            "",
            *table(
                (
                    "destination", "case", "rows sent", "plan s", "delivering s", "whole s",
                    "CPU s (vendors')", "peak MB", "write requests", "reads", "429",
                ),
                [_row(found) for found in figures],
            ),
            "",
            "Delivering: from the end of planning until the last row is acknowledged and written "
            "down. Whole: planning, delivering and folding the answers into the ledger.",
            "",
            *_pushes([found for found in figures if found.case == DAYS[0][0]], rival),
            "",
            f"- Command: `{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- Machine: {machine()}; load average {load_before:.1f} before (others' work), "
            f"{os.getloadavg()[0]:.1f} at the end (servers included)",
            f"- Versions: Python {platform.python_version()}, {packages}",
            "",
        ]
    )  # fmt: skip


def _row(found: Figures) -> tuple[str, ...]:
    run, counts = found.run, found.counts
    singles = found.written_requests - found.bulk_requests
    writes = f"{found.bulk_requests:,}" + (f" + {singles:,} single" if singles else "")
    return (
        found.destination,
        found.case,
        f"{run['accepted']:,}",
        f"{run['plan_seconds']:.1f}",
        f"{found.delivering_seconds:.1f}",
        f"{run['seconds']:.1f}",
        f"{run['cpu']:.1f} ({found.vendor_cpu:.1f})",
        f"{run['peak_bytes'] / 1e6:,.0f}",
        writes,
        f"{counts.get('job', 0) + counts.get('jobs', 0) + counts.get('import-errors', 0):,}",
        f"{counts.get('429', 0):,}",
    )


def _pushes(pushes: Sequence[Figures], rival: Mapping[str, Any] | None) -> list[str]:
    """The first pushes against what the limits leave, and drt-core beside them."""
    lines = []
    for found in pushes:
        windows = _WINDOWS[found.destination]
        least = found.bound_requests
        pace = floor.steady_seconds(found.least_requests, windows)
        rows = found.run["accepted"]
        seconds = found.delivering_seconds
        rate = rows / seconds * 60
        lines.append(
            f"- **{found.destination}**: {rate:,.0f} rows a minute; its documented rate carries "
            f"{rows / pace * 60:,.0f} of these rows, so **{pace / seconds:.0%}** of the ceiling. "
            f"{found.bulk_requests:,} bulk requests, {found.bulk_requests / least - 1:+.1%} "
            f"against {least:,}, below which no grouping can go. These windows let that many "
            f"leave within {floor.seconds(least, windows):.0f} s at the earliest."
        )
    ours = next((found for found in pushes if found.destination == "klaviyo"), None)
    if rival and ours:
        theirs = rival["rows"] / rival["seconds"] * 60
        mine = ours.run["accepted"] / ours.delivering_seconds * 60
        lines.append(
            f"- **drt-core 1.2.1** with its own Klaviyo destination, one request a profile: "
            f"{rival['rows']:,} new profiles in {rival['seconds']:.0f} s, {theirs:,.0f} a minute "
            f"({rival['failed']} failed, {rival['counts'].get('429', 0)} times 429). This product "
            f"sends **{mine / theirs:,.0f} times** as many a minute under the same limits."
        )
    return lines
