"""What a plan of events would cost at a vendor: counted with the very batches it would leave in."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from reverse_etl.destinations import klaviyo
from reverse_etl.destinations.klaviyo_events import KlaviyoEventSizes
from reverse_etl.destinations.rule_events import RuleEventSizes
from reverse_etl.effort import RULE_LIMITS, Effort, seconds_at
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


def event_effort(plan: EventPlan, rule_limits: Sequence[RateLimit] = RULE_LIMITS) -> Effort:
    """What telling `plan` would cost; with automations as if everybody were active.

    `requests` counts reads, too: in Rule they spend the same allowance.

    Args:
        rule_limits: what this account of Rule allows.
    """
    sizes, calls = _RECKONED[plan.sync.destination]
    limits = rule_limits if plan.sync.destination == "rule" else _KLAVIYO_LIMITS
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


_KLAVIYO_LIMITS = tuple(klaviyo.LIMITS["event-bulk-create"])
_RECKONED: Mapping[str, tuple[EventSizes, Callable[[EventBatch], int]]] = {
    "klaviyo": (KlaviyoEventSizes(), lambda _batch: 1),
    "rule": (RuleEventSizes(), lambda batch: _RULE_CALLS[batch.lane](len(batch.rows))),
}
