"""The faults that a delivery is tested with, as rows, and the document that they become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Orders = Mapping[str, Any]
VENDORS = {"klaviyo": "Klaviyo", "rule": "Rule"}
# The request that carries most of a delivery.
POST = {"klaviyo": "POST /api/profile-bulk-import-jobs", "rule": "POST /api/v2/subscribers"}
FINISHED = "finished"


@dataclass(frozen=True)
class Case:
    """A fault of the vendor.

    Attributes:
        orders: per vendor what the sandbox is told.
        ends: how the first run ends: its status, and why it stopped if it did; an error's class
            where it stops with one.
        timeout_seconds: how long the client waits for an answer; None = as ever.
    """

    fault: str
    orders: Mapping[str, Orders]
    ends: str = FINISHED
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class Happened:
    """One row of the document.

    Attributes:
        refused: write requests that the vendor refused or that were cut.
        repeated: write requests that it accepted beyond those of an undisturbed delivery.
        wrong: people whose values at the vendor are not the desired ones after the next run.
    """

    fault: str
    vendor: str
    did: str
    refused: int
    repeated: int
    wrong: int
    following: str


def _both(fault: str, **order: Any) -> dict[str, Orders]:
    return {vendor: {fault: {**order, "operation": POST[vendor]}} for vendor in VENDORS}


def _jobs(fault: str, **order: Any) -> dict[str, Orders]:
    return {"klaviyo": {fault: order}}


def _rule(**order: Any) -> dict[str, Orders]:
    return {"rule": {"error": {**order, "operation": POST["rule"]}}}


_AWAY = "aborted: vendor unavailable"
# Rule's moments are Stockholm wall time.
_PAST = "2020-01-01 00:00:00"

CASES: tuple[Case, ...] = (
    Case(
        "429 storm, six times",
        _jobs("error", status=429, retry_after="1", next=6, operation=POST["klaviyo"]),
    ),
    Case("429, twice, with a moment that is over", _rule(status=429, retry_after=_PAST, next=2)),
    Case(
        "429 storm, six times",
        _rule(status=429, retry_after=_PAST, next=6),
        "aborted: error share",  # before Rule's own breaker blocks the account
    ),
    Case(
        "429 that asks for ten minutes",
        _rule(status=429, retry_after="2099-01-01 00:00:00", after=2),
        "aborted: rate limited",
    ),
    *(
        Case(f"{status}, twice", _both("error", status=status, next=2))
        for status in (500, 502, 503, 504)
    ),
    *(
        Case(f"{status} that stays", _both("error", status=status, after=2), _AWAY)
        for status in (500, 503)
    ),
    Case("connection cut before the request is read, twice", _both("cut_connection", next=2)),
    Case("connection cut after the vendor accepted", _both("cut_after", next=1, after=1)),
    Case(
        "no answer within the time-out, accepted",
        _both("latency", seconds=4.0, next=1),
        timeout_seconds=1.5,  # enough for every other answer, on a slow machine too
    ),
    Case("answer cut in the middle", _both("cut_body", next=1)),
    Case("truncated answer", _both("truncated_body", next=1)),
    Case("a proxy's page instead of an answer", _both("not_json", next=1)),
    Case("401 midway", _both("error", status=401, after=2), "ConfigurationError"),
    Case(
        "413, once",
        {"klaviyo": {"error": {"status": 413, "next": 1, "operation": POST["klaviyo"]}}},
    ),
    Case(
        "job stuck in processing", {"klaviyo": {"stuck_job": {"after": 1, "next": 1}}}, "unfinished"
    ),
    Case("job expired before anybody asked", {"klaviyo": {"expired_job": {"next": 1}}}),
    Case("job cancelled", {"klaviyo": {"cancelled_job": {"after": 1, "next": 1}}}),
    Case(
        "job with a status nobody documented",
        {"klaviyo": {"job_status": {"value": "resting", "next": 3}}},
    ),
    Case("half of the rows fail in their jobs", {"klaviyo": {"import_error": {"share": 0.5}}}),
    Case(
        "import errors answer 500, twice",
        {
            "klaviyo": {
                "import_error": {"share": 0.5},
                "error": {
                    "status": 500,
                    "next": 2,
                    "operation": "GET /api/profile-bulk-import-jobs/{id}/import-errors",
                },
            }
        },
    ),
)

_HEAD = """\
<!-- Written by LOYALTY_WRITE_FAULT_TABLE=1 pytest tests/faults/test_delivery_faults.py -->

# Faults of delivery

What each fault does to a delivery, as the tests saw it (`tests/faults/test_delivery_faults.py`
plays them against the sandbox and compares with this table). The delivery: 46 people in requests of
eight, most with new values, some who lose a value, some who leave, some who are new. Repeated are
write requests that the vendor accepted beyond those of an undisturbed delivery; a fault may cost
one batch. Wrong are people whose values at the vendor are not the desired ones after the next run.
After that the same run once more writes nothing.

`kill -9` is played at twenty random steps of the delivery at each vendor; a step is a request, an
answer, or a call of the ledger beginning or ending.

| fault | vendor | the run | refused or cut | repeated | wrong | the next run |
|---|---|---|---|---|---|---|
"""


def render(rows: Iterable[Happened]) -> str:
    """The document."""
    lines = [
        f"| {row.fault} | {VENDORS[row.vendor]} | {row.did} | {row.refused} | {row.repeated} | "
        f"{row.wrong} | {row.following} |\n"
        for row in rows
    ]
    return _HEAD + "".join(lines)
