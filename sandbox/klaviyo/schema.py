"""Checks requests against the reduced OpenAPI document and words what is wrong as Klaviyo does.

Owns the reading of `schemas.json` (made by `reduce_openapi.py`) and the compiled validators; holds
no state and knows no profile. Body and query go in, a list of problems comes out; the caller turns
them into the JSON:API error envelope.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from sandbox.klaviyo.reduce_openapi import SCHEMAS_PATH


@dataclass(frozen=True)
class Problem:
    """One reason to refuse: `pointer` (in the body) or `parameter` (of the query), and words."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


@dataclass(frozen=True)
class Operation:
    """The published rules of one operation: windows in requests per 1 s and per 60 s."""

    name: str
    burst: int
    steady: int
    query: Mapping[str, Mapping[str, Any]]
    filters: Mapping[str, list[str]]
    validator: jsonschema_rs.Validator | None


@cache
def operations() -> Mapping[str, Operation]:
    """All served operations by `"POST /api/profile-import"`."""
    document = orjson.loads(SCHEMAS_PATH.read_bytes())
    return {
        key: Operation(
            name=rules["id"],
            burst=rules["burst"],
            steady=rules["steady"],
            query=rules["query"],
            filters=rules.get("filters", {}),
            validator=(
                jsonschema_rs.validator_for(rules["body"], validate_formats=True)
                if "body" in rules
                else None
            ),
        )
        for key, rules in document["operations"].items()
    }


def body_problems(operation: Operation, payload: Any) -> list[Problem]:
    """Every violation of the published request schema, each with its pointer."""
    validator = operation.validator
    if validator is None or validator.is_valid(payload):
        return []
    return [
        problem
        for error in validator.iter_errors(payload)
        for problem in _problems_of(error, payload)
    ]


def _problems_of(error: jsonschema_rs.ValidationError, payload: Any) -> Iterable[Problem]:
    path = "/" + "/".join(str(part) for part in error.instance_path)
    kind = error.kind.as_dict()
    resource = _resource_at(payload, error.instance_path)
    match error.kind.name:
        case "additionalProperties":
            for field in kind["unexpected"]:
                yield Problem(
                    f"'{field}' is not a valid field for the resource '{resource}'.",
                    pointer=f"{path}/{field}",
                )
        case "required":
            field = str(kind["property"]).strip('"')
            yield Problem(
                f"'{field}' is a required field for the resource '{resource}'.",
                pointer=f"{path}/{field}",
            )
        case "type":
            names = " or ".join(sorted(kind["types"]))
            yield Problem(f"Invalid value: expected {names}.", pointer=path)
        case "enum":
            allowed = ", ".join(f"'{option}'" for option in kind["options"])
            yield Problem(f"Invalid value: expected one of {allowed}.", pointer=path)
        case name:
            yield Problem(f"Invalid value: the rule '{name}' is not met.", pointer=path)


def _resource_at(payload: Any, path: Iterable[str | int]) -> str:
    """The `type` of the innermost JSON:API resource that holds `path`."""
    resource = "unknown"
    here = payload
    for part in (None, *path):
        here = here if part is None else here[part]
        if isinstance(here, dict) and isinstance(here.get("type"), str):
            resource = here["type"]
    return resource


def query_problems(operation: Operation, query: Iterable[tuple[str, str]]) -> list[Problem]:
    """Unknown parameters, unknown fields or includes, and page sizes out of range."""
    problems = []
    for name, value in query:
        rules = operation.query.get(name)
        if rules is None:
            problems.append(
                Problem(f"'{name}' is not a valid parameter for this resource.", parameter=name)
            )
        elif "maximum" in rules:
            size = int(value) if value.isdecimal() else 0
            if not rules["minimum"] <= size <= rules["maximum"]:
                problems.append(
                    Problem(
                        "Page size must be an integer between "
                        f"{rules['minimum']} and {rules['maximum']}.",
                        parameter=name,
                    )
                )
        elif "enum" in rules:
            word = "include parameter" if name == "include" else "value"
            problems += [
                Problem(f"'{item}' is not an allowed {word} for this resource.", parameter=name)
                for item in value.split(",")
                if item not in rules["enum"]
            ]
    return problems
