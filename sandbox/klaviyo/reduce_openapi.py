"""Reduces Klaviyo's OpenAPI document to the rules that the simulated endpoints check.

Owns `schemas.json` beside this module: for each served operation its rate windows, its query
parameters, its filters, and the JSON schema of its request body. Only structure is kept (names,
types, enums, limits, what is required); no descriptions, examples or titles. It must not decide
what an error looks like: that is `schema.py`. The document comes from
https://github.com/klaviyo/openapi (`openapi/stable.json`); run again for a newer revision:

    python -m sandbox.klaviyo.reduce_openapi stable.json
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

SCHEMAS_PATH = Path(__file__).parent / "schemas.json"
MEDIA_TYPE = "application/vnd.api+json"
SERVED: tuple[tuple[str, str], ...] = (
    ("get", "/api/accounts"),
    ("post", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs/{job_id}"),
    ("get", "/api/profile-bulk-import-jobs/{id}/import-errors"),
    ("get", "/api/profile-bulk-import-jobs/{id}/profiles"),
    ("post", "/api/profile-import"),
    ("get", "/api/profiles"),
    ("post", "/api/profiles"),
    ("get", "/api/profiles/{id}"),
    ("patch", "/api/profiles/{id}"),
    ("post", "/api/data-privacy-deletion-jobs"),
    ("post", "/api/events"),
    ("get", "/api/events"),
    ("get", "/api/events/{id}"),
    ("post", "/api/event-bulk-create-jobs"),
    ("get", "/api/metrics"),
    ("get", "/api/metrics/{id}"),
)
KEPT_KEYWORDS = ("required", "enum", "format", "minimum", "maximum", "minLength", "maxLength")
FILTER_RULE = re.compile(r"`([\w.\-]+)`: ((?:`[a-z\-]+`(?:, )?)+)")


def reduce_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The whole reduced document: `{"revision", "operations": {"GET /api/...": rules}}`."""
    return {
        "revision": document["info"]["version"],
        "operations": {
            f"{method.upper()} {path}": reduce_operation(document, method, path)
            for method, path in SERVED
        },
    }


def reduce_operation(document: Mapping[str, Any], method: str, path: str) -> dict[str, Any]:
    """Rate windows, query parameters, filters and body schema of one operation."""
    operation = document["paths"][path][method]
    limits = operation["x-klaviyo-ratelimit"]
    rules: dict[str, Any] = {
        "id": operation["operationId"],
        "burst": int(limits["burst"].split("/")[0]),
        "steady": int(limits["steady"].split("/")[0]),
        "query": {},
    }
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "query":
            continue
        name = parameter["name"]
        if name == "filter":
            rules["filters"] = {
                field: re.findall(r"`([a-z\-]+)`", operators)
                for field, operators in FILTER_RULE.findall(parameter.get("description", ""))
            }
        rules["query"][name] = reduce_parameter(parameter["schema"])
    if "requestBody" in operation:
        rules["body"] = strict_schema(
            document, operation["requestBody"]["content"][MEDIA_TYPE]["schema"]
        )
    return rules


def reduce_parameter(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`{"enum"}` for lists and sorts, `{"minimum", "maximum", "default"}` for numbers."""
    source = schema.get("items", schema)
    return {key: source[key] for key in ("enum", "minimum", "maximum", "default") if key in source}


def strict_schema(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON schema without references, in which only the named members are allowed.

    `nullable` becomes a type list, and alternatives of different types are merged, so that every
    violation is reported at the place where it is.
    """
    is_nullable = bool(schema.get("nullable"))
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    branches: Sequence[Mapping[str, Any]] = schema.get("oneOf", (schema,))
    types = list(dict.fromkeys(branch["type"] for branch in branches if "type" in branch))
    if is_nullable or schema.get("nullable"):
        types.append("null")
    reduced: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    for branch in branches:
        reduced |= {key: branch[key] for key in KEPT_KEYWORDS if key in branch}
        if "items" in branch:
            reduced["items"] = strict_schema(document, branch["items"])
        if "properties" in branch:
            reduced["properties"] = {
                name: strict_schema(document, value) for name, value in branch["properties"].items()
            }
            reduced["additionalProperties"] = False
    return reduced


def main() -> None:
    """Command line: the path of the OpenAPI document; writes `schemas.json`."""
    parser = argparse.ArgumentParser(description="Write sandbox/klaviyo/schemas.json anew.")
    parser.add_argument("document", type=Path, help="Klaviyo's OpenAPI document (JSON)")
    reduced = reduce_document(orjson.loads(parser.parse_args().document.read_bytes()))
    lines = (
        f"{orjson.dumps(key).decode()}: {orjson.dumps(rules).decode()}"
        for key, rules in reduced["operations"].items()
    )
    SCHEMAS_PATH.write_text(
        f'{{"revision": "{reduced["revision"]}", "operations": {{\n' + ",\n".join(lines) + "\n}}\n"
    )


if __name__ == "__main__":
    main()
