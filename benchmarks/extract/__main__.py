"""`python -m benchmarks.extract [part ...]`: measure, print, and write the result file."""

import argparse
import os
import sys

from benchmarks.extract import limits, memory, report, speed

_PARTS = {"speed": speed, "memory": memory, "limits": limits}


def main() -> None:
    """Run the chosen parts, by default all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"of {', '.join(_PARTS)}; default: all")
    for part in _PARTS.values():
        part.add_options(parser)
    options = parser.parse_args()
    unknown = set(options.part) - set(_PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}")
    command = " ".join(["python -m benchmarks.extract", *sys.argv[1:]])
    for name in options.part or _PARTS:
        part, load_before = _PARTS[name], os.getloadavg()[0]
        found = report.section(part.TITLE, part.measured(options), command, load_before)
        print(f"\n{found}", flush=True)
        report.write([found])
    print(f"written: {report.RESULTS}")


if __name__ == "__main__":
    main()
