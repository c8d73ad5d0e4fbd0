"""What is measured, one destination after the other: each sync in a fresh process."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.activate import floor, population, vendors
from benchmarks.extract.processes import ROOT, measure

DRT = ROOT / ".venv" / "drt"
DAYS = (
    ("first push", "first"),
    ("again, unchanged", "first"),
    ("1 % changed, values", "values"),
    ("1 % changed, mixed", "mixed"),
)


@dataclass(frozen=True)
class Figures:
    """One sync: what it said of itself, what the vendor counted, and the least of it."""

    destination: str
    case: str
    run: dict[str, Any]
    counts: dict[str, int]
    vendor_cpu: float
    least_requests: int
    bound_requests: int

    @property
    def delivering_seconds(self) -> float:
        """From the end of planning to the last acknowledgement."""
        return float(self.run["acknowledged_after"] - self.run["planned_after"])

    @property
    def written_requests(self) -> int:
        """Requests that write."""
        names = ("submit", "profile-import", "profile", "rule", "untag")
        return sum(self.counts.get(name, 0) for name in names)

    @property
    def bulk_requests(self) -> int:
        """Requests that write many."""
        return self.counts.get("submit", 0) + self.counts.get("rule", 0)


def delivered(destination: str, rows: int, folder: Path, base_url: str) -> Iterator[Figures]:
    """The four syncs of one destination, in order, over one ledger."""
    published = folder / "published.duckdb"
    for day, (case, shape) in enumerate(DAYS):
        population.publish(published, rows, shape)
        _ask(base_url, "reset")
        before = _ask(base_url, "report")["cpu"]
        run = measure(
            "benchmarks.activate.delivery_run", destination=destination, base_url=base_url,
            published=published, ledger=folder / f"{destination}.duckdb", day=day,
        )  # fmt: skip
        after = _ask(base_url, "report")
        if after["faults"]:
            raise SystemExit(f"{destination}, {case}: {after['faults']}")
        least, bound = _least(destination, case, published, after["counts"], run)
        yield Figures(destination, case, run, after["counts"], after["cpu"] - before, least, bound)


def drt(rows: int, folder: Path, base_url: str) -> dict[str, Any]:
    """drt-core over the first rows of the same population, at the same vendor."""
    published, records = folder / "drt.duckdb", folder / "drt.json"
    population.publish(published, rows)
    model = population.MODELS["klaviyo"]
    with duckdb.connect(str(published), read_only=True) as db:
        found = db.execute(
            f"select to_json(list(m)) from (select * exclude (may_create_profile) "
            f"from activation.{model}) as m"
        ).fetchone()
    records.write_text(str(found[0]) if found else "[]")
    _ask(base_url, "reset")
    done = subprocess.run(
        [
            sys.executable, "-I", "-W", "ignore", str(Path(__file__).with_name("drt_run.py")),
            "--packages", str(DRT), "--base-url", base_url, "--records", str(records),
        ],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"drt failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "counts": _ask(base_url, "report")["counts"]}


def _least(
    destination: str, case: str, published: Path, counts: dict[str, int], run: dict[str, Any]
) -> tuple[int, int]:
    """Least bulk requests, and the bound that also holds for tags (Rule's first push)."""
    planned = int(run["planned"])
    if not planned:
        return 0, 0
    if destination == "klaviyo":
        singles = counts.get("profile-import", 0)
        least = floor.bulk_jobs(planned - singles, counts["bytes"])
        return least, least
    least = -(-planned // vendors.RULE_ROWS)
    if case != DAYS[0][0]:
        return least, least
    with duckdb.connect(str(published), read_only=True) as db:
        sets = db.execute("select tags, count(*) from activation.members group by all").fetchall()
    return least, round(floor.upserts({frozenset(tags): count for tags, count in sets}))


def _ask(base_url: str, what: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{base_url}/_bench/{what}", timeout=60) as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.loads(answer.read())
    return found
