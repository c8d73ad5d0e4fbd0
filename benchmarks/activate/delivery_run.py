"""One sync in a process of its own: `python -m benchmarks.activate.delivery_run`.

Does what the product's sync step does, engine and all, and prints its figures as JSON: seconds of
planning and of the whole, CPU seconds of the process, peak of its resident memory, outcome.
"""

import argparse
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.activate import population
from benchmarks.peak import Peak
from reverse_etl import engine
from reverse_etl.destinations import klaviyo, rule, rule_account
from reverse_etl.destinations.base import Destination
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan
from reverse_etl.results import Progress
from vendor_http import ApiClient

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


def connect(name: str, base_url: str) -> tuple[ApiClient, Destination]:
    """The product's own client and destination, with the product's own limits."""
    if name == "klaviyo":
        api = klaviyo.client("key", f"{base_url}/klaviyo")
        return api, klaviyo.KlaviyoProfiles(api)
    watch = AnswerWatch()
    api = rule_account.client("key", watch, f"{base_url}/rule")
    return api, rule.RuleSubscribers(api, watch)


def main() -> None:
    """Sync once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--destination", choices=("klaviyo", "rule"), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--published", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--day", type=int, default=0, help="days after the first push")
    options = parser.parse_args()
    spec = population.spec(options.destination)
    now = NOW + timedelta(days=options.day)
    api, destination = connect(options.destination, options.base_url)
    peak = Peak()
    peak.start()
    moments: dict[str, float] = {}
    began = time.monotonic()

    def timed(*arguments: object, **named: object) -> Plan:
        started = time.monotonic()
        plan = plan_sync(*arguments, **named)  # type: ignore[arg-type]
        moments["plan"] = time.monotonic() - started
        moments["planned"] = time.monotonic() - began
        return plan

    def watch(progress: Progress) -> None:
        if progress.accepted == progress.planned:
            moments["acknowledged"] = time.monotonic() - began

    engine.plan_sync = timed  # the sync plans by itself; this is only a stop watch
    with api:
        result = engine.sync(
            options.published, spec, destination, Ledger(options.ledger), now,
            f"day{options.day}", watch,
        )  # fmt: skip
    seconds = time.monotonic() - began
    peak.stop.set()
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "plan_seconds": moments["plan"],
                "planned_after": moments["planned"],
                "acknowledged_after": moments.get("acknowledged", seconds),
                "cpu": own.ru_utime + own.ru_stime,
                "peak_bytes": peak.bytes,
                "status": result.status,
                "planned": result.total("planned"),
                "accepted": result.total("accepted"),
                "unchanged": result.unchanged,
                "waited": api.total_traffic().waited_seconds,
            }
        )
    )
    sys.exit(0 if result.status == "succeeded" else 1)


if __name__ == "__main__":
    main()
