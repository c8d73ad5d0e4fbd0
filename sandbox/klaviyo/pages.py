"""Pages of Klaviyo's lists: by key, with an opaque cursor and a `next` link.

Pure but for the request it reads; which records are on the list is the caller's matter.
"""

from collections.abc import Callable, Sequence
from urllib.parse import quote, urlencode

import orjson

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo import responses
from sandbox.klaviyo.identity import opaque_id, read_opaque
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.schema import Problem


def page(
    call: Call,
    records: Sequence[Record],
    sort_key: Callable[[Record], str],
    render: Callable[[Record], Record],
    size: int,
    *,
    descending: bool = False,
    included: Callable[[Sequence[Record], Call], list[Record]] | None = None,
) -> Reply:
    """One page by key: a record that moves while paging is seen twice rather than skipped."""

    def position(record: Record) -> tuple[str, str]:
        return sort_key(record), record["id"]

    ordered = sorted(records, key=position, reverse=descending)
    cursor = call.query.get("page[cursor]")
    if cursor:
        try:
            text, identifier = orjson.loads(read_opaque(cursor))
        except (ValueError, TypeError):
            return responses.invalid([Problem("Invalid cursor.", parameter="page[cursor]")])
        last = (str(text), str(identifier))
        ordered = [
            record
            for record in ordered
            if (position(record) < last if descending else position(record) > last)
        ]
    shown = ordered[:size]
    following = None
    if len(ordered) > size:
        token = opaque_id(orjson.dumps(position(shown[-1])).decode())
        kept = [(name, value) for name, value in call.query.multi_items() if name != "page[cursor]"]
        query = urlencode([*kept, ("page[cursor]", token)], quote_via=quote)
        following = f"{call.base_url}{responses.PREFIX}{call.path}?{query}"
    body: Record = {
        "data": [render(record) for record in shown],
        "links": {"self": responses.self_url(call), "next": following, "prev": None},
    }
    if included is not None:
        body["included"] = included(shown, call)
    return responses.document(body)
