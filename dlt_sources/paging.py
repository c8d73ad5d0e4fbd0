"""Walking a vendor's listing page by page, to its end or to a clear error.

Owns the ways of paging and the checks on an answer's shape. Knows no resource by name and keeps
nothing. Data flow: `ApiClient` answers a page -> its records and the place to go on from. An answer
of another shape stops the walk: loading half a listing would mark the other half as deleted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from dlt_sources.declarations import CursorPaging, Listing, NumberedPaging
from dlt_sources.errors import UnexpectedAnswerError
from vendor_http import ApiClient


def ask(
    client: ApiClient,
    path: str,
    parameters: Mapping[str, Any],
    *,
    accept: tuple[int, ...] = (),
    body: Mapping[str, Any] | None = None,
) -> tuple[int, Any]:
    """GET and parse once; (status, None) for an accepted status. A truncated body is tried again.

    The parameters may hold an e-mail, so messages name the path alone.
    """
    parsed: list[Any] = []

    def parse(response: httpx.Response) -> None:
        parsed[:] = [orjson.loads(response.content)]

    answer = client.send(
        "GET", path, params=parameters, json=body, accept=accept, name=f"GET {path}", check=parse
    )
    return answer.status_code, parsed[0] if answer.is_success else None


def fetch(
    client: ApiClient, path: str, parameters: Mapping[str, Any], *, accept: tuple[int, ...] = ()
) -> Any:
    """What `ask` parsed; None for an accepted status."""
    return ask(client, path, parameters, accept=accept)[1]


@dataclass(frozen=True)
class Page:
    """Records of one page, and where the next one begins.

    Attributes:
        position: what `pages` takes as `start` to go on after this page; None at the end.
    """

    records: list[Any]
    position: str | None


def pages(
    client: ApiClient, listing: Listing, filters: Mapping[str, Any], start: str | None = None
) -> Iterator[Page]:
    """Yield each page, the empty last one included.

    All parameters are sent with every page: whether a cursor remembers them is documented by
    neither vendor.

    Args:
        start: the position after the last page of an interrupted walk; None = the first page.

    Raises:
        UnexpectedAnswerError: an answer of another shape, or a chain that leads back into itself.
    """
    parameters = {**listing.parameters, **filters}
    match listing.paging:
        case CursorPaging():
            yield from _chained(client, listing, listing.paging, parameters, start)
        case NumberedPaging():
            yield from _numbered(client, listing, listing.paging, parameters, start)
        case _:
            accept = (404,) if listing.none_when_missing else ()
            answer = fetch(client, listing.path, parameters, accept=accept)
            yield Page([] if answer is None else _records(client, listing, answer), None)


def _chained(
    client: ApiClient,
    listing: Listing,
    paging: CursorPaging,
    parameters: Mapping[str, Any],
    start: str | None,
) -> Iterator[Page]:
    cursor = start
    seen: set[str] = set()
    while True:
        asked: dict[str, Any] = {**parameters, paging.size_parameter: paging.size}
        if cursor is not None:
            asked[paging.cursor_parameter] = cursor
        answer = fetch(client, listing.path, asked)
        following = _next_cursor(answer, paging)
        cursor = None if following in (None, "") else str(following)
        yield Page(_records(client, listing, answer), cursor)
        if cursor is None:
            return
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
    client: ApiClient,
    listing: Listing,
    paging: NumberedPaging,
    parameters: Mapping[str, Any],
    start: str | None,
) -> Iterator[Page]:
    number = int(start or 1)
    previous: list[Any] | None = None
    while True:
        asked = {**parameters, paging.size_parameter: paging.size, paging.page_parameter: number}
        answer = fetch(client, listing.path, asked)
        records = _records(client, listing, answer)
        if records and records == previous:
            raise _refusal(client, listing, f"pages {number - 1} and {number} are the same")
        number += 1
        if paging.total_key:
            is_last = number > _total_pages(answer, paging.total_key)
        else:
            is_last = len(records) < paging.size
        yield Page(records, None if is_last else str(number))
        if is_last:
            return
        previous = records


def _total_pages(answer: Any, keys: tuple[str, ...]) -> int:
    """How many pages there are; 1 where the answer does not say."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer if isinstance(answer, int) else 1


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
