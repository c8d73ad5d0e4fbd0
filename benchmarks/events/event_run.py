"""One sync of events in a process of its own: `python -m benchmarks.events.event_run`.

Does what the product's sync of events does, engine and all, with the product's own limits, and
prints its figures as JSON: seconds, CPU seconds, peak of its resident memory, bytes of all requests
together, outcome.
"""

import argparse
import json
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peak import Peak
from reverse_etl.destinations import klaviyo, klaviyo_events, rule_account
from reverse_etl.destinations.rule_events import RuleEvents
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.events import engine
from reverse_etl.events.base import EventDestination, PlannedEvent
from reverse_etl.events.contract import EventSync
from reverse_etl.events.plan import EventPlan
from reverse_etl.ledger import Ledger
from reverse_etl.results import Progress
from sandbox.credentials import environment
from vendor_http import ApiClient


class _Watch:
    """Moments of a sync, in seconds since it began, and the bytes of its requests."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.moments: dict[str, float] = {}
        self.bodies: list[int] = []  # appended to by several threads

    def note(self, what: str) -> None:
        self.moments[what] = time.monotonic() - self.began

    def progress(self, progress: Progress) -> None:
        if progress.accepted == progress.planned:
            self.note("acknowledged")


def connect(name: str, base_url: str) -> tuple[ApiClient, EventDestination]:
    """The product's own client and destination, with the product's own limits."""
    keys = environment(base_url)
    if name == "klaviyo":
        api = klaviyo.client(keys["KLAVIYO_API_KEY"], keys["KLAVIYO_BASE_URL"])
        return api, klaviyo_events.KlaviyoEvents(api)
    watch = AnswerWatch()
    api = rule_account.client(keys["RULE_API_KEY"], watch, keys["RULE_BASE_URL"])
    return api, RuleEvents(api, watch)


def main() -> None:
    """Sync once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--destination", choices=("klaviyo", "rule"), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--published", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--run-id", required=True)
    options = parser.parse_args()
    api, destination = connect(options.destination, options.base_url)
    peak = Peak()
    peak.start()
    watch = _Watch()
    planning = engine.plan_events

    def timed(*arguments: Any, **named: Any) -> EventPlan:
        watch.note("asked")
        plan = planning(*arguments, **named)
        watch.note("planned")
        return plan

    body = klaviyo_events.body

    def weighed(rows: list[PlannedEvent]) -> bytes:
        content = body(rows)
        watch.bodies.append(len(content))
        return content

    # The sync does both by itself; these are only a stop watch and a balance.
    engine.plan_events = timed
    klaviyo_events.body = weighed  # type: ignore[assignment]
    with api:
        result = engine.sync_events(
            options.published, EventSync(options.destination), destination, Ledger(options.ledger),
            datetime.now(UTC), options.run_id, watch.progress,
        )  # fmt: skip
    watch.note("finished")
    peak.stop.set()
    own = resource.getrusage(resource.RUSAGE_SELF)
    moments = watch.moments
    print(
        json.dumps(
            {
                "seconds": moments["finished"],
                "plan_seconds": moments["planned"] - moments["asked"],
                "planned_after": moments["planned"],
                "acknowledged_after": moments.get("acknowledged", moments["finished"]),
                "cpu": own.ru_utime + own.ru_stime,
                "peak_bytes": peak.bytes,
                "body_bytes": sum(watch.bodies),
                "status": result.status,
                "planned": result.total("planned"),
                "accepted": result.total("accepted"),
                "unchanged": result.unchanged,
                "requests": sum(result.requests.values()),
            }
        )
    )
    sys.exit(0 if result.status == "succeeded" else 1)


if __name__ == "__main__":
    main()
