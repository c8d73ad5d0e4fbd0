"""Records per second, HTTP to merged in DuckDB: this product's Smile extract against dlt's default.

    python -m benchmarks.extract_speed --runs 5

Both read the same pages of points transactions from the sandbox, which runs in a process of its own
with its request limits scaled away, and merge them on their id into a new DuckDB file. Each run is
a fresh process that first does the same for the few earning rules, unmeasured, so that the figures
are of reading and loading and not of importing. The contestants take turns, so that a busy machine
harms all of them. `http` only fetches and parses the pages: what nobody can be faster than.

dlt's default is its `rest_api` source with nothing configured but the endpoint, the paginator, the
key and the write disposition.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "extract_speed.md"
CONTESTANTS = ("ours", "dlt_default", "http")
TITLES = {
    "ours": "this product (Arrow, Parquet, merge)",
    "dlt_default": "dlt `rest_api`, default settings",
    "http": "HTTP and JSON alone",
}
_MEASURED, _WARM_UP = "points_transactions", "earning_rules"
_LIMITS_SCALE = 1_000_000
_START_SECONDS = 180.0


def main() -> None:
    """Run the contestants in turn and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--customers", type=int, default=23_570)
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--key", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        run = {"ours": run_ours, "dlt_default": run_dlt_default, "http": run_http}
        seconds, rows = 0.0, 0
        for table in (_WARM_UP, _MEASURED):
            with tempfile.TemporaryDirectory() as folder:
                seconds, rows = run[options.contestant](
                    options.base_url, options.key, table, Path(folder)
                )
        print(json.dumps({"seconds": seconds, "rows": rows}))
        return
    measured: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    rows = 0
    with sandbox(options.customers) as environment:
        for number in range(options.runs + 1):
            for name in CONTESTANTS:
                result = measure(name, environment)
                rows = result["rows"]
                if number:  # the first round warms file caches and the sandbox's pages
                    measured[name].append(rows / result["seconds"])
                    print(f"run {number} {name}: {rows / result['seconds']:,.0f} records/s")
    table = report(measured, rows, options)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(table)
    print(table)


def run_ours(base_url: str, key: str, table: str, folder: Path) -> tuple[float, int]:
    """The product's own path, with one resource of the source."""
    from dlt_sources import smile
    from dlt_sources.pipeline import build_pipeline, extract_and_normalize, load

    begin = time.perf_counter()
    with smile.client(key, base_url, requests_per_second=1_000_000) as client:
        source = smile.smile_source(
            client, program="smile", clock=lambda: datetime.now(UTC), extract_id=time.time_ns()
        )
        pipeline = build_pipeline("smile", folder / "ours.duckdb", folder / "dlt")
        extract_and_normalize(pipeline, source.with_resources(table))
    rows = load(pipeline)[table]
    return time.perf_counter() - begin, rows


def run_dlt_default(base_url: str, key: str, table: str, folder: Path) -> tuple[float, int]:
    """dlt's declarative REST source as its documentation starts it."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder)}
    import dlt
    import duckdb
    from dlt.sources.rest_api import rest_api_source

    begin = time.perf_counter()
    source = rest_api_source(
        {
            "client": {
                "base_url": base_url,
                "auth": {"type": "bearer", "token": key},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "metadata.next_cursor",
                    "cursor_param": "cursor",
                },
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [
                {
                    "name": table,
                    "endpoint": {"path": table, "params": {"limit": 250}},
                }
            ],
        }
    )
    file = folder / "default.duckdb"
    pipeline = dlt.pipeline(
        "default", destination=dlt.destinations.duckdb(str(file)), dataset_name="raw"
    )
    pipeline.run(source)
    seconds = time.perf_counter() - begin
    with duckdb.connect(str(file)) as connection:
        (rows,) = connection.execute(f"select count(*) from raw.{table}").fetchall()
    return seconds, rows[0]


def run_http(base_url: str, key: str, table: str, _folder: Path) -> tuple[float, int]:
    """The pages alone: fetched, parsed, thrown away."""
    from dlt_sources import smile
    from dlt_sources.paging import pages

    (listing,) = [each for each in smile.RESOURCES if each.table.name == table]
    begin = time.perf_counter()
    with smile.client(key, base_url, requests_per_second=1_000_000) as client:
        rows = sum(len(page) for page in pages(client, listing, {}))
    return time.perf_counter() - begin, rows


def measure(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """One run of one contestant in a fresh process."""
    done = subprocess.run(
        [
            sys.executable, "-W", "ignore", "-m", "benchmarks.extract_speed", "--contestant", name,
            "--base-url", environment["SMILE_BASE_URL"], "--key", environment["SMILE_API_KEY"],
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def sandbox(customers: int) -> Iterator[Mapping[str, str]]:
    """The sandbox in its own process; yields its environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable, "-m", "sandbox", "--port", str(port), "--customers", str(customers),
            "--limits-scale", str(_LIMITS_SCALE),
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        environment: dict[str, str] = {}
        while "RULE_BASE_URL" not in environment:
            name, _, value = process.stdout.readline().strip().partition("=")
            environment[name] = value
        wait_for(port, process)
        yield environment
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Until the port answers."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the sandbox did not start; run `python -m sandbox` to see why")


def report(measured: Mapping[str, Sequence[float]], rows: int, options: argparse.Namespace) -> str:
    """The figures as Markdown."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("dlt", "duckdb", "pyarrow", "httpx")
    )
    ratio = statistics.median(measured["ours"]) / statistics.median(measured["dlt_default"])
    lines = [
        "# Extraction: HTTP to merged in DuckDB",
        "",
        f"{rows:,} points transactions of Smile, {options.runs} runs each, taken in turns.",
        "",
        "| path | records/s, min | median | max |",
        "|---|---|---|---|",
        *(
            f"| {TITLES[name]} | {min(rates):,.0f} | {statistics.median(rates):,.0f} "
            f"| {max(rates):,.0f} |"
            for name, rates in measured.items()
        ),
        "",
        f"Ratio of the medians, this product to dlt's default: **{ratio:.1f}**.",
        "",
        f"- Command: `python -m benchmarks.extract_speed --runs {options.runs} "
        f"--customers {options.customers}`",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- Machine: {machine()}",
        f"- Versions: Python {platform.python_version()}, {packages}",
        "- The sandbox ran on the same cores, in its own process, without request limits; load "
        f"average at the end {os.getloadavg()[1]:.1f}.",
        "",
    ]
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores and memory."""
    import psutil

    names = (
        [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        if Path("/proc/cpuinfo").exists()
        else []
    )
    memory = psutil.virtual_memory().total / 2**30
    name = names[0] if names else platform.machine()
    return f"{name}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


if __name__ == "__main__":
    main()
