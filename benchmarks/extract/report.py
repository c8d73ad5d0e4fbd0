"""The result file: one section per part, each with its own date, machine and load."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results" / "extract.md"
_TITLE = "# Extraction\n"
_SECTION = re.compile(r"^(?=## )", re.MULTILINE)


def section(title: str, lines: Sequence[str], command: str, load_before: float) -> str:
    """Markdown of one part with what it was measured on.

    Args:
        load_before: load average of the last minute when the part began.
    """
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("dlt", "duckdb", "pyarrow", "httpx", "orjson")
    )
    return "\n".join(
        [
            f"## {title}",
            "",
            *lines,
            "",
            f"- Command: `{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- Machine: {machine()}; load average {load_before:.1f} before (others' work), "
            f"{os.getloadavg()[0]:.1f} at the end (servers included)",
            f"- Versions: Python {platform.python_version()}, {packages}",
            "",
        ]
    )


def write(sections: Sequence[str]) -> None:
    """Replace these sections of the result file; others stay as they are."""
    known = {}
    if RESULTS.exists():
        known = {_name(part): part for part in _SECTION.split(RESULTS.read_text())[1:]}
    known |= {_name(part): part for part in sections}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join([_TITLE, *(part.rstrip() + "\n" for part in known.values())]))


def _name(part: str) -> str:
    return part.partition("\n")[0]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


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
