"""One extraction under limits, in a process of its own: `python -m benchmarks.extract.limited_run`.

Reads into the spool only: loading asks no vendor. A thread notes every quarter of a second how many
requests each resource has sent.
"""

import argparse
import json
import math
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.extract.limits import CASES, Case
from dlt_sources import smile, yotpo
from dlt_sources.declarations import CursorPaging, Listing
from dlt_sources.extraction import Extraction, Source, extract
from sandbox.control_client import ControlClient
from sandbox.credentials import environment
from vendor_http import ApiClient

_SAMPLE_SECONDS = 0.25
_SETTLING_SECONDS = 2.0
Sample = tuple[float, Mapping[str, int]]
Reader = Callable[[Extraction], None]


def main() -> None:
    """Run one case and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--case", type=int, required=True)
    options = parser.parse_args()
    case = CASES[options.case]
    with _client(case, environment(options.base_url)) as client:
        source = _source(case, client, options.base_url)
        samples: list[Sample] = []
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(client, samples, done))
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            watcher.start()
            extract(
                source,
                Path(folder) / "spool",
                program=case.vendor,
                extract_id=1,
                clock=lambda: datetime.now(UTC),
            )
            seconds = time.monotonic() - began
            done.set()
            watcher.join()
        steady_rate, steady_seconds = steady(samples, case.busy)
        print(
            json.dumps(
                {
                    "steady_rate": steady_rate,
                    "steady_seconds": steady_seconds,
                    "whole_rate": client.total_traffic().requests / seconds,
                    "whole_seconds": seconds,
                }
            )
        )


def steady(samples: Sequence[Sample], busy: Sequence[str]) -> tuple[float, float]:
    """Requests a second of all resources while each of `busy` was asked for, and for how long."""
    last = {name: samples[-1][1][name] for name in busy}
    begin = max(next(at for at, sent in samples if sent.get(name)) for name in busy)
    end = min(next(at for at, sent in samples if sent.get(name, 0) == last[name]) for name in busy)
    inside = [sample for sample in samples if begin + _SETTLING_SECONDS <= sample[0] < end]
    (first_at, first), (last_at, final) = inside[0], inside[-1]
    count = sum(final.values()) - sum(first.values())
    return count / (last_at - first_at), last_at - first_at


def _watch(client: ApiClient, samples: list[Sample], done: threading.Event) -> None:
    while True:
        is_last = done.wait(_SAMPLE_SECONDS)
        sent = {name: traffic.requests for name, traffic in client.traffic.items()}
        samples.append((time.monotonic(), sent))
        if is_last:
            return


def _client(case: Case, settings: Mapping[str, str]) -> ApiClient:
    if case.vendor == "smile":
        return smile.client(
            settings["SMILE_API_KEY"], settings["SMILE_BASE_URL"], float(case.per_second)
        )
    return yotpo.client(
        settings["YOTPO_GUID"],
        settings["YOTPO_API_KEY"],
        settings["YOTPO_BASE_URL"],
        float(case.per_second),
    )


def _source(case: Case, client: ApiClient, base_url: str) -> Source:
    """The product's source; with `case.pages` the busy listings have so many pages each."""
    if case.vendor == "yotpo":
        return yotpo.yotpo_source(client)
    source = smile.smile_source(client)
    if not case.pages:
        return source
    with ControlClient(base_url) as control:
        counts = control.describe()["programs"]["smile"]
    return replace(source, readers=[_repaged(read, case, counts) for read in source.readers])


def _repaged(read: Reader, case: Case, counts: Mapping[str, int]) -> Reader:
    assert isinstance(read, partial), read
    client, listing, since = read.args
    if f"GET {listing.path}" not in case.busy:
        return read
    return partial(read.func, client, _cut(listing, counts[listing.table.name], case.pages), since)


def _cut(listing: Listing, rows: int, pages: int) -> Listing:
    assert isinstance(listing.paging, CursorPaging)
    return replace(listing, paging=replace(listing.paging, size=math.ceil(rows / pages)))


if __name__ == "__main__":
    main()
