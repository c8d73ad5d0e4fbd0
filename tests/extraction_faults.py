"""The faults that an extraction is tested with, as rows, and the document that they become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from extraction_child import Job

Orders = Mapping[str, Any]
VENDORS = {"smile": "Smile", "yotpo": "Yotpo"}
# What a fault falls on: a list of several pages at Smile, the requests for members at Yotpo.
BUSY = {"smile": "GET /points_transactions", "yotpo": "GET /customers"}
PAGED = {"smile": "GET /points_transactions", "yotpo": "GET /customers/recent"}
KEYS = {"smile": "SMILE_API_KEY", "yotpo": "YOTPO_GUID"}


@dataclass(frozen=True)
class Case:
    """A fault of the vendor.

    Attributes:
        orders: per vendor what the sandbox is told.
        error: the class that the run stops with; "" = it finishes.
        remedy: words of the error that say what to do.
        set_aside: records that go into quarantine.
        changes_shop: the sandbox's records are others afterwards.
    """

    fault: str
    orders: Mapping[str, Orders]
    error: str = ""
    remedy: str = ""
    set_aside: int = 0
    timeout_seconds: float | None = None
    changes_shop: bool = False


@dataclass(frozen=True)
class ProcessCase:
    """Trouble of the machine, in a process of its own."""

    fault: str
    changed: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""

    @property
    def is_kill(self) -> bool:
        return "kill_phase" in self.changed

    def spoil(self, job: Job) -> Job:
        return replace(job, **self.changed)


@dataclass(frozen=True)
class Happened:
    """One row of the document."""

    fault: str
    vendor: str
    did: str
    repeated: int | None
    lost: int
    doubled: int
    set_aside: int
    following: str


def _both(where: Mapping[str, str], fault: str, **order: Any) -> dict[str, Orders]:
    return {vendor: {fault: {**order, "operation": where[vendor]}} for vendor in VENDORS}


def _one(vendor: str, where: str, fault: str, **order: Any) -> dict[str, Orders]:
    return {vendor: {fault: {**order, "operation": where}}}


_LATER = "run again later"
_AWAY = "VendorUnavailableError"

CASES: tuple[Case, ...] = (
    Case("429, four times, without Retry-After", _both(BUSY, "error", status=429, next=4)),
    Case(
        "429, four times, with Retry-After",
        _both(BUSY, "error", status=429, next=4, retry_after="0.1"),
    ),
    Case("429 that stays", _both(BUSY, "error", status=429, after=1), _AWAY, _LATER),
    *(
        Case(f"{status}, four times", _both(BUSY, "error", status=status, next=4))
        for status in (500, 502, 503)
    ),
    *(
        Case(f"{status} that stays", _both(BUSY, "error", status=status, after=1), _AWAY, _LATER)
        for status in (500, 502, 503)
    ),
    Case("connection cut, three times", _both(BUSY, "cut_connection", next=3)),
    Case("body cut, three times", _both(BUSY, "cut_body", next=3)),
    Case("truncated body, three times", _both(BUSY, "truncated_body", next=3)),
    Case("truncated body that stays", _both(BUSY, "truncated_body", after=1), _AWAY, _LATER),
    Case("not JSON, three times", _both(BUSY, "not_json", next=3)),
    Case("not JSON that stays", _both(BUSY, "not_json", after=1), _AWAY, _LATER),
    Case("slow answers", _both(BUSY, "latency", seconds=0.02, every=2)),
    Case("timeout, twice", _both(PAGED, "latency", seconds=2.0, next=2), timeout_seconds=0.75),
    Case("expired cursor", _both(PAGED, "expired_cursor", next=1)),
    Case(
        "expired cursor, again and again",
        _both(PAGED, "expired_cursor"),
        "RequestRefusedError",
        "was refused with 400",
    ),
    Case(
        "short list",
        {
            "smile": {"short_list": {"share": 0.1, "operation": "GET /customers"}},
            "yotpo": {"short_list": {"share": 0.1, "operation": "GET /customers/recent"}},
        },
        "ImplausibleListingError",
        "run once with --allow-shrink",
    ),
    Case("423 locked, four times", _one("yotpo", "GET /customers", "locked", next=4)),
    Case("423 locked that stays", _one("yotpo", "GET /customers", "locked"), _AWAY, _LATER),
    *(
        Case(
            f"one member refused with {status}",
            _one("yotpo", "GET /customers", "error", status=status, next=1),
            set_aside=1,
        )
        for status in (400, 422)
    ),
    Case(
        "every member refused with 400",
        _one("yotpo", "GET /customers", "error", status=400),
        "UnexpectedAnswerError",
        "Check that YOTPO_BASE_URL points at Yotpo's API",
    ),
    *(
        Case(
            f"{status} midway at {VENDORS[vendor]}",
            _one(vendor, BUSY[vendor], "error", status=status, after=1),
            "ConfigurationError",
            f"Check {KEYS[vendor]}",
        )
        for status in (401, 403)
        for vendor in VENDORS
    ),
    Case("page drift", _both(PAGED, "page_drift", every=1), changes_shop=True),
)

IN_A_PROCESS: tuple[ProcessCase, ...] = (
    ProcessCase("disk full while committing", {"file_bytes": 5_000}, "Give the disk room"),
    ProcessCase("kill -9 while reading", {"kill_phase": "commit", "kill_step": 25}),
    ProcessCase("kill -9 while packing", {"kill_phase": "pack", "kill_step": 60}),
    ProcessCase("kill -9 while loading", {"kill_phase": "load", "kill_step": 60}),
    ProcessCase("disk full while loading", {"file_bytes": 200_000}, "that the disk has room"),
)

_HEAD = """\
<!-- Written by LOYALTY_WRITE_FAULT_TABLE=1 pytest tests/faults/test_extraction_faults.py -->

# Faults of extraction

What each fault does to an extraction, as the tests saw it (`tests/faults/test_extraction_faults.py`
plays them against the sandbox and compares with this table). Lost and doubled are counted by key
after the next run, against an undisturbed extraction. Repeated are requests that were sent once
more; of a run that stopped, those of the request that was given up. A run that stops keeps what
every list has read, but for a list that is too short, and the next one goes on from there.

Full disk and kill -9 are played on one extraction, one after the other. What a kill repeats is
bounded: one chunk of each list and what was asked for ahead, as counted in
`tests/faults/test_extraction_kills.py`.

| fault | vendor | the run | repeated | rows lost | rows doubled | set aside | the next run |
|---|---|---|---|---|---|---|---|
"""


def _shown(repeated: int | None) -> str:
    return "–" if repeated is None else str(repeated)


def render(rows: Iterable[Happened]) -> str:
    """The document."""
    lines = [
        f"| {row.fault} | {VENDORS[row.vendor]} | {row.did} | {_shown(row.repeated)} | "
        f"{row.lost} | {row.doubled} | {row.set_aside} | {row.following} |\n"
        for row in rows
    ]
    return _HEAD + "".join(lines)
