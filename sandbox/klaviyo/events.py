"""Events and metrics of the simulated account.

Owns stored events, the memory of their unique ids, and the metrics that appear with their first
event. Whether an event would have started a flow is recorded beside it, so that a test can assert
that none did. Rules: https://developers.klaviyo.com/en/reference/events_api_overview
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sandbox.core.switches import Switches
from sandbox.klaviyo.checks import event_time
from sandbox.klaviyo.identity import short_id
from sandbox.klaviyo.patching import Record

TEST_DOMAINS = ("example.com", "example.net", "example.org", "test.com")


class EventStore:
    """Events in the order of arrival. `now` is the sandbox's clock."""

    def __init__(
        self,
        now: Callable[[], datetime],
        switches: Switches,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._switches = switches
        self._monotonic = monotonic
        self._events: list[Record] = []
        self._metrics: dict[str, Record] = {}
        self._seen: dict[str, str] = {}

    def is_stored(self, profile_id: str, attributes: Mapping[str, Any]) -> bool:
        """Whether an event with this profile, metric and unique id is remembered."""
        metric = self._metrics.get(attributes["metric"]["data"]["attributes"]["name"])
        if metric is None:
            return False
        seen = self._seen.get(_key(profile_id, metric["id"], self._unique_id(attributes)))
        days = self._switches["event_dedupe_days"]
        return seen is not None and (
            days == 0 or self._now() - datetime.fromisoformat(seen) < timedelta(days=days)
        )

    def add(self, profile: Record, attributes: Mapping[str, Any], *, backfill: bool) -> None:
        """Stores one event unless it is a repetition, or of a test address."""
        domain = (profile["email"] or "").strip().lower().rpartition("@")[2]
        if self._switches["test_domains"] == "dropped" and domain in TEST_DOMAINS:
            return
        if self.is_stored(profile["id"], attributes):
            return
        metric = self._metric(attributes["metric"]["data"]["attributes"])
        moment = self._moment(attributes)
        unique_id = self._unique_id(attributes)
        self._seen[_key(profile["id"], metric["id"], unique_id)] = self._now().isoformat()
        max_age = self._switches["flow_max_age_days"]
        is_young = max_age == 0 or self._now() - moment <= timedelta(days=max_age)
        stamp = moment.isoformat(timespec="seconds")
        self._events.append(
            {
                "id": short_id(len(self._events) + 1, 11),
                "uuid": str(uuid.uuid4()),
                "profile_id": profile["id"],
                "metric_id": metric["id"],
                "timestamp": int(moment.timestamp()),
                "datetime": stamp,
                "event_properties": {
                    **attributes["properties"],
                    "$event_id": unique_id,
                    **self._value(metric, attributes),
                },
                "backfill": backfill,
                "starts_flow": not backfill and is_young,
                "accepted": self._monotonic(),
            }
        )
        if profile["last_event_date"] is None or profile["last_event_date"] < stamp:
            profile["last_event_date"] = stamp

    def visible(self) -> list[Record]:
        """Events that have become readable."""
        delay = self._switches["event_visible_seconds"]
        if delay <= 0:
            return list(self._events)
        limit = self._monotonic() - delay
        return [event for event in self._events if event["accepted"] <= limit]

    def metrics(self) -> list[Record]:
        """All metrics, oldest first."""
        return list(self._metrics.values())

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        return {"events": self._events, "metrics": self.metrics(), "seen": self._seen}

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`; all events are readable at once."""
        events: Sequence[Record] = state["events"]
        self._events = [{**event, "accepted": float("-inf")} for event in events]
        self._metrics = {metric["name"]: metric for metric in state["metrics"]}
        self._seen = dict(state["seen"])

    def _metric(self, attributes: Mapping[str, Any]) -> Record:
        name = attributes["name"]
        if name not in self._metrics:
            stamp = self._now().isoformat(timespec="seconds")
            self._metrics[name] = {
                "id": short_id(len(self._metrics) + 1),
                "name": name,
                "service": attributes.get("service") or "api",
                "created": stamp,
                "updated": stamp,
                "has_value": False,
            }
        return self._metrics[name]

    def _value(self, metric: Record, attributes: Mapping[str, Any]) -> dict[str, Any]:
        value = attributes.get("value")
        metric["has_value"] = metric["has_value"] or value is not None
        if not metric["has_value"]:
            return {}
        currency = attributes.get("value_currency")
        return {
            "$value": 0 if value is None else value,
            **({"$value_currency": currency} if currency is not None else {}),
        }

    def _moment(self, attributes: Mapping[str, Any]) -> datetime:
        text = attributes.get("time")
        return self._now().replace(microsecond=0) if text is None else event_time(text)

    def _unique_id(self, attributes: Mapping[str, Any]) -> str:
        unique_id = attributes.get("unique_id")
        return str(unique_id or int(self._moment(attributes).timestamp()))


def segmentable(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What segments see of an event: 0, null and empty text count as never set."""
    return {
        key: value
        for key, value in properties.items()
        if value is not None and value != "" and not (value == 0 and not isinstance(value, bool))
    }


def _key(profile_id: str, metric_id: str, unique_id: str) -> str:
    return f"{profile_id} {metric_id} {unique_id}"
