"""v3 calls about many subscribers: checked now, answered 204, done later.

What fails later is told nobody but the callback. Facts: `docs/async-operations.md` of Rule's SDK
(https://github.com/rulecom/rule-io-sdk).
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.core.calls import Call, Reply
from sandbox.rule import responses
from sandbox.rule.bodies import body_of
from sandbox.rule.catalogue import Record
from sandbox.rule.people import IDENTIFIERS
from sandbox.rule.services import Services

MAX_SUBSCRIBERS = 1000


def people_of(services: Services, call: Call) -> Reply | None:
    """The refusal of a body whose `subscribers` are not 1 to 1000 objects of one identifier."""
    people = body_of(call).get("subscribers")
    if not isinstance(people, list) or not 1 <= len(people) <= MAX_SUBSCRIBERS:
        text = f"The subscribers field must have between 1 and {MAX_SUBSCRIBERS} items."
        return responses.unprocessable({"subscribers": [text]})
    for index, item in enumerate(people):
        given = _identifiers(item) if isinstance(item, dict) else []
        if len(given) != 1:
            text = "Exactly one identifier is required."
            status = services.switches["bad_identifier_status"]
            return responses.unprocessable({f"subscribers.{index}": [text]}, status)
    return None


def accept_later(
    services: Services, call: Call, act: Callable[[Record, Mapping[str, Any]], None]
) -> Reply:
    """204 now; `act` on every known subscriber after the delay, then the callback."""
    body = body_of(call)

    def work() -> None:
        for item in body["subscribers"]:
            (name,) = _identifiers(item)
            record = services.people.find(name, item[name])
            if record is not None:
                act(record, body)
                services.people.touch(record)
        if body.get("callback_url"):
            method = services.switches["callback_method"]
            services.background.record_callback(str(body["callback_url"]), method)

    services.background.later(services.switches["async_seconds"], work)
    return responses.NO_BODY


def _identifiers(item: Mapping[str, Any]) -> list[str]:
    return [name for name in ("id", *IDENTIFIERS) if item.get(name) is not None]
