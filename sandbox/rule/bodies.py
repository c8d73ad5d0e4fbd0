"""Reads request bodies. Whatever is not a JSON object counts as an empty one."""

from typing import Any

import orjson

from sandbox.core.calls import Call


def body_of(call: Call) -> dict[str, Any]:
    """The body as an object; `{}` when there is none, or when it is not JSON."""
    try:
        body = orjson.loads(call.body) if call.body else {}
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
