"""Control operations of the simulated Klaviyo, below `/_sandbox/klaviyo`; for tests only.

They look behind the API (the whole state at once) and prepare what the API cannot: profiles of
other tools, unsubscribed and suppressed people, people deleted at the vendor; OAuth tokens that end
early (`POST /oauth/expire`) and an app that was uninstalled (`DELETE /oauth`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.errors import SandboxError
from sandbox.klaviyo.events import segmentable
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import ProfileMissingError, WriteRules
from sandbox.klaviyo.services import Services

CONSENTS = ("SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED")


def routes(services: Callable[[], Services]) -> Sequence[Route]:
    """`services` is called per request: the stores exist only after the routes."""

    def profiles(call: Call) -> Reply:
        del call
        return json_reply(list(services().profiles))

    def seed(call: Call) -> Reply:
        return json_reply(seed_profile(services(), _object(call)), 201)

    def change(call: Call) -> Reply:
        record = _find(services(), call)
        return json_reply(change_profile(services(), record, _object(call)))

    def remove(call: Call) -> Reply:
        record = _find(services(), call)
        services().profiles.remove(record["id"])
        return json_reply(record)

    def jobs(call: Call) -> Reply:
        del call
        return json_reply(services().imports.dump())

    def events(call: Call) -> Reply:
        del call
        return json_reply(
            [
                {**event, "segmentable_properties": segmentable(event["event_properties"])}
                for event in services().events.dump()["events"]
            ]
        )

    def tokens(call: Call) -> Reply:
        del call
        return json_reply(services().oauth.counts())

    def expire(call: Call) -> Reply:
        del call
        services().oauth.expire_access()
        return json_reply(services().oauth.counts())

    def uninstall(call: Call) -> Reply:
        del call
        services().oauth.forget()
        return json_reply(services().oauth.counts())

    return [
        Route("GET", "/oauth", tokens),
        Route("POST", "/oauth/expire", expire),
        Route("DELETE", "/oauth", uninstall),
        Route("GET", "/profiles", profiles),
        Route("POST", "/profiles", seed),
        Route("PATCH", "/profiles/{key}", change),
        Route("DELETE", "/profiles/{key}", remove),
        Route("GET", "/jobs", jobs),
        Route("GET", "/events", events),
    ]


def seed_profile(services: Services, body: Mapping[str, Any]) -> Record:
    """Creates a profile as another tool would; see `change_profile` for what `body` may hold."""
    attributes = {name: value for name, value in body.items() if name not in _STATE}
    data = {"attributes": attributes}
    if services.profiles.matches(data):
        raise SandboxError("A profile with one of these identifiers exists; use PATCH.", 409)
    record = services.profiles.create(data, WriteRules())
    return _set_state(record, body)


def change_profile(services: Services, record: Record, body: Mapping[str, Any]) -> Record:
    """Writes attributes (null clears), `consent` and `suppressions` (`[{"reason": ...}]`)."""
    attributes = {name: value for name, value in body.items() if name not in _STATE}
    services.profiles.update(record["id"], {"attributes": attributes}, WriteRules())
    return _set_state(record, body)


_STATE = ("consent", "suppressions")


def _set_state(record: Record, body: Mapping[str, Any]) -> Record:
    if body.get("consent", CONSENTS[0]) not in CONSENTS:
        raise SandboxError(f"'consent' is one of {', '.join(CONSENTS)}.")
    record.update({name: body[name] for name in _STATE if name in body})
    return record


def _find(services: Services, call: Call) -> Record:
    key = call.path_params["key"]
    record = services.profiles.find("email", key)
    if record is not None:
        return record
    try:
        return services.profiles.get(key)
    except ProfileMissingError:
        raise SandboxError("No profile has this id or e-mail.", 404) from None


def _object(call: Call) -> dict[str, Any]:
    body = call.json()
    if not isinstance(body, dict):
        raise SandboxError("The body must be a JSON object.")
    return body
