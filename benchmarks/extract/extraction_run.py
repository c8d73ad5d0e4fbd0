"""One whole extraction of Smile with the memory that each step took, in a process of its own.

`python -m benchmarks.extract.extraction_run --base-url URL --home DIR --reach full` prints JSON. A
step's peak is the kernel's own high-water mark (`VmHWM`), which is put back after each step where
the kernel allows it; elsewhere every step shows the peak so far.
"""

import argparse
import json
import resource
from pathlib import Path

from benchmarks.extract import product
from dlt_sources import smile
from dlt_sources.extraction import Source
from dlt_sources.history import History

_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def main() -> None:
    """Run it and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--reach", choices=("quick", "daily", "full"), required=True)
    options = parser.parse_args()
    peaks: dict[str, int] = {}

    def note(step: str) -> None:
        peaks[step] = peak_bytes()
        if _CLEAR_REFS.exists():
            _CLEAR_REFS.write_text(_RESET_PEAK)

    with smile.client("api_none", options.base_url, product.UNLIMITED_PER_SECOND) as client:

        def source(history: History) -> Source:
            return smile.smile_source(client, history=history, reach=options.reach)

        done = product.run(source, options.home, options.reach, note)
    changes = done.changes["points_transactions"]
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "rows": done.rows["points_transactions"],
                "seconds": done.seconds,
                "peaks": peaks,
                "children": children,
                "new": changes.new,
                "unchanged": changes.unchanged,
            }
        )
    )


def peak_bytes() -> int:
    """The most memory that this process held since the mark was last put back."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
