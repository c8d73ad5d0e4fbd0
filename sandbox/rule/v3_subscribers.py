"""v3 endpoints about subscribers and their tags.

A single subscriber's tags change at once, those of many later. Any `automation` value un-blocks a
blocked person. Facts: Rule's SDK (https://github.com/rulecom/rule-io-sdk), `docs/`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.addresses import is_email
from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.rule import responses
from sandbox.rule.automations import MODES
from sandbox.rule.bodies import body_of
from sandbox.rule.bulk import accept_later, people_of
from sandbox.rule.catalogue import Record, TagMissingError
from sandbox.rule.create import known_tags, tag_reasons
from sandbox.rule.people import IDENTIFIERS, STATUSES, DuplicateError
from sandbox.rule.services import Services
from sandbox.rule.v2_subscribers import remove_tag

BASE = "/api/v3/subscribers"


class V3Endpoints:
    """v3's writes of subscribers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> Sequence[Route]:
        """Paths below the vendor's prefix."""
        one = f"{BASE}/{{identifier}}"
        return [
            Route("POST", BASE, self._create),
            Route("POST", f"{BASE}/tags", self._tag_many),
            Route("DELETE", f"{BASE}/tags", self._untag_many),
            Route("POST", f"{BASE}/block", self._block),
            Route("POST", f"{BASE}/unblock", self._unblock),
            Route("DELETE", one, self._delete),
            Route("PUT", f"{one}/tags", self._tag),
            Route("DELETE", f"{one}/tags/{{tag}}", self._untag),
        ]

    def _create(self, call: Call) -> Reply:
        services = self._services
        body = body_of(call)
        given = {name: body[name] for name in IDENTIFIERS if body.get(name)}
        if not given:
            return responses.unprocessable({"email": ["The email field is required."]})
        if "email" in given and not is_email(str(given["email"])):
            text = "The email must be a valid email address."
            return responses.unprocessable({"email": [text]})
        if body.get("status", STATUSES[0]) not in STATUSES:
            return responses.unprocessable({"status": ["The selected status is invalid."]})
        matches = services.people.matches(given)
        status = 200 if matches else 201
        if matches and services.switches["v3_create_existing"] == "conflict":
            return responses.subscriber_exists()
        if matches and services.switches["v3_create_existing"] == "invalid":
            text = "The email has already been taken."
            return responses.unprocessable({next(iter(given)): [text]})
        record = matches[0] if matches else services.people.add(given, body.get("language"))
        try:
            services.people.identify(record, given)
        except DuplicateError:
            return responses.subscriber_exists()
        for name in ("status", "language"):
            if body.get(name):
                record[name] = body[name]
        services.people.touch(record)
        shown = responses.subscriber_v3(record, services.switches)
        return json_reply({"data": shown}, status)

    def _delete(self, call: Call) -> Reply:
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        self._services.people.remove(record)
        return responses.NO_BODY

    def _tag(self, call: Call) -> Reply:
        services = self._services
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        body = body_of(call)
        refusal = self._tag_refusal(body)
        if refusal is not None:
            return refusal
        mode = body.get("automation")
        if mode is not None:
            services.unblock(record)
        tags = [services.catalogue.use_tag(tag) for tag in body["tags"]]
        services.automations.assign(record, tags, mode)
        services.people.touch(record)
        return responses.NO_BODY

    def _untag(self, call: Call) -> Reply:
        record = self._find(call)
        if record is None:
            return responses.subscriber_missing()
        return remove_tag(self._services, record, call.path_params["tag"], responses.NO_BODY)

    def _tag_many(self, call: Call) -> Reply:
        services = self._services
        refusal = people_of(services, call) or self._tag_refusal(body_of(call))
        if refusal is not None:
            return refusal
        applies = services.switches["bulk_tags_automation"] == "applied"

        def assign(record: Record, body: Mapping[str, Any]) -> None:
            mode = body.get("automation") if applies else None
            if mode is not None:
                services.unblock(record)
            tags = [services.catalogue.use_tag(tag) for tag in body["tags"]]
            services.automations.assign(record, tags, mode)

        return accept_later(services, call, assign)

    def _untag_many(self, call: Call) -> Reply:
        services = self._services
        refusal = people_of(services, call) or self._tag_refusal(body_of(call))
        if refusal is not None:
            return refusal

        def detach(record: Record, body: Mapping[str, Any]) -> None:
            for reference in body["tags"]:
                try:
                    tag = services.catalogue.find_tag(reference)
                except TagMissingError:
                    continue
                if tag["id"] in record["tags"]:
                    record["tags"].remove(tag["id"])

        return accept_later(services, call, detach)

    def _block(self, call: Call) -> Reply:
        return self._set_status(call, "BLOCKED")

    def _unblock(self, call: Call) -> Reply:
        return self._set_status(call, "ACTIVE")

    def _set_status(self, call: Call, status: str) -> Reply:
        def change(record: Record, _: Mapping[str, Any]) -> None:
            record["status"] = status

        return people_of(self._services, call) or accept_later(self._services, call, change)

    def _tag_refusal(self, body: Mapping[str, Any]) -> Reply | None:
        reasons = tag_reasons(self._services, body)
        if not reasons and not body.get("tags"):
            reasons = {"tags": ["The tags field is required."]}
        if body.get("automation") not in (None, *MODES):
            reasons["automation"] = ["The selected automation is invalid."]
        if reasons:
            return responses.unprocessable(reasons)
        if not known_tags(self._services, body["tags"]):
            return responses.tag_missing()
        return None

    def _find(self, call: Call) -> Record | None:
        identified_by = call.query.get("identified_by", "email")
        if identified_by not in ("id", *IDENTIFIERS):
            return None
        return self._services.people.find(identified_by, call.path_params["identifier"])
