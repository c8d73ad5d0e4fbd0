"""The activation models of events: their columns, and what an installation wants sent of them.

Values only. A model holds one row per event and destination, already shaped for it:

    klaviyo  event_id, email, metric, occurred_at, properties (JSON object), value, value_currency,
             is_first_load; optional: is_friend
    rule     event_id, email, event_type, tag, occurred_at, fields (JSON object Group.Field ->
             text), is_first_load, is_friend; optional: automation (once, reset, force), marker_tag
             (a tag that every event of its programme puts)
    both     optional: may_create_profile; false = told only to a vendor that we told something of
             this person before
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vendor_http import ConfigurationError

OBJECT = "events"
# column -> parts of SQL types that can carry it; empty = any.
COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "klaviyo": {
        "event_id": (),
        "email": (),
        "metric": (),
        "occurred_at": ("TIMESTAMP", "DATE"),
        "properties": ("JSON", "VARCHAR"),
        "value": ("INT", "DECIMAL", "DOUBLE", "FLOAT"),
        "value_currency": ("VARCHAR",),
        "is_first_load": ("BOOLEAN",),
    },
    "rule": {
        "event_id": (),
        "email": (),
        "event_type": (),
        "tag": ("VARCHAR",),
        "occurred_at": ("TIMESTAMP", "DATE"),
        "fields": ("JSON", "VARCHAR"),
        "is_first_load": ("BOOLEAN",),
        "is_friend": ("BOOLEAN",),
    },
}
# column -> its SQL type where it is missing.
OPTIONAL: Mapping[str, Mapping[str, str]] = {
    "klaviyo": {"is_friend": "BOOLEAN", "may_create_profile": "BOOLEAN"},
    "rule": {"automation": "VARCHAR", "marker_tag": "VARCHAR", "may_create_profile": "BOOLEAN"},
}


@dataclass(frozen=True)
class EventSync:
    """One declared sync of events.

    Attributes:
        destination: klaviyo or rule.
        live_hours: older events are told as backfill, which starts no flow. An event of its
            programme's first load is backfill whatever its age.
        is_triggering: Rule only: tags of live events may start automations.
        present_fields: Rule only: fields that the sync of people writes. They say what is true now,
            so history leaves them alone.
        sends_friends: events about friends of members, who are no members, are sent.
    """

    destination: str
    live_hours: float = 48
    is_triggering: bool = False
    sends_friends: bool = False
    present_fields: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.destination not in COLUMNS:
            raise ConfigurationError(
                f"events are sent to {', '.join(sorted(COLUMNS))}, not to {self.destination!r}"
            )

    @property
    def model(self) -> str:
        """Name of the dbt model, and of its table in schema `activation`."""
        return f"sync_{self.destination}__events"

    @property
    def relation(self) -> str:
        """Quoted name in the published file."""
        return f'"activation"."{self.model}"'
