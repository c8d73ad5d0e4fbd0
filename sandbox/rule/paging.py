"""v2's pages: `limit` up to 100, `page` from 1, and a next link that contains the key.

Pure but for the request it reads. See https://apidoc.rule.se/
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from sandbox.core.calls import Call, Reply, json_reply
from sandbox.credentials import RULE_API_KEY
from sandbox.rule import responses

MAX_LIMIT = 100
PREFIX = "/rule"


def page_of(
    call: Call, name: str, total: int, rows: Callable[[int, int], list[dict[str, Any]]]
) -> Reply:
    """`{name: [...], "meta": {"next"}}`; `rows(start, stop)` gives the rows of a page."""
    numbers = {}
    for key, default in (("limit", MAX_LIMIT), ("page", 1)):
        text = call.query.get(key, str(default))
        if not text.isdecimal() or int(text) < 1:
            return responses.bad_request({key: [f"The {key} must be a positive number."]})
        numbers[key] = int(text)
    limit, page = numbers["limit"], numbers["page"]
    if limit > MAX_LIMIT:
        return responses.limit_exceeded()
    following = None
    if page * limit < total:
        query = urlencode({"page": page + 1, "limit": limit, "apikey": RULE_API_KEY})
        following = f"{call.base_url}{PREFIX}{call.path}?{query}"
    return json_reply({name: rows((page - 1) * limit, page * limit), "meta": {"next": following}})
