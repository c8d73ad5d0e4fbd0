"""What a client sent and received, per resource: figures for run reports and benchmarks.

Counts only. A resource is what messages call a request (its `name`, else "METHOD path"), so no
e-mail gets in that messages keep out.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Figures of one resource; they add up with `+`.

    Attributes:
        requests: sent, retries included, answered or not.
        retries: tries after the first of a request.
        throttled: answers with status 429.
        waited_seconds: spent waiting for our own budget and for silence that the vendor asked for,
            summed over threads; backing off between retries is not in it.
        bytes_received: bodies as on the wire, so compressed where the vendor compresses.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    waited_seconds: float = 0.0
    bytes_received: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.requests + other.requests,
            self.retries + other.retries,
            self.throttled + other.throttled,
            self.waited_seconds + other.waited_seconds,
            self.bytes_received + other.bytes_received,
        )


class TrafficMeter:
    """Adds up the traffic of all threads of a client."""

    def __init__(self) -> None:
        self._by_resource: dict[str, Traffic] = {}
        self._lock = threading.Lock()

    def add(self, resource: str, traffic: Traffic) -> None:
        """Add figures to those of a resource."""
        with self._lock:
            self._by_resource[resource] = self._by_resource.get(resource, Traffic()) + traffic

    def by_resource(self) -> Mapping[str, Traffic]:
        """The figures until now; later traffic does not change what was handed out."""
        with self._lock:
            return dict(self._by_resource)

    def total(self) -> Traffic:
        """All resources together."""
        return sum(self.by_resource().values(), Traffic())
