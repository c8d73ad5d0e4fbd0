"""Part `memory`: what an extraction of millions of transactions holds in memory, and its speed.

For each size a first load into a new file, then a full sweep over the same transactions, each in a
fresh process with the product's defaults.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.extract import report
from benchmarks.extract.processes import measure, server

TITLE = "Memory: millions of transactions"
_BOUND_BYTES = 10**9
_RUNS = (("first load", "daily"), ("full sweep over the same", "full"))
_STEPS = ("reading", "foreseeing", "packing", "loading")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument(
        "--millions", type=float, nargs="+", default=[1, 2, 5], help="transactions (memory)"
    )


def measured(options: argparse.Namespace) -> list[str]:
    """Lines of the report."""
    results = []
    for millions in options.millions:
        rows = int(millions * 1_000_000)
        with (
            server("benchmarks.extract.endless", "--rows", str(rows)) as base_url,
            tempfile.TemporaryDirectory() as home,
        ):
            for title, reach in _RUNS:
                figures = measure(
                    "benchmarks.extract.extraction_run", base_url=base_url, home=home, reach=reach
                )
                assert figures["rows"] == rows, figures
                size = (Path(home) / "warehouse.duckdb").stat().st_size
                results.append({"title": title, "file": size, **figures})
                print(f"memory, {millions} million, {title}: {figures}", flush=True)
    return lines(results)


def lines(results: Sequence[dict[str, Any]]) -> list[str]:
    """The runs as Markdown."""
    worst = max(_peak(figures) for figures in results)
    verdict = "within" if worst <= _BOUND_BYTES else "beyond"
    steps = [f"{step} s (peak MB)" for step in _STEPS]
    return [
        "Synthetic pages of 250 from a server in a process of its own; each run is a fresh process "
        "with the product's defaults. Peak memory is the resident set of the extracting process, "
        "all of it: Python, Arrow and DuckDB.",
        "",
        *report.table(
            ("transactions", "run", "peak MB", "seconds", "records/s", *steps, "file MB"),
            [
                (
                    f"{figures['rows']:,}",
                    figures["title"],
                    f"**{_peak(figures) / 1e6:,.0f}**",
                    f"{_seconds(figures):,.0f}",
                    f"{figures['rows'] / _seconds(figures):,.0f}",
                    *(
                        f"{figures['seconds'][step]:,.1f} ({figures['peaks'][step] / 1e6:,.0f})"
                        for step in _STEPS
                    ),
                    f"{figures['file'] / 1e6:,.0f}",
                )
                for figures in results
            ],
        ),
        "",
        f"- Target: 1,000 MB with five million; the highest peak here is **{worst / 1e6:,.0f} MB**,"
        f" {verdict} it.",
        "- The sweep found all rows unchanged before it merged them again: "
        + ("yes." if all(_is_known(figures) for figures in results) else "no."),
    ]


def _peak(figures: dict[str, Any]) -> int:
    return int(max(*figures["peaks"].values(), figures["children"]))


def _seconds(figures: dict[str, Any]) -> float:
    return float(sum(figures["seconds"].values()))


def _is_known(figures: dict[str, Any]) -> bool:
    expected = "new" if figures["title"] == _RUNS[0][0] else "unchanged"
    return bool(figures[expected] == figures["rows"])
