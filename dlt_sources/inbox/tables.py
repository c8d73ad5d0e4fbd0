"""The raw tables of webhooks, and how a delivery is read as their rows.

A row holds who and when, as far as the body tells, and the whole body: what an event means is the
models' matter. Pure. Three e-mails, because a delivery can be about three people: the one it is
addressed to, the customer who did something, and a friend; whoever of them is erased, it goes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dlt_sources.declarations import QUARANTINE, Column, Table
from dlt_sources.erased import normalised
from dlt_sources.inbox.segments import Delivery

NAME = "webhook_events"

_SHARED = (
    Column("delivery_id", nullable=False),
    Column("received_at", "timestamp", nullable=False),
    Column("topic"),
    Column("name"),
    Column("occurred_at", "timestamp"),
    Column("email", names="email"),
)
_TAIL = (
    Column("event_header"),
    Column("payload", "json", nullable=False),
    Column("segment", nullable=False),
)

YOTPO_EVENTS = Table(
    name=NAME,
    grain="one delivery of a webhook",
    columns=(
        *_SHARED,
        Column("customer_email", names="email"),
        Column("friend_email", names="email"),
        *_TAIL,
    ),
    key=("delivery_id",),
    evidence="https://loyaltyapi.yotpo.com/reference/points-earned",
)
SMILE_EVENTS = Table(
    name=NAME,
    grain="one delivery of a webhook",
    columns=(*_SHARED, Column("customer_id", names="member"), *_TAIL),
    key=("delivery_id",),
    evidence="https://dev.smile.io/guides/apps/webhooks",
)
TABLES: Mapping[str, Table] = {"smile": SMILE_EVENTS, "yotpo": YOTPO_EVENTS}

# A body whose redemption is the event, even where the perk that gave it comes along.
_REDEMPTION_TOPICS = (
    "swell/redemption/created",
    "loyalty/custom/reward/created",
    "loyalty/donation/created",
)


def tables(source: str) -> tuple[Table, ...]:
    """What a load of an inbox fills: the events, and what of them could not be read."""
    return (TABLES[source], QUARANTINE)


def row(source: str, delivery: Delivery, segment: str) -> dict[str, Any]:
    """A delivery as a record of its raw table.

    Args:
        segment: name of the file that it lies in.
    """
    content = orjson.loads(delivery.body)
    return {
        "delivery_id": delivery.delivery_id,
        "received_at": delivery.received_at.isoformat(),
        "topic": delivery.topic,
        "event_header": delivery.event_header,
        # Written anew when it is loaded: nobody who looks for an address finds an escaped one.
        "payload": content,
        "segment": segment,
        **_READERS[source](content),
    }


def _yotpo(content: Mapping[str, Any]) -> dict[str, Any]:
    """See yotpo's topics, https://loyaltyapi.yotpo.com/reference/points-earned and its siblings."""
    customer = _part(content, "customer") or _part(content, "referrer")
    return {
        "name": content.get("name"),
        "occurred_at": _yotpo_moment(content),
        "email": _email(content.get("email")),
        "customer_email": _email(customer.get("email")),
        "friend_email": _email(_part(content, "referred_customer").get("email")),
    }


def _yotpo_moment(content: Mapping[str, Any]) -> Any:
    """When it happened, where the body tells: of a perk its completion, else its creation."""
    perk, redemption = _part(content, "perk"), _part(content, "redemption")
    moments = [perk.get("completed_at"), perk.get("created_at")]
    if content.get("topic") in _REDEMPTION_TOPICS:
        moments.insert(0, redemption.get("created_at"))
    else:
        moments.append(redemption.get("created_at"))
    return next((moment for moment in moments if moment), None)


def _smile(content: Mapping[str, Any]) -> dict[str, Any]:
    """`data.customer` is Smile's customer object, https://dev.smile.io/guides/apps/webhooks."""
    customer = _part(_part(content, "data"), "customer")
    return {
        "name": None,
        "occurred_at": customer.get("updated_at"),
        "email": _email(customer.get("email")),
        "customer_id": customer.get("id"),
    }


_READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "smile": _smile,
    "yotpo": _yotpo,
}


def _part(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = content.get(key)
    return part if isinstance(part, dict) else {}


def _email(value: Any) -> str | None:
    return normalised(value) or None if isinstance(value, str) else None
