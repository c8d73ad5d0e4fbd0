"""The reduction of the published document keeps the rules and leaves every sentence behind."""

from collections.abc import Iterator
from typing import Any

import orjson

from sandbox.klaviyo.reduce_openapi import SCHEMAS_PATH, SERVED, reduce_document, strict_schema

PROSE = {"description", "example", "examples", "title", "summary", "externalDocs"}


def keywords(schema: Any) -> Iterator[str]:
    """Schema keywords; names of properties are no keywords."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            if key == "properties":
                for inner in value.values():
                    yield from keywords(inner)
            elif key == "items":
                yield from keywords(value)


def test_the_stored_rules_cover_every_served_operation_without_a_sentence() -> None:
    document = orjson.loads(SCHEMAS_PATH.read_bytes())
    assert set(document["operations"]) == {f"{m.upper()} {path}" for m, path in SERVED}
    for rules in document["operations"].values():
        assert set(rules) <= {"id", "burst", "steady", "query", "filters", "body"}
        assert not PROSE & set(keywords(rules.get("body", {})))


def test_references_nullables_and_alternatives_become_plain_types() -> None:
    document = {
        "components": {
            "schemas": {
                "Place": {
                    "type": "object",
                    "description": "A place.",
                    "properties": {
                        "zip": {"type": "string", "nullable": True, "example": "1"},
                        "latitude": {
                            "nullable": True,
                            "oneOf": [{"type": "string"}, {"type": "number"}],
                        },
                        "names": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["zip"],
                }
            }
        }
    }
    assert strict_schema(document, {"$ref": "#/components/schemas/Place", "nullable": True}) == {
        "type": ["object", "null"],
        "properties": {
            "zip": {"type": ["string", "null"]},
            "latitude": {"type": ["string", "number", "null"]},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["zip"],
        "additionalProperties": False,
    }


def test_limits_and_filters_are_read_from_an_operation() -> None:
    operation = {
        "operationId": "get_things",
        "x-klaviyo-ratelimit": {"burst": "3/s", "steady": "60/m"},
        "parameters": [
            {
                "name": "filter",
                "in": "query",
                "schema": {"type": "string"},
                "description": "Fields:<br>`id`: `any`, `equals`<br>`updated`: `greater-than`",
            },
            {
                "name": "page[size]",
                "in": "query",
                "schema": {"type": "integer", "default": 20, "maximum": 100, "minimum": 1},
            },
            {"name": "revision", "in": "header", "schema": {"type": "string"}},
        ],
    }
    document = {
        "info": {"version": "2026-07-15"},
        "paths": {path: {} for _, path in SERVED},
    }
    for method, path in SERVED:
        document["paths"][path][method] = operation  # type: ignore[index]
    rules = reduce_document(document)["operations"]["GET /api/profiles"]
    assert (rules["burst"], rules["steady"]) == (3, 60)
    assert rules["filters"] == {"id": ["any", "equals"], "updated": ["greater-than"]}
    assert rules["query"]["page[size]"] == {"minimum": 1, "maximum": 100, "default": 20}
    assert "revision" not in rules["query"]
