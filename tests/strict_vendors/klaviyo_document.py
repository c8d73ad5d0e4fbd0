"""Holds a request against Klaviyo's published OpenAPI document (reduced, in fixtures).

Pure: a request in, a list of faults out; knows no server. Whoever sees requests hands them over:
the strict vendor each of its calls, `klaviyo_witness` those of whole suites at the sandbox. Faults
name members and operations, never a value.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

RULES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "klaviyo_requests.json").read_text()
)
MEDIA_TYPE = "application/vnd.api+json"
BODIES = {
    name: jsonschema_rs.validator_for(rule["body"])
    for name, rule in RULES.items()
    if "body" in rule
}
_PATHS = {
    name: re.compile(re.sub(r"\{\w+\}", "[^/]+", name.split(" ", 1)[1]) + "/?") for name in RULES
}
_REVISION = re.compile(r"20\d\d-(01|04|07|10)-15")
_CREDENTIAL = re.compile(r"(Klaviyo-API-Key|Bearer) \S+")
_TERM = re.compile(r"([a-z-]+)\(([\w.]+),(.*)\)")


def operation_of(method: str, path: str) -> str | None:
    """`"GET /api/profiles/{id}"` of a request, None for one that the document does not hold."""
    for name, pattern in _PATHS.items():
        if name.startswith(f"{method} ") and pattern.fullmatch(path):
            return name
    return None


def faults(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
) -> list[str]:
    """Everything in which a request departs from the document.

    Args:
        path: decoded, from `/api` on.
        query: names and values, decoded, in order.
        headers: by lower-case name.
    """
    name = operation_of(method, path)
    if name is None:
        return [f"{method} of a path that is no operation ({path.count('/')} parts)"]
    rule = RULES[name]
    found = [
        *_header_faults(rule, headers),
        *_query_faults(rule, list(query)),
        *_body_faults(name, headers, body),
    ]
    return [f"{name}: {fault}" for fault in found]


def _header_faults(rule: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
    for needed in rule["required"]["header"]:
        if needed not in headers:
            yield f"no header {needed}"
    if not _REVISION.fullmatch(headers.get("revision", "2026-07-15")):
        yield "revision is no date of a release"
    if not _CREDENTIAL.fullmatch(headers.get("authorization", "")):
        yield "Authorization has neither a private key nor a token"
    if "klaviyo-api-key" in headers:
        yield "the key in a header of its own: the scheme's name is not the header's"
    accepted = [part.partition(";")[0].strip() for part in headers.get("accept", "").split(",")]
    if rule["answers"] and not set(rule["answers"]) & set(accepted):
        yield "Accept leaves out the media type of the answer"


def _query_faults(rule: Mapping[str, Any], query: list[tuple[str, str]]) -> Iterator[str]:
    names = [name for name, _ in query]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"query parameter {name} is repeated"  # lists are joined by commas: explode is false
    for needed in rule["required"]["query"]:
        if needed not in names:
            yield f"no query parameter {needed}"
    for name, value in query:
        schema = rule["query"].get(name)
        if schema is None:
            yield f"query parameter {name} is unknown"
        elif not jsonschema_rs.is_valid(schema, _typed(schema, value)):
            yield f"query parameter {name} has a value that is not allowed"
        elif name == "filter":
            yield from _filter_faults(rule["filters"], value)


def _typed(schema: Mapping[str, Any], value: str) -> Any:
    """A query value as its schema's type."""
    if schema.get("type") == "array":
        return value.split(",")
    if schema.get("type") == "integer":
        return int(value) if value.isdecimal() else value
    return value


def _filter_faults(allowed: Mapping[str, list[str]], value: str) -> Iterator[str]:
    """One term, `operator(field,literal)`: this product asks for no more at a time."""
    term = _TERM.fullmatch(value)
    if term is None:
        yield "the filter is not operator(field,value)"
        return
    operator, field, literal = term.groups()
    if operator not in allowed.get(field, []):
        yield f"the filter {operator}({field}) is not allowed"
    try:
        given = json.loads(literal)
    except ValueError:
        yield "the filter's value is no literal"
        return
    values = given if operator == "any" else [given]
    if not isinstance(values, list) or not values:
        yield "the filter has no values"
    elif not all(isinstance(item, str) for item in values):
        yield "the filter's values are no texts"


def _body_faults(name: str, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    if name not in BODIES:
        if body:
            yield "a body where none is described"
        return
    if headers.get("content-type") != MEDIA_TYPE:
        yield "Content-Type is not the described one"
    if not body:
        yield "no body"
        return
    try:
        payload = json.loads(body)
    except ValueError:
        yield "the body is no JSON"
        return
    for error in BODIES[name].iter_errors(payload):
        place = "/".join("*" if isinstance(p, int) else p for p in error.instance_path)
        yield f"body at /{place}: the rule '{error.kind.name}' is not met"


def has_null(value: Any) -> bool:
    """Whether a null stands anywhere in a value."""
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None
