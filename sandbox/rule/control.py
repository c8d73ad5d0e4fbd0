"""Control operations of the simulated Rule, below `/_sandbox/rule`; for tests only.

They look behind the API (waiting work is done first) and prepare what a sync meets: people of other
tools, blocked, pending and suppressed ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.errors import SandboxError
from sandbox.rule.catalogue import Record
from sandbox.rule.create import write_known
from sandbox.rule.entries import EntryRefusedError, FieldReader, prepare
from sandbox.rule.people import STATUSES
from sandbox.rule.services import Services

TAKES = ("email", "phone_number", "language", "fields", "tags", "status", "suppressions")


def routes(services: Services) -> Sequence[Route]:
    """Whole state, seeding, changing and removing."""

    def subscribers(call: Call) -> Reply:
        del call
        services.background.finish()
        return json_reply([shown(services, record) for record in services.people])

    def seed(call: Call) -> Reply:
        body = _object(call)
        if services.people.matches(body):
            raise SandboxError("A subscriber with this e-mail or phone exists; use PATCH.", 409)
        record = services.people.add({})
        try:
            change_subscriber(services, record, body)
        except SandboxError:
            services.people.remove(record)
            raise
        return json_reply(shown(services, record), 201)

    def change(call: Call) -> Reply:
        record = _find(services, call)
        change_subscriber(services, record, _object(call))
        return json_reply(shown(services, record))

    def remove(call: Call) -> Reply:
        record = _find(services, call)
        services.people.remove(record)
        return json_reply(shown(services, record))

    def automations(call: Call) -> Reply:
        del call
        services.background.finish()
        return json_reply(services.automations.started)

    def callbacks(call: Call) -> Reply:
        del call
        services.background.finish()
        return json_reply(services.background.callbacks)

    return [
        Route("GET", "/subscribers", subscribers),
        Route("POST", "/subscribers", seed),
        Route("PATCH", "/subscribers/{key}", change),
        Route("DELETE", "/subscribers/{key}", remove),
        Route("GET", "/automations", automations),
        Route("GET", "/callbacks", callbacks),
    ]


def shown(services: Services, record: Record) -> Record:
    """A subscriber with everything Rule knows; tags by name."""
    tags = [tag["name"] for tag in services.people.tag_names(record)]
    return {**record, "tags": tags}


def change_subscriber(services: Services, record: Record, body: Mapping[str, Any]) -> None:
    """Writes what `body` holds of `TAKES`.

    `fields` are as in the API; `tags` replace; `suppressions` replace, as
    `[{"dispatcher_type": "campaign", "message_type": "email"}]`.

    Raises:
        SandboxError: an unknown member or a value that Rule would refuse.
    """
    unknown = sorted(set(body) - set(TAKES))
    if unknown:
        raise SandboxError(f"Unknown members {unknown}; there are {', '.join(TAKES)}.")
    if body.get("status", STATUSES[0]) not in STATUSES:
        raise SandboxError(f"'status' is one of {', '.join(STATUSES)}.")
    try:
        entry = prepare(services, body, FieldReader(services), needs_identifier=False)
    except EntryRefusedError as refused:
        raise SandboxError(f"Rule would refuse {', '.join(refused.fields)}.") from None
    write_known(services, record, entry)
    if "tags" in body:
        record["tags"] = [services.catalogue.use_tag(tag)["id"] for tag in body["tags"]]
    if "status" in body:
        record["status"] = body["status"]
        record["opted_in"] = body["status"] != "PENDING"
    if "suppressions" in body:
        record["suppressions"] = []
        for item in body["suppressions"]:
            services.people.suppress(
                record, item["dispatcher_type"], item["message_type"], item.get("source", "user")
            )


def _find(services: Services, call: Call) -> Record:
    services.background.finish()
    key = call.path_params["key"]
    record = services.people.find("email", key) or services.people.find("id", key)
    if record is None:
        raise SandboxError("No subscriber has this id or e-mail.", 404)
    return record


def _object(call: Call) -> dict[str, Any]:
    body = call.json()
    if not isinstance(body, dict):
        raise SandboxError("The body must be a JSON object.")
    return body
