"""Reduces Klaviyo's OpenAPI document to `tests/fixtures/klaviyo_requests.json`.

Structure only: names, types, enums, what is required; no descriptions or examples. Objects whose
properties are listed take no others. The document: https://github.com/klaviyo/openapi, stable.json.
It holds the operations that this product asks for and no others: a request for one that is not here
is a fault (see `klaviyo_document`).

    python tests/strict_vendors/reduce_klaviyo.py stable.json
"""

import json
import sys
from pathlib import Path
from typing import Any

FIXTURE = Path(__file__).parents[1] / "fixtures" / "klaviyo_requests.json"
OPERATIONS = (
    ("get", "/api/accounts"),
    ("get", "/api/profiles"),
    ("get", "/api/profiles/{id}"),
    ("patch", "/api/profiles/{id}"),
    ("post", "/api/profile-import"),
    ("post", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs/{job_id}"),
    ("get", "/api/profile-bulk-import-jobs/{id}/import-errors"),
    ("post", "/api/data-privacy-deletion-jobs"),
    ("post", "/api/event-bulk-create-jobs"),
    ("get", "/api/events"),
    ("get", "/api/metrics"),
)
MEDIA_TYPE = "application/vnd.api+json"


def schema(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """One schema with references followed, as JSON Schema."""
    if "$ref" in node:
        target = document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]]
        return schema(document, {**target, "nullable": node.get("nullable", False)})
    kept: dict[str, Any] = {
        key: node[key] for key in ("type", "enum", "required", "minimum", "maximum") if key in node
    }
    if "properties" in node:
        kept["properties"] = {
            name: schema(document, child) for name, child in node["properties"].items()
        }
        kept["additionalProperties"] = False
    if "items" in node:
        kept["items"] = schema(document, node["items"])
    if "oneOf" in node:
        kept["oneOf"] = [schema(document, child) for child in node["oneOf"]]
    if node.get("nullable"):
        kept = {"anyOf": [{"type": "null"}, kept]}
    return kept


def operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """Parameters, filters, rate windows, body and kind of answer of one operation."""
    found = document["paths"][path][method]
    parameters = found.get("parameters", [])
    body = found.get("requestBody", {}).get("content", {}).get(MEDIA_TYPE, {}).get("schema")
    return {
        "query": {
            entry["name"]: schema(document, entry["schema"])
            for entry in parameters
            if entry["in"] == "query"
        },
        "required": {
            place: sorted(
                entry["name"]
                for entry in parameters
                if entry["in"] == place and entry.get("required")
            )
            for place in ("query", "header", "path")
        },
        "filters": {
            field: sorted({name for names in rules["operators"].values() for name in names})
            for field, rules in found.get("x-klaviyo-filters", {}).items()
        },
        "rate": {
            name: int(text.split("/")[0])
            for name, text in found["x-klaviyo-ratelimit"].items()
            if name in ("burst", "steady")
        },
        "answers": sorted(
            {media for answer in found["responses"].values() for media in answer.get("content", {})}
        ),
        **({"body": schema(document, body)} if body else {}),
    }


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text())
    reduced = {f"{m.upper()} {path}": operation(source, m, path) for m, path in OPERATIONS}
    FIXTURE.write_text(json.dumps(reduced, indent=1, sort_keys=True) + "\n")
