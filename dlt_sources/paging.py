"""Walking a vendor's listing page by page, to its end or to a clear error.

Owns the ways of paging and the checks on an answer's shape. Knows no resource by name and keeps
nothing. Data flow: `ApiClient` answers a page -> the array inside it is yielded. An answer of
another shape stops the walk: loading half a listing would mark the other half as deleted.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import orjson

from dlt_sources.declarations import CursorPaging, Listing, NumberedPaging
from dlt_sources.errors import UnexpectedAnswerError
from vendor_http import ApiClient


def fetch(
    client: ApiClient,
    path: str,
    parameters: Mapping[str, Any],
    *,
    accept: tuple[int, ...] = (),
) -> Any:
    """GET and parse once; None for an accepted status. A truncated body is tried again.

    The parameters may hold an e-mail, so messages name the path alone.
    """
    parsed: list[Any] = []

    def parse(response: httpx.Response) -> None:
        parsed[:] = [orjson.loads(response.content)]

    answer = client.send(
        "GET", path, params=parameters, accept=accept, name=f"GET {path}", check=parse
    )
    return parsed[0] if answer.is_success else None


def pages(client: ApiClient, listing: Listing, filters: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Yield the records of each page, the empty last one included.

    All parameters are sent with every page: whether a cursor remembers them is documented by
    neither vendor.

    Raises:
        UnexpectedAnswerError: an answer of another shape, or a chain that leads back into itself.
    """
    parameters = {**listing.parameters, **filters}
    match listing.paging:
        case CursorPaging():
            yield from _chained(client, listing, listing.paging, parameters)
        case NumberedPaging():
            yield from _numbered(client, listing, listing.paging, parameters)
        case _:
            accept = (404,) if listing.none_when_missing else ()
            answer = fetch(client, listing.path, parameters, accept=accept)
            yield [] if answer is None else _records(client, listing, answer)


def _chained(
    client: ApiClient, listing: Listing, paging: CursorPaging, parameters: Mapping[str, Any]
) -> Iterator[list[Any]]:
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        asked: dict[str, Any] = {**parameters, paging.size_parameter: paging.size}
        if cursor:
            asked[paging.cursor_parameter] = cursor
        answer = fetch(client, listing.path, asked)
        yield _records(client, listing, answer)
        following = _next_cursor(answer, paging)
        if following is None or following == "":
            return
        cursor = str(following)
        if cursor in seen:
            raise _refusal(client, listing, "a page cursor came twice, so the list never ends")
        seen.add(cursor)


def _next_cursor(answer: Any, paging: CursorPaging) -> Any:
    """The cursor under `metadata`, where both vendors put it, or beside the list."""
    if not isinstance(answer, dict):
        return None  # a bare array is the whole list
    metadata = answer.get("metadata")
    holder = metadata if isinstance(metadata, dict) else answer
    return holder.get(paging.next_key)


def _numbered(
    client: ApiClient, listing: Listing, paging: NumberedPaging, parameters: Mapping[str, Any]
) -> Iterator[list[Any]]:
    number = 1
    previous: list[Any] | None = None
    while True:
        asked = {**parameters, paging.size_parameter: paging.size, paging.page_parameter: number}
        records = _records(client, listing, fetch(client, listing.path, asked))
        if records and records == previous:
            raise _refusal(client, listing, f"pages {number - 1} and {number} are the same")
        yield records
        if len(records) < paging.size:
            return
        previous = records
        number += 1


def _records(client: ApiClient, listing: Listing, answer: Any) -> list[Any]:
    """The array in an answer: under its key, or bare where the vendor answers so."""
    if listing.bare_array and isinstance(answer, list):
        return answer
    found = answer.get(listing.list_key) if isinstance(answer, dict) else None
    if listing.single and isinstance(found, dict):
        return [found]
    if not listing.single and isinstance(found, list):
        return found
    expected = "object" if listing.single else "list"
    raise _refusal(client, listing, f"the answer holds no {expected} {listing.list_key!r}")


def _refusal(client: ApiClient, listing: Listing, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"{client.vendor}: {listing.table.name} (GET {listing.path}): {what}. Nothing of this run "
        "was loaded. Check that the base URL points at the vendor's API, then run again; if it "
        "stays, the vendor changed its API"
    )
