"""Part `speed`: records per second from HTTP to merged in DuckDB.

The contestants take turns, so that a busy machine harms all of them, and ratios are of medians.
`http` alone is what nobody can be faster than who asks the sandbox page by page; DuckDB over saved
pages is what remains when fetching, typing, durability and merging are left out.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.extract import report
from benchmarks.extract.contestants import CONTESTANTS, MEASURED
from benchmarks.extract.processes import NO_LIMITS, measure, sandbox

TITLE = "Speed: HTTP to merged in DuckDB"
_TITLES = {
    "ours": "this product, from the first request to merged",
    "dlt_default": "dlt `rest_api`, default settings, the same",
    "http": "HTTP and JSON alone: the sandbox's own speed",
    "duckdb_pages": "DuckDB reading the raw pages from a file",
}
_TARGET_PER_SECOND, _TARGET_RATIO = 30_000, 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument("--runs", type=int, default=5, help="of each contestant (speed)")
    parser.add_argument("--customers", type=int, default=23_570, help="of the sandbox (speed)")


def measured(options: argparse.Namespace) -> list[str]:
    """Lines of the report."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    with sandbox(options.customers, NO_LIMITS) as settings, tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages.ndjson"
        save_pages(settings, pages)
        for number in range(options.runs + 1):
            for name in CONTESTANTS:
                figures = measure(
                    "benchmarks.extract.contestants",
                    contestant=name,
                    base_url=settings["SMILE_BASE_URL"],
                    key=settings["SMILE_API_KEY"],
                    pages=pages,
                )
                if number:  # the first round warms file caches and the sandbox's pages
                    results[name].append(figures)
                    rate = figures["rows"] / figures["seconds"]
                    print(f"speed, run {number}, {name}: {rate:,.0f} records/s", flush=True)
    return lines(results, options.runs)


def save_pages(settings: Mapping[str, str], file: Path) -> None:
    """Every page of the measured listing as it comes, one a line."""
    headers = {"Authorization": f"Bearer {settings['SMILE_API_KEY']}"}
    with (
        httpx.Client(base_url=settings["SMILE_BASE_URL"], headers=headers) as client,
        file.open("wb") as kept,
    ):
        parameters = {"limit": "250"}
        while True:
            answer = client.get(f"/{MEASURED}", params=parameters).raise_for_status()
            kept.write(answer.content + b"\n")
            cursor = answer.json()["metadata"]["next_cursor"]
            if not cursor:
                return
            parameters["cursor"] = cursor


def lines(results: Mapping[str, Sequence[Mapping[str, Any]]], runs: int) -> list[str]:
    """The comparison as Markdown."""
    rates = {
        name: [figures["rows"] / figures["seconds"] for figures in found]
        for name, found in results.items()
    }
    middle = {name: statistics.median(found) for name, found in rates.items()}
    (rows,) = {figures["rows"] for found in results.values() for figures in found}
    times = middle["ours"] / middle["dlt_default"]
    steps: dict[str, list[float]] = {}
    for figures in results["ours"]:
        for step, seconds in figures["steps"].items():
            steps.setdefault(step, []).append(seconds)
    parts = ", ".join(f"{name} {statistics.median(found):.2f} s" for name, found in steps.items())
    return [
        f"{rows:,} points transactions of Smile, {runs} runs each, taken in turns, each in a fresh "
        "process; the sandbox in a process of its own on the same cores, without limits.",
        "",
        *report.table(
            ("path", "records/s, min", "median", "max", "this product, times that"),
            [
                (
                    _TITLES[name],
                    f"{min(found):,.0f}",
                    f"{middle[name]:,.0f}",
                    f"{max(found):,.0f}",
                    "" if name == "ours" else f"{middle['ours'] / middle[name]:.2f}",
                )
                for name, found in rates.items()
            ],
        ),
        "",
        f"- Target: {_TARGET_PER_SECOND:,} records/s, here **{middle['ours']:,.0f}**; "
        f"{_TARGET_RATIO} times dlt's default, here **{times:.1f} times**.",
        f"- Median seconds of the product's steps: {parts}.",
    ]
