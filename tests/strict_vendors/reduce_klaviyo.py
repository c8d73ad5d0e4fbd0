"""Reduces Klaviyo's OpenAPI document to `tests/fixtures/klaviyo_requests.json`.

Structure only: names, types, enums, what is required; no descriptions or examples. Objects whose
properties are listed take no others. The document: https://github.com/klaviyo/openapi, stable.json.

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
    ("post", "/api/profile-import"),
    ("post", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs"),
    ("get", "/api/profile-bulk-import-jobs/{job_id}"),
    ("get", "/api/profile-bulk-import-jobs/{id}/import-errors"),
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
    """Query parameters, rate windows and body of one operation."""
    found = document["paths"][path][method]
    body = found.get("requestBody", {}).get("content", {}).get(MEDIA_TYPE, {}).get("schema")
    return {
        "query": {
            entry["name"]: schema(document, entry["schema"])
            for entry in found.get("parameters", [])
            if entry["in"] == "query"
        },
        "rate": {
            name: int(text.split("/")[0])
            for name, text in found["x-klaviyo-ratelimit"].items()
            if name in ("burst", "steady")
        },
        **({"body": schema(document, body)} if body else {}),
    }


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text())
    reduced = {f"{m.upper()} {path}": operation(source, m, path) for m, path in OPERATIONS}
    FIXTURE.write_text(json.dumps(reduced, indent=1, sort_keys=True) + "\n")
