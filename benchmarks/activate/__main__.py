"""`python -m benchmarks.activate`: measure, print, and write the result file."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.activate import cases, report
from benchmarks.extract.processes import server

_FULL_ROWS = 1_000_000


def main() -> None:
    """Run the cases of the chosen destinations, then drt-core."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.activate", description=__doc__)
    parser.add_argument("--rows", type=int, default=_FULL_ROWS, help="members")
    parser.add_argument("--destination", nargs="+", default=["klaviyo", "rule"])
    parser.add_argument("--drt-rows", type=int, default=750, help="0 = without drt-core")
    parser.add_argument("--processing-seconds", type=float, default=1.0, help="of an import job")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="before each answer")
    options = parser.parse_args()
    if options.drt_rows and not cases.DRT.exists():
        parser.error(f"drt-core is not in {cases.DRT}; run `make bench`, or give --drt-rows 0")
    load_before = os.getloadavg()[0]
    figures: list[cases.Figures] = []
    rival = None
    with (
        server(
            "benchmarks.activate.vendors",
            "--processing-seconds", str(options.processing_seconds),
            "--latency-seconds", str(options.latency_seconds),
        ) as base_url,
        tempfile.TemporaryDirectory() as folder,
    ):  # fmt: skip
        for destination in options.destination:
            for found in cases.delivered(destination, options.rows, Path(folder), base_url):
                figures.append(found)
                print(report.line(found), flush=True)
        if options.drt_rows:
            rival = cases.drt(options.drt_rows, Path(folder), base_url)
    command = " ".join(["python -m benchmarks.activate", *sys.argv[1:]])
    text = report.document(figures, rival, options, command, load_before)
    print(f"\n{text}")
    if options.rows >= _FULL_ROWS and len(options.destination) > 1 and rival:
        report.RESULTS.write_text(text)
        print(f"written: {report.RESULTS}")
    else:
        print("not written: that takes a million members, both destinations and drt-core")


if __name__ == "__main__":
    main()
