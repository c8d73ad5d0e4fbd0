"""Klaviyo's JSON:API documents: resources and errors.

Pure functions; records go in, JSON values or replies come out. Links inside resources end in a
slash, the top-level `self` echoes the request, as recorded against live accounts.
Errors: https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
"""

import uuid
from collections.abc import Iterable
from typing import Any

import orjson

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo.patching import IDENTIFIERS, LOCATION_FIELDS, TEXT_FIELDS, Record
from sandbox.klaviyo.schema import Problem

MEDIA_TYPE = "application/vnd.api+json"
PREFIX = "/klaviyo"
RATE_LIMITS_PAGE = (
    "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"
)


def document(value: Any, status: int = 200) -> Reply:
    """A JSON:API reply."""
    return Reply(status, orjson.dumps(value), content_type=MEDIA_TYPE)


def accepted() -> Reply:
    """202 without a body."""
    return Reply(202, content_type="")


def error_object(
    status: int, code: str, title: str, detail: str, source: dict[str, str], meta: Any = None
) -> Record:
    """One entry of `errors`."""
    return {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": code,
        "title": title,
        "detail": detail,
        "source": source,
        "links": {},
        "meta": meta or {},
    }


def refusal(status: int, code: str, title: str, detail: str, pointer: str) -> Reply:
    """A reply with one error."""
    return document(
        {"errors": [error_object(status, code, title, detail, {"pointer": pointer})]}, status
    )


def invalid(problems: Iterable[Problem], status: int = 400) -> Reply:
    """400 with one error per problem."""
    errors = [
        error_object(
            status,
            "invalid",
            "Invalid input.",
            problem.detail,
            {"parameter": problem.parameter}
            if problem.parameter is not None
            else {"pointer": problem.pointer or "/data"},
        )
        for problem in problems
    ]
    return document({"errors": errors}, status)


def not_found(kind: str, identifier: str) -> Reply:
    """404 as recorded for profiles."""
    detail = f"A {kind} with id {identifier} does not exist."
    return refusal(404, "not_found", "Not found.", detail, "/data/")


def duplicate_profile(existing_id: str) -> Reply:
    """409 that names the profile which has one of the identifiers."""
    error = error_object(
        409,
        "duplicate_profile",
        "Conflict.",
        "A profile already exists with one of these identifiers.",
        {"pointer": "/data/attributes"},
        {"duplicate_profile_id": existing_id},
    )
    return document({"errors": [error]}, 409)


def wrong_key(status: int) -> Reply:
    """401 as recorded; no rate-limit headers go with it."""
    text = "Incorrect authentication credentials."
    error = error_object(status, "authentication_failed", text, text, {"pointer": "/data/"})
    del error["links"], error["meta"]
    return document({"errors": [error]}, status)


def throttled(seconds: int) -> Reply:
    """429 as recorded: `retry-after` is the only rate-limit header."""
    plural = "" if seconds == 1 else "s"
    error = error_object(
        429,
        "throttled",
        "Request was throttled.",
        f"Request was throttled. Expected available in {seconds} second{plural}.",
        {"pointer": "/data"},
    )
    error["links"] = {"type": RATE_LIMITS_PAGE}
    error["meta"] = []
    return document({"errors": [error]}, 429).with_headers({"retry-after": str(seconds)})


def link(call: Call, path: str) -> str:
    """An absolute link to a path of this API."""
    return f"{call.base_url}{PREFIX}/api/{path}"


def sparse(resource: Record, call: Call) -> Record:
    """Keeps the attributes that `fields[type]` asks for (`location.city` keeps the location)."""
    wanted = call.query.get(f"fields[{resource['type']}]")
    if wanted:
        names = {part.split(".")[0] for part in wanted.split(",")}
        resource["attributes"] = {
            name: value for name, value in resource["attributes"].items() if name in names
        }
    return resource


def profile_resource(record: Record, call: Call) -> Record:
    """A profile as GET, POST, PATCH and profile-import return it."""
    self_link = link(call, f"profiles/{record['id']}/")
    attributes: Record = {
        **{name: record[name] for name in (*IDENTIFIERS, *TEXT_FIELDS)},
        "anonymous_id": None,
        "whatsapp_bsuid": None,
        "created": record["created"],
        "updated": record["updated"],
        "last_event_date": record["last_event_date"],
        "location": {name: record["location"].get(name) for name in LOCATION_FIELDS},
        "properties": record["properties"],
    }
    additional = call.query.get("additional-fields[profile]", "")
    if "subscriptions" in additional:
        is_open = record["consent"] != "UNSUBSCRIBED" and not record["suppressions"]
        marketing = {
            "can_receive_email_marketing": is_open,
            "consent": record["consent"],
            "suppression": record["suppressions"],
            "list_suppressions": [],
        }
        attributes["subscriptions"] = {"email": {"marketing": marketing}}
    if "predictive_analytics" in additional:
        attributes["predictive_analytics"] = None
    resource = {
        "type": "profile",
        "id": record["id"],
        "attributes": attributes,
        "relationships": {
            name: {
                "links": {
                    "self": f"{self_link}relationships/{name}/",
                    "related": f"{self_link}{name}/",
                }
            }
            for name in ("lists", "segments", "push-tokens", "conversation")
        },
        "links": {"self": self_link},
    }
    return sparse(resource, call)


def self_url(call: Call) -> str:
    """The requested URL, echoed."""
    query = call.query_bytes.decode()
    return f"{call.base_url}{PREFIX}{call.path}" + (f"?{query}" if query else "")
