"""Faults: trouble that a test orders, per vendor, from a declared set.

A rule says which fault, on which requests (`operation`, e.g. "GET /customers"; absent = all) and
when: `next: n` (the next n matching requests), `every: n` (each nth one), `after: n` (let n pass
first) or `rate: p` (seeded dice, so that a run can be repeated). Further keys are the fault's own
parameters. Rules of one fault are given as one object or as a list.

The base acts on the common faults; vendor faults (a stuck job, say) are asked for by the vendor
with `draw`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sandbox.core.calls import Call
from sandbox.core.errors import SandboxError
from sandbox.core.randomness import seeded

TIMING: tuple[str, ...] = ("next", "every", "rate", "after", "operation")


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of trouble; `parameters` are its own keys with their defaults (None = no default)."""

    name: str
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


COMMON_FAULTS: tuple[Fault, ...] = (
    Fault("error", "answer with a status instead of the data", {"status": 500, "retry_after": ""}),
    Fault("latency", "do at once what was asked, and answer late", {"seconds": 0.2}),
    Fault("slow_body", "send half the body, wait, send the rest", {"seconds": 0.5}),
    Fault("cut_connection", "close the connection without any answer"),
    Fault("cut_after", "do what was asked, then close the connection without any answer"),
    Fault("cut_body", "close the connection in the middle of the body"),
    Fault("truncated_body", "a complete answer whose body lacks its second half"),
    Fault("not_json", "a proxy's HTML page with status 200 instead of the data"),
)

# For vendors whose lists are paged with a cursor; they act on these in their handlers of lists.
LIST_FAULTS: tuple[Fault, ...] = (
    Fault(
        "short_list",
        "a listing ends early, after a share of its records, as if there were no more",
        {"share": 0.1},
    ),
    Fault("expired_cursor", "a page asked for with a cursor: 400"),
)


@dataclass(slots=True)
class _Rule:
    parameters: dict[str, Any]
    timing: dict[str, Any]
    dice: Random
    seen: int = 0
    fired: int = 0

    def fires(self, operation: str) -> bool:
        wanted = self.timing.get("operation")
        if wanted is not None and wanted != operation:
            return False
        self.seen += 1
        position = self.seen - int(self.timing.get("after", 0))
        if position <= 0:
            return False
        hit = True
        if "next" in self.timing:
            hit = position <= int(self.timing["next"])
        if hit and "every" in self.timing:
            hit = position % int(self.timing["every"]) == 0
        if hit and "rate" in self.timing:
            hit = self.dice.random() < float(self.timing["rate"])
        self.fired += hit
        return hit


class Faults:
    """The faults a vendor knows and the rules in force."""

    def __init__(self, vendor: str, declared: Sequence[Fault] = (), seed: int = 0) -> None:
        self.vendor = vendor
        self.declared = {fault.name: fault for fault in (*COMMON_FAULTS, *declared)}
        self._seed = seed
        self._rules: dict[str, list[_Rule]] = {}
        self._orders: dict[str, Any] = {}

    @property
    def active(self) -> bool:
        return bool(self._rules)

    def set(self, orders: Mapping[str, Any]) -> None:
        """Replace all rules; `{}` clears them.

        Raises:
            SandboxError: an unknown fault, an unknown key, or a timing that cannot be.
        """
        rules: dict[str, list[_Rule]] = {}
        for name, order in orders.items():
            fault = self.declared.get(name)
            if fault is None:
                known = ", ".join(sorted(self.declared))
                raise SandboxError(f"{self.vendor} has no fault '{name}'. It has: {known}.")
            rows = order if isinstance(order, list) else [order]
            rules[name] = [self._rule(fault, row, index) for index, row in enumerate(rows)]
        self._rules = rules
        self._orders = dict(orders)

    def _rule(self, fault: Fault, row: Any, index: int) -> _Rule:
        if not isinstance(row, Mapping):
            raise SandboxError(f"Fault '{fault.name}' takes an object such as {{'next': 1}}.")
        unknown = set(row) - set(TIMING) - set(fault.parameters)
        if unknown:
            known = ", ".join((*TIMING, *fault.parameters))
            raise SandboxError(
                f"Fault '{fault.name}' does not know {sorted(unknown)}. It knows: {known}."
            )
        for key in ("next", "every", "after"):
            if key in row and (not isinstance(row[key], int) or row[key] < (key == "every")):
                raise SandboxError(f"Fault '{fault.name}': '{key}' is a whole number of requests.")
        for key in ("rate", "share"):
            if key in row and not 0 <= float(row[key]) <= 1:
                raise SandboxError(f"Fault '{fault.name}': '{key}' lies between 0 and 1.")
        return _Rule(
            parameters={key: row.get(key, default) for key, default in fault.parameters.items()},
            timing={key: row[key] for key in TIMING if key in row},
            dice=seeded(self._seed, self.vendor, fault.name, index),
        )

    def is_ordered(self, name: str) -> bool:
        """Whether a rule of this fault is in force, fired or not; counts as no request."""
        return name in self._rules

    def draw(self, name: str, operation: str) -> dict[str, Any] | None:
        """The parameters of the fault, if a rule of it fires for this request; otherwise None."""
        for rule in self._rules.get(name, ()):
            if rule.fires(operation):
                return rule.parameters
        return None

    def spoil_list(self, call: Call, cursor: str) -> bool:
        """Act on the faults of lists for one page: shorten it, or tell that its cursor is expired.

        Args:
            cursor: name of the query parameter that holds a cursor.
        """
        if cursor in call.query and self.draw("expired_cursor", call.operation) is not None:
            return True
        short = self.draw("short_list", call.operation)
        if short is not None:
            call.list_share = float(short["share"])
        return False

    def describe(self) -> dict[str, Any]:
        """Orders in force, how often each fired, and what could be ordered."""
        return {
            "active": self._orders,
            "fired": {
                name: sum(rule.fired for rule in rules) for name, rules in self._rules.items()
            },
            "known": {
                name: {"summary": fault.summary, "parameters": dict(fault.parameters)}
                for name, fault in self.declared.items()
            },
            "timing": list(TIMING),
        }
