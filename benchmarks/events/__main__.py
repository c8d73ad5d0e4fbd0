"""`python -m benchmarks.events`: measure, print, and write the result file.

History is told to the sandbox, which checks, de-duplicates and stores each event, under the
documented limits. Each sync is a fresh process over an empty ledger; the last one is repeated,
which must send nothing.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.activate import floor
from benchmarks.events import population
from benchmarks.extract.processes import ROOT, measure, sandbox
from benchmarks.extract.report import machine, table
from reverse_etl.destinations.klaviyo_events import BULK_BYTES, BULK_EVENTS
from sandbox.control_client import ControlClient
from sandbox.core.limits import Window

RESULTS = ROOT / "benchmarks" / "results" / "events.md"
# https://developers.klaviyo.com/en/reference/bulk_create_events
KLAVIYO = (Window(10, 1), Window(150, 60))
# https://github.com/rulecom/rule-io-sdk, docs/rate-limits.md
RULE = (Window(2_000, 600),)
RULE_ROWS = 1_000
SIZES = (200_000, 200_000, 200_000, 1_000_000)
LARGE_EVENTS, LARGE_PADDING = 50_000, 7_000
RULE_EVENTS = 100_000
TARGET = 0.95


@dataclass(frozen=True)
class Figures:
    """One sync: what it said of itself, and what the vendor counted."""

    destination: str
    case: str
    run: dict[str, Any]
    writes: int
    throttled: int

    @property
    def seconds(self) -> float:
        """From the end of planning to the last answer that was written down."""
        return float(self.run["acknowledged_after"] - self.run["planned_after"])

    @property
    def least(self) -> int:
        """Requests below which no grouping can go."""
        if not self.run["planned"]:
            return 0
        if self.destination == "rule":
            return int(-(-self.run["planned"] // RULE_ROWS))
        by_count = -(-self.run["planned"] // BULK_EVENTS)
        return int(max(by_count, -(-self.run["body_bytes"] // BULK_BYTES)))

    @property
    def ceiling(self) -> float:
        """Events a minute that the documented steady rate carries, at this size of an event."""
        windows = KLAVIYO if self.destination == "klaviyo" else RULE
        return float(self.run["accepted"] / floor.steady_seconds(self.least, windows) * 60)

    @property
    def earliest(self) -> float:
        """Seconds after which the last request may leave at the earliest."""
        return floor.seconds(self.least, KLAVIYO if self.destination == "klaviyo" else RULE)

    @property
    def rate(self) -> float:
        """Events a minute that were accepted."""
        return float(self.run["accepted"] / self.seconds * 60)


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Figures]:
    """One case after the other."""
    cases = [("klaviyo", "history", size, 0) for size in options.events]
    if options.large_events:
        cases.insert(0, ("klaviyo", "large events", options.large_events, LARGE_PADDING))
    if options.rule_events:
        cases.insert(0, ("rule", "history", options.rule_events, 0))
    for number, (destination, case, size, padding) in enumerate(cases):
        published, ledger = folder / "published.duckdb", folder / f"ledger{number}.duckdb"
        population.publish(published, destination, size, padding)
        with sandbox(10, 1) as settings, ControlClient(settings["BASE_URL"]) as control:
            names = [case, "the same again"] if number == len(cases) - 1 else [case]
            for name in names:
                control.reset_requests()
                run = measure(
                    "benchmarks.events.event_run", destination=destination,
                    base_url=settings["BASE_URL"], published=published, ledger=ledger, run_id=name,
                )  # fmt: skip
                counted = control.requests(destination)
                yield Figures(
                    destination, name, run, counted["writes"],
                    counted["statuses"].get("429", 0),
                )  # fmt: skip
        ledger.unlink()


def page(figures: list[Figures], command: str, load_before: float) -> str:
    """The whole result file."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "httpx", "orjson")
    )
    return "\n".join(
        [
            "# Telling history",
            "",
            f"Events of a year, {population.EVENTS_A_PERSON} a person, told as backfill to the "
            "sandbox with the documented limits; it checks, de-duplicates and stores each. Fresh "
            "processes, the product's defaults, an empty ledger each time.",
            "",
            *table(
                (
                    "destination", "case", "events", "plan s", "delivering s", "whole s", "CPU s",
                    "peak MB", "MB sent", "requests", "least", "429", "events a minute",
                    "of the ceiling",
                ),
                [_row(each) for each in figures],
            ),
            "",
            "Delivering: from the end of planning until the last answer is written down. Least: "
            "by 1,000 events and 5 MB a request (Klaviyo), 1,000 people a request (Rule, where "
            "events of one tag and one of each person share a request). Ceiling: what the steady "
            "rate (150 a minute; 2,000 in ten minutes) carries of these events; a burst at the "
            "start may go beyond it.",
            "",
            *_verdicts(figures),
            "",
            f"- Command: `{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- Machine: {machine()}; load average {load_before:.1f} before (others' work), "
            f"{os.getloadavg()[0]:.1f} at the end (sandbox included)",
            f"- Versions: Python {platform.python_version()}, {packages}",
            "",
        ]
    )  # fmt: skip


def _row(each: Figures) -> tuple[str, ...]:
    run = each.run
    is_sent, weighed = bool(run["accepted"]), run["body_bytes"]
    return (
        each.destination, each.case, f"{run['accepted']:,}", f"{run['plan_seconds']:.1f}",
        f"{each.seconds:.1f}", f"{run['seconds']:.1f}", f"{run['cpu']:.1f}",
        f"{run['peak_bytes'] / 1e6:,.0f}", f"{weighed / 1e6:,.0f}" if weighed else "",
        f"{each.writes:,}", f"{each.least:,}", f"{each.throttled:,}",
        f"{each.rate:,.0f}" if is_sent else "",
        f"{each.rate / each.ceiling:.0%}" if is_sent else "",
    )  # fmt: skip


def _verdicts(figures: list[Figures]) -> list[str]:
    runs = [each for each in figures if (each.destination, each.case) == ("klaviyo", "history")]
    if not runs:
        return []
    share = statistics.median(each.rate / each.ceiling for each in runs)
    largest = max(runs, key=lambda each: each.run["accepted"])
    own = largest.rate / largest.ceiling
    pace = statistics.median(each.earliest / each.seconds for each in runs)
    verdict = "met" if min(share, own) >= TARGET else "missed"
    return [
        f"- Klaviyo's history: **{own:.0%}** of the ceiling with {largest.run['accepted']:,} "
        f"events, {share:.0%} in the median of {len(runs)} runs (target: {TARGET:.0%}, {verdict}).",
        f"- Against the very earliest moment at which both windows let the last request leave "
        f"({largest.earliest:.0f} s for the largest): {largest.earliest / largest.seconds:.0%} of "
        f"that pace with the largest, {pace:.0%} in the median.",
    ]


def main() -> None:
    """Run the cases and write what they showed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=list(SIZES), help="one run each")
    parser.add_argument("--large-events", type=int, default=LARGE_EVENTS, help="0 = none")
    parser.add_argument("--rule-events", type=int, default=RULE_EVENTS, help="0 = none")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for each in measured(options, Path(folder)):
            figures.append(each)
            print(" | ".join(_row(each)), flush=True)
    command = " ".join(["python -m benchmarks.events", *sys.argv[1:]])
    text = page(figures, command, load_before)
    print(f"\n{text}")
    if max(options.events) >= max(SIZES) and options.large_events and options.rule_events:
        RESULTS.write_text(text)
        print(f"written: {RESULTS}")
    else:
        print("not written: that takes a million events, large ones and Rule's")


if __name__ == "__main__":
    main()
