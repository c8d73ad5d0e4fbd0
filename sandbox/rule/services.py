"""The stores of one account. Owns wiring, saving and loading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.context import SandboxContext
from sandbox.core.switches import Switches
from sandbox.rule.automations import Automations
from sandbox.rule.background import Background
from sandbox.rule.catalogue import Catalogue, Record
from sandbox.rule.people import People


@dataclass(frozen=True)
class Services:
    """Stores and switches that the endpoints work with."""

    context: SandboxContext
    switches: Switches
    catalogue: Catalogue
    people: People
    automations: Automations
    background: Background

    @classmethod
    def build(cls, context: SandboxContext, switches: Switches) -> Services:
        """An empty account."""
        catalogue = Catalogue(context.now, switches)
        people = People(context.now, switches, catalogue)
        return cls(context, switches, catalogue, people, Automations(context.now), Background())

    def unblock(self, record: Record) -> None:
        """What any `automation` value does to a blocked person."""
        if record["status"] == "BLOCKED":
            record["status"] = "ACTIVE"

    def dump(self) -> dict[str, Any]:
        """The whole account as JSON values; waiting work is done first."""
        self.background.finish()
        return {
            "catalogue": self.catalogue.dump(),
            "people": self.people.dump(),
            "automations": self.automations.started,
            "callbacks": self.background.callbacks,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self.catalogue.load(state["catalogue"])
        self.people.load(state["people"])
        self.automations.load(state["automations"])
        self.background.callbacks = list(state["callbacks"])
