"""What a plan of events would cost at a vendor: counted with the very batches it would leave in."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from reverse_etl.destinations import klaviyo, rule_account
from reverse_etl.destinations.klaviyo_events import KlaviyoEventSizes
from reverse_etl.destinations.rule_events import RuleEventSizes
from reverse_etl.effort import Effort, seconds_at
from reverse_etl.events.base import EventBatch, EventSizes, PlannedEvent
from reverse_etl.events.delivery import batch_events
from reverse_etl.events.plan import EventPlan
from vendor_http import RateLimit

# In Rule each person of a live call is looked up first; mode once then is a call a person.
_RULE_CALLS: Mapping[str, Callable[[int], int]] = {
    "data": lambda _people: 1,
    "once": lambda people: 1 + 2 * people,
    "reset": lambda people: 2 + people,
    "force": lambda people: 2 + people,
}


def event_effort(plan: EventPlan) -> Effort:
    """What telling `plan` would cost; with automations as if everybody were active.

    `requests` counts reads, too: in Rule they spend the same allowance.
    """
    sizes, calls, limits = _RECKONED[plan.sync.destination]
    counted: Counter[str] = Counter()
    for batch in batch_events(_weighed(plan.rows(), sizes, counted), sizes):
        counted["requests"] += calls(batch)
    requests = counted["requests"]
    return Effort(requests, counted["bytes"], seconds_at(requests, limits))


def _weighed(
    rows: Iterator[PlannedEvent], sizes: EventSizes, counted: Counter[str]
) -> Iterator[PlannedEvent]:
    for row in rows:
        counted["bytes"] += sizes.event_bytes(row)
        yield row


_RECKONED: Mapping[str, tuple[EventSizes, Callable[[EventBatch], int], tuple[RateLimit, ...]]] = {
    "klaviyo": (
        KlaviyoEventSizes(),
        lambda _batch: 1,
        tuple(klaviyo.LIMITS["event-bulk-create"]),
    ),
    "rule": (
        RuleEventSizes(),
        lambda batch: _RULE_CALLS[batch.lane](len(batch.rows)),
        tuple(rule_account.LIMITS["default"]),
    ),
}
