"""The stores of one account, and what the current request has already established about itself.

Owns wiring, saving and loading. The server is single-threaded and handlers never wait, so the
parsed payload and the revision of the request in hand can stand here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.context import SandboxContext
from sandbox.core.faults import Faults
from sandbox.core.switches import Switches
from sandbox.klaviyo.events import EventStore
from sandbox.klaviyo.imports import ImportJobs
from sandbox.klaviyo.oauth import OAuth
from sandbox.klaviyo.profiles import ProfileStore, WriteRules
from sandbox.klaviyo.revisions import EVENT_META_MOVED, REVISIONS


@dataclass
class Services:
    """Stores, switches and faults that the endpoints work with."""

    context: SandboxContext
    switches: Switches
    faults: Faults
    profiles: ProfileStore
    imports: ImportJobs
    events: EventStore
    oauth: OAuth
    revision: date = REVISIONS[-1]
    payload: Any = None

    @classmethod
    def build(cls, context: SandboxContext, switches: Switches, faults: Faults) -> Services:
        """An empty account."""
        profiles = ProfileStore(context.now)
        imports = ImportJobs(profiles, context.now, switches, context.rng("klaviyo", "imports"))
        events = EventStore(context.now, switches)
        return cls(context, switches, faults, profiles, imports, events, OAuth(switches))

    def write_rules(self) -> WriteRules:
        """How single writes treat what is undocumented."""
        return WriteRules(
            merge_conflicts=self.switches["identifier_conflict"] == "merged",
            append_is_set=self.switches["append"] == "set",
        )

    def fit_revision(self, operation: str, payload: Any) -> Any:
        """Moves a single event's profile `meta` to where the published document has it.

        Revision 2026-10-15 put it beside `attributes`; the document at hand is 2026-07-15.
        """
        if operation != "POST /api/events" or self.revision < EVENT_META_MOVED:
            return payload
        try:
            profile = payload["data"]["attributes"]["profile"]["data"]
            attributes = profile["attributes"]
            if "meta" in profile and "meta" not in attributes:
                attributes["meta"] = profile.pop("meta")
        except (KeyError, TypeError):
            return payload
        return payload

    def dump(self) -> dict[str, Any]:
        """The whole account as JSON values."""
        return {
            "profiles": self.profiles.dump(),
            "jobs": self.imports.dump(),
            "events": self.events.dump(),
            "oauth": self.oauth.dump(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self.profiles.load(state["profiles"])
        self.imports.load(state["jobs"])
        self.events.load(state["events"])
        self.oauth.load(state.get("oauth", {}))
