"""Measures the receiver and the load of what it took, and writes results/webhooks.md.

    python -m benchmarks.webhooks [--seconds 60] [--rate 200] [--flood 20000]

The sender is this process, the receiver another one: `loyalty webhooks` as people start it. At the
steady rate deliveries leave at fixed moments whether or not earlier ones are answered, and latency
counts from the moment at which a delivery was due, so that waiting senders hide no stall.
"""

import argparse
import asyncio
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.webhooks.sender import Connection, Receiver, body, free_port

RESULTS = Path(__file__).parents[1] / "results" / "webhooks.md"
TARGET_MS = 50.0
FLOOD_CONNECTIONS = 64
# A steady rate needs rate x latency connections; more, so that a stall does not hold the next.
STEADY_CONNECTIONS = 64


@dataclass(frozen=True)
class Steady:
    """Deliveries at a fixed rate.

    Attributes:
        milliseconds: from the moment at which each was due to its answer.
        late_milliseconds: how late the sender itself was, for want of a core: its share of these.
        cpu_share: of one core, used by the receiver.
    """

    milliseconds: Sequence[float]
    late_milliseconds: Sequence[float]
    seconds: float
    cpu_share: float
    memory_mib: float


def percentile(values: Sequence[float], percent: float) -> float:
    """What so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def steady(
    port: int, rate: int, seconds: float, first: int
) -> tuple[list[float], list[float], float]:
    """Deliver at a fixed rate; latency and own lateness of each, and how long it took."""
    connections: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(STEADY_CONNECTIONS):
        connections.put_nowait(Connection(port))
    latencies: list[float] = []
    late: list[float] = []

    async def deliver(number: int, due: float) -> None:
        connection = await connections.get()
        late.append((time.perf_counter() - due) * 1000)
        assert await connection.post(body(number)) == 200
        latencies.append((time.perf_counter() - due) * 1000)
        connections.put_nowait(connection)

    tasks = []
    start = time.perf_counter()
    for index in range(int(rate * seconds)):
        due = start + index / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(deliver(first + index, due)))
    await asyncio.gather(*tasks)
    took = time.perf_counter() - start
    while not connections.empty():
        await connections.get_nowait().close()
    return latencies, late, took


async def flood(port: int, count: int, first: int) -> float:
    """Deliver as quickly as it is taken; seconds."""
    numbers = iter(range(first, first + count))

    async def send(numbers: Iterator[int]) -> None:
        connection = Connection(port)
        for number in numbers:
            assert await connection.post(body(number)) == 200
        await connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(send(numbers) for _ in range(FLOOD_CONNECTIONS)))
    return time.perf_counter() - start


def fsync_ms(folder: Path) -> float:
    """What one sync of 4 KiB costs on this disk, median of 50: nobody answers sooner."""
    times = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def load(home: Path) -> tuple[int, float]:
    """Rows and seconds of loading everything that came."""
    os.environ["LOYALTY_HOME"] = str(home)
    from orchestration.home import Home
    from orchestration.inbox import load_inbox
    from orchestration.programs import Program
    from orchestration.settings import load_settings

    start = time.perf_counter()
    place = Home(home)
    place.prepare()
    done = load_inbox(
        Program("yotpo", "yotpo"), load_settings(), place, datetime.now(UTC), lambda _text: None
    )
    return done.rows, time.perf_counter() - start


def measure(seconds: float, rate: int, count: int) -> str:
    """Run everything; the page of results."""
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        disk = fsync_ms(home)
        receiver = Receiver(home, free_port())
        try:
            process = psutil.Process(receiver.process.pid)
            asyncio.run(steady(receiver.port, rate, 2, 10**9))  # the first seconds warm it up
            used = process.cpu_times()
            latencies, late, took = asyncio.run(steady(receiver.port, rate, seconds, 0))
            now = process.cpu_times()
            cpu = (now.user + now.system - used.user - used.system) / took
            calm = Steady(latencies, late, took, cpu, process.memory_info().rss / 2**20)
            flood_seconds = asyncio.run(flood(receiver.port, count, 10**7))
            memory = process.memory_info().rss / 2**20
        finally:
            code = receiver.stop()
        assert code == 0
        rows, loading = load(home)
        assert rows == len(latencies) + count + 2 * rate
    return _page(calm, rate, disk, count, flood_seconds, memory, rows, loading, busy)


def _page(
    calm: Steady,
    rate: int,
    disk: float,
    count: int,
    flood_seconds: float,
    memory: float,
    rows: int,
    loading: float,
    busy: float,
) -> str:
    p99 = percentile(calm.milliseconds, 99)
    verdict = "met" if p99 < TARGET_MS else "missed"
    late = sum(each >= TARGET_MS for each in calm.milliseconds)
    size = len(body(1))
    cores = psutil.cpu_count()
    lines = [
        "# Webhooks",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cores} cores, {platform.system()}, Python "
        f"{platform.python_version()}; bodies of {size:,} bytes; sender and receiver share the "
        f"cores with whatever else runs (load average {busy:.1f} before). Made by "
        "`python -m benchmarks.webhooks`.",
        "",
        f"| at {rate} deliveries a second for {calm.seconds:.0f} s | |",
        "|---|---|",
        f"| answered, all 200 | {len(calm.milliseconds):,} |",
        f"| p50 | {percentile(calm.milliseconds, 50):.1f} ms |",
        f"| p99 | {p99:.1f} ms (target: under {TARGET_MS:.0f}, {verdict}) |",
        f"| p99.9 | {percentile(calm.milliseconds, 99.9):.1f} ms |",
        f"| longest | {max(calm.milliseconds):.1f} ms; {late:,} of {TARGET_MS:.0f} ms or more |",
        f"| of that the sender itself was late | p99 "
        f"{percentile(calm.late_milliseconds, 99):.1f} ms |",
        f"| receiver | {calm.cpu_share:.0%} of a core, {calm.memory_mib:.0f} MiB |",
        f"| one sync of 4 KiB on this disk | {disk:.1f} ms |",
        "",
        "| as quickly as they are taken | |",
        "|---|---|",
        f"| {count:,} deliveries over {FLOOD_CONNECTIONS} connections | {flood_seconds:.1f} s, "
        f"{count / flood_seconds:,.0f} a second |",
        f"| memory of the receiver afterwards | {memory:.0f} MiB |",
        "",
        "| loading them | |",
        "|---|---|",
        f"| {rows:,} deliveries into DuckDB, dlt's start included | {loading:.1f} s, "
        f"{rows / loading:,.0f} a second |",
        f"| peak memory of the load, sender included | {_peak_mib():.0f} MiB |",
        "",
    ]
    return "\n".join(lines)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--flood", type=int, default=20_000)
    given = parser.parse_args()
    page = measure(given.seconds, given.rate, given.flood)
    if (given.seconds, given.rate, given.flood) == (60.0, 200, 20_000):
        RESULTS.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
