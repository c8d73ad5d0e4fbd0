"""Which tag automations a call starts.

Owns the record of started passes; every tag counts as the trigger of one automation, so a test can
assert that a sync started none. The matrix follows `docs/tag-automation-modes.md` of Rule's SDK
(https://github.com/rulecom/rule-io-sdk).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sandbox.rule.catalogue import Record

MODES = ("send", "force", "reset")
# Without `sync_subscribers`, only calls below this number of entries start automations ...
QUIET_FROM_ENTRIES = 20
# ... and with it, the first hundred entries at most.
MAX_STARTED_ENTRIES = 100


def started_entries(entry_count: int, sync_subscribers: bool | None) -> int:
    """For how many entries of a create call automations may start."""
    if sync_subscribers is None:
        return entry_count if entry_count < QUIET_FROM_ENTRIES else 0
    return min(entry_count, MAX_STARTED_ENTRIES) if sync_subscribers else 0


class Automations:
    """Passes in the order in which they were started."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.started: list[Record] = []
        self._passes: dict[tuple[int, int], list[Record]] = {}

    def load(self, started: Sequence[Record]) -> None:
        """Takes back passes that were saved."""
        self.started = list(started)
        self._passes = {}
        for known in started:
            key = known["subscriber_id"], known["tag_id"]
            self._passes.setdefault(key, []).append(known)

    def assign(self, record: Record, tags: Sequence[Mapping[str, Any]], mode: str | None) -> None:
        """Gives tags to a subscriber; `mode` None starts nothing."""
        for tag in tags:
            if tag["id"] not in record["tags"]:
                record["tags"].append(tag["id"])
            if mode is not None:
                self._start(record, tag, mode)

    def _start(self, record: Record, tag: Mapping[str, Any], mode: str) -> None:
        passes = self._passes.setdefault((record["id"], tag["id"]), [])
        if mode == "send" and passes:
            return
        if mode == "reset":
            for known in passes:
                known["is_cancelled"] = True
        started = {
            "subscriber_id": record["id"],
            "tag_id": tag["id"],
            "tag": tag["name"],
            "mode": mode,
            "started_at": self._now().isoformat(),
            "is_cancelled": False,
        }
        self.started.append(started)
        passes.append(started)
