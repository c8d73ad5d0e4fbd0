"""Part `limits`: how much of a documented request rate is used, and how many 429 that costs.

The sandbox keeps its limits and answers after 300 ms. The rate is taken from the client's own count
of requests over the steady part: from two seconds after all busy resources sent their first request
until the first of them sent its last. The 429 are of the whole run, as the sandbox counted them.

Smile's cursors are opaque, so one listing cannot be asked faster than one request per answer time:
3.3 a second here. Only where three long listings are under way side by side can the documented ten
be reached. The sandbox's listings differ in length (the ledger is the longest by far), so the
product is measured twice: as it is, and with page sizes that make the three equally long.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.extract import report
from benchmarks.extract.processes import measure, sandbox
from sandbox.control_client import ControlClient

TITLE = "Limits: the share of the documented rate"
LATENCY_SECONDS = 0.3
_TARGET_SHARE = 0.95
SMILE_LISTINGS = ("GET /customers", "GET /points_transactions", "GET /reward_fulfillments")


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        vendor: "smile" or "yotpo".
        title: for the report.
        per_second: the setting; the documented rate, or the slower of two documented ones.
        customers: of the sandbox, so many that the run lasts a minute or longer.
        busy: resources whose common time is the steady part.
        pages: cut each of `busy` into so many pages; 0 = the product's page sizes.
    """

    vendor: str
    title: str
    per_second: int
    customers: int
    busy: tuple[str, ...]
    pages: int = 0


CASES = (
    Case("yotpo", "Yotpo, member details, product default", 5, 1_000, ("GET /customers",)),
    Case("yotpo", "Yotpo, member details, setting 10", 10, 2_000, ("GET /customers",)),
    Case("smile", "Smile, three listings of equal length", 10, 6_000, SMILE_LISTINGS, pages=210),
    Case("smile", "Smile, all listings as they are", 10, 23_570, SMILE_LISTINGS),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument("--cases", nargs="+", type=int, help="numbers from 1 (limits)")


def measured(options: argparse.Namespace) -> list[str]:
    """Lines of the report."""
    chosen = [CASES[number - 1] for number in options.cases] if options.cases else CASES
    results = []
    for case in chosen:
        with (
            sandbox(case.customers, limits_scale=1.0) as settings,
            ControlClient(settings["BASE_URL"]) as control,
        ):
            control.faults(case.vendor, latency={"seconds": LATENCY_SECONDS})
            figures = measure(
                "benchmarks.extract.limited_run",
                base_url=settings["BASE_URL"],
                case=CASES.index(case),
            )
            figures["statuses"] = control.requests(case.vendor)["statuses"]
        print(f"limits, {case.title}: {figures}", flush=True)
        results.append((case, figures))
    return lines(results)


def lines(results: Sequence[tuple[Case, Mapping[str, Any]]]) -> list[str]:
    """The cases as Markdown."""
    shares = [figures["steady_rate"] / case.per_second for case, figures in results]
    throttled = sum(figures["statuses"].get("429", 0) for _, figures in results)
    return [
        f"The sandbox with its limits on and {LATENCY_SECONDS * 1000:.0f} ms before each answer, in"
        " a process of its own.",
        "",
        *report.table(
            (
                "what",
                "documented requests/s",
                "steady part: requests/s",
                "share",
                "seconds",
                "whole run: requests/s",
                "share",
                "seconds",
                "requests",
                "429",
            ),
            [
                (
                    case.title,
                    str(case.per_second),
                    f"{figures['steady_rate']:.2f}",
                    f"**{share:.1%}**",
                    f"{figures['steady_seconds']:.0f}",
                    f"{figures['whole_rate']:.2f}",
                    f"{figures['whole_rate'] / case.per_second:.1%}",
                    f"{figures['whole_seconds']:.0f}",
                    f"{sum(figures['statuses'].values()):,}",
                    f"**{figures['statuses'].get('429', 0)}**",
                )
                for (case, figures), share in zip(results, shares, strict=True)
            ],
        ),
        "",
        f"- Target: {_TARGET_SHARE:.0%} of the documented rate and no 429; here at least "
        f"**{min(shares):.1%}** over the steady parts, and **{throttled}** 429.",
        "- Steady part: all busy resources at once. Yotpo documents 10 requests a second on its "
        "newest page and 5 on older ones; the default is the safe one.",
        f"- One Smile listing alone reaches at most 1 / {LATENCY_SECONDS} s = "
        f"{1 / LATENCY_SECONDS:.1f} requests a second, because a cursor is opaque and only the page"
        " before tells it. So a whole run is faster than that only while several listings are "
        "under way, and its end belongs to the longest one.",
    ]
