"""What a plan would cost at a vendor: requests, bytes, and the least time its limits allow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from reverse_etl.destinations import klaviyo, rule, rule_account
from reverse_etl.planned import LaneSize, Plan
from vendor_http import RateLimit

# Braces and member names around one profile in a bulk import.
_PROFILE_ENVELOPE_BYTES = 64
RULE_LIMITS = tuple(rule_account.LIMITS["default"])


@dataclass(frozen=True)
class Effort:
    """Requests that write, bytes of payload, and seconds that the vendor's limits ask for.

    `seconds` is a lower bound: answers take their time, and asynchronous jobs theirs.
    """

    requests: int
    payload_bytes: int
    seconds: float


def effort(plan: Plan, rule_limits: Sequence[RateLimit] = RULE_LIMITS) -> Effort:
    """What sending `plan` would cost.

    Args:
        rule_limits: what this account of Rule allows.
    """
    is_rule = plan.spec.destination == "rule"
    limits = rule.lanes(rule.BULK_ROWS) if is_rule else {}
    lanes = plan.lane_sizes({name: limit.rows for name, limit in limits.items()})
    requests, seconds = _rule(lanes, rule_limits) if is_rule else _klaviyo(lanes)
    return Effort(requests, sum(lane.payload_bytes for lane in lanes), seconds)


def _klaviyo(lanes: Sequence[LaneSize]) -> tuple[int, float]:
    """Jobs for the bulk lanes, one request a person for the others."""
    jobs = single = 0
    for lane in lanes:
        if lane.name.startswith("bulk"):
            whole = lane.payload_bytes + lane.rows * _PROFILE_ENVELOPE_BYTES
            jobs += max(ceil(lane.rows / klaviyo.BULK_ROWS), ceil(whole / klaviyo.BULK_BYTES))
        else:
            single += lane.rows
    waits = seconds_at(jobs, klaviyo.LIMITS["bulk"])
    return jobs + single, waits + seconds_at(single, klaviyo.LIMITS["profile-import"])


def _rule(lanes: Sequence[LaneSize], limits: Sequence[RateLimit]) -> tuple[int, float]:
    """Upserts of up to a thousand, with the same tags or with calls for the tags; ended tags."""
    requests = sum(lane.calls + lane.removed_tags for lane in lanes)
    return requests, seconds_at(requests, limits)


def seconds_at(requests: int, windows: Iterable[RateLimit]) -> float:
    """Seconds until the last of so many requests may leave."""
    full_windows = [max(0, requests - 1) // w.requests * w.seconds for w in windows]
    return max(full_windows, default=0.0)
