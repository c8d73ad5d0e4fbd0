"""The dlt source `yotpo`: the walk over all members, details of the changed ones, the catalogues.

Yotpo has no "updated since" that anybody can rely on and no list of histories. So every run walks
all members (100 a request) and asks for details, history and referrals (one request a member) of
those only whose list record differs from the one their stored details belong to, and of those who
were known and are gone from the walk. Data flow: page -> `customers` rows; changed members -> a
bounded pool of threads -> `customer_details`, `history_items`, `completed_referrals`.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import dlt
from dlt.extract import DltResource, DltSource

from dlt_sources.declarations import Listing
from dlt_sources.errors import UnexpectedAnswerError
from dlt_sources.extraction import (
    BATCH_ROWS,
    Chain,
    Extraction,
    Report,
    batches,
    nothing,
    read_chain,
    resource,
    without_repeats,
)
from dlt_sources.paging import fetch, pages
from dlt_sources.yotpo import members
from dlt_sources.yotpo.resources import (
    COMPLETED_REFERRALS,
    CUSTOMER_DETAILS,
    CUSTOMERS,
    HISTORY_ITEMS,
    MEMBER_TABLES,
    MEMBERS,
    RESOURCES,
    VIP_TIERS,
)
from vendor_http import ApiClient

# Enough requests in flight to fill 10 requests a second at an answer time of 800 ms.
DETAIL_THREADS = 8
# 404 = not a customer. The newer API says 400 for some of them; of somebody who was in the list a
# moment ago a 400 would rather be a fault of ours.
_UNKNOWN = (404,)
_UNKNOWN_AND_GONE = (404, 400)
# Members whose details are in memory at a time.
_DETAIL_CHUNK = 1_000


class _Wanted(NamedTuple):
    """A member whose details are asked for."""

    key: str
    email: str
    list_hash: str | None
    walked: bool


def yotpo_source(
    client: ApiClient | None,
    *,
    program: str,
    clock: Callable[[], datetime],
    extract_id: int,
    report: Report | None = None,
    known_hashes: Callable[[], Mapping[str, str]] | None = None,
    full: bool = False,
    detail_limit: int | None = None,
) -> DltSource:
    """Yotpo's raw tables for one extraction.

    Args:
        client: of the account; None when Yotpo is not configured: tables are created, empty.
        program: the programme's name in every row.
        clock: the product's clock, aware.
        extract_id: nanoseconds of the extraction's real start.
        report: called with (table, rows) while reading, from several threads.
        known_hashes: per known member the hash of the list record its details belong to
            (`history.read_known_hashes`, read before the extraction starts). Without it everybody
            is new.
        full: ask for everybody's details, changed or not.
        detail_limit: at most this many members' details; the others are new in the next run too.
    """
    known = {} if known_hashes is None or client is None else dict(known_hashes())
    extraction = Extraction(program, extract_id, clock, report)

    def walk_members() -> Iterator[Any]:
        if client is None:
            return nothing()
        return _Members(client, extraction, known, full=full, limit=detail_limit).read()

    catalogues = [listing for listing in RESOURCES if listing is not MEMBERS]
    return DltSource(
        dlt.Schema("yotpo"),
        "yotpo",
        [
            resource(CUSTOMERS.name, MEMBER_TABLES, walk_members),
            *(_catalogue(listing, client, extraction) for listing in catalogues),
        ],
    )


def _catalogue(listing: Listing, client: ApiClient | None, extraction: Extraction) -> DltResource:
    def produce() -> Iterator[Any]:
        if client is None:
            return nothing()
        walk = pages(client, listing, {})
        if listing.table is VIP_TIERS:
            walk = (_numbered(records) for records in walk)
        return read_chain(extraction, listing.table, walk)

    return resource(listing.table.name, (listing.table,), produce)


def _numbered(records: list[Any]) -> list[Any]:
    return [
        {**record, "list_position": place} if isinstance(record, dict) else record
        for place, record in enumerate(records, start=1)
    ]


class _Members:
    """One walk over all members, and the details it calls for."""

    def __init__(
        self,
        client: ApiClient,
        extraction: Extraction,
        known: Mapping[str, str],
        *,
        full: bool,
        limit: int | None,
    ) -> None:
        self._client = client
        self._extraction = extraction
        self._known = known
        self._full = full
        self._limit = limit
        self._list = Chain(extraction, CUSTOMERS.name)
        self._details = Chain(extraction, CUSTOMER_DETAILS.name)
        self._detail_count = 0

    def read(self) -> Iterator[Any]:
        """Items for dlt: all members first, then the details of the changed and the gone.

        The walk is not interrupted for the details, which can take hours: nobody documents how
        long a page cursor stays valid.
        """
        try:
            seen: set[str] = set()
            wanted: list[_Wanted] = []
            walk = self._extraction.until_stopped(pages(self._client, MEMBERS, {}))
            for records in batches(walk, BATCH_ROWS):
                yield from self._walked(records, seen, wanted)
            if self._extraction.stopped.is_set():
                return  # another chain failed and its error is on its way
            yield self._list.finished("full", len(seen))
            # Yotpo takes an e-mail in any case, so the key will do.
            wanted += [
                _Wanted(key, key, digest, walked=False)
                for key, digest in self._known.items()
                if key not in seen
            ]
            yield from self._read_details(wanted[: self._limit])
        except BaseException:
            self._extraction.stopped.set()
            raise
        yield self._details.finished("full" if self._full else "incremental", self._detail_count)

    def _walked(self, records: list[Any], seen: set[str], wanted: list[_Wanted]) -> Iterator[Any]:
        rows, rejected = self._list.rows(CUSTOMERS, [members.list_row(each) for each in records])
        fresh = without_repeats(rows, "email_key", seen)
        if fresh.num_rows:
            yield self._list.item(CUSTOMERS, fresh)
        yield from rejected
        columns = [fresh[name].to_pylist() for name in ("email_key", "email", "record_hash")]
        wanted += [
            _Wanted(key, email.strip(), digest, walked=True)
            for key, email, digest in zip(*columns, strict=True)
            if self._full or self._known.get(key) != digest
        ]

    def _read_details(self, wanted: list[_Wanted]) -> Iterator[Any]:
        with ThreadPoolExecutor(DETAIL_THREADS, thread_name_prefix="yotpo-details") as pool:
            for start in range(0, len(wanted), _DETAIL_CHUNK):
                chunk = wanted[start : start + _DETAIL_CHUNK]
                yield from self._rows(chunk, list(pool.map(self._ask, chunk)))

    def _ask(self, member: _Wanted) -> Any:
        """One member's details; None when Yotpo does not know it."""
        if self._extraction.stopped.is_set():
            return None  # the run has failed already; this answer would be thrown away
        try:
            return fetch(
                self._client,
                "/customers",
                {
                    "customer_email": member.email,
                    "with_history": "true",  # one documentation says the default is false,
                    "with_referral_code": "true",  # another one true
                },
                accept=_UNKNOWN if member.walked else _UNKNOWN_AND_GONE,
            )
        except BaseException:
            self._extraction.stopped.set()
            raise

    def _rows(self, chunk: list[_Wanted], answers: list[Any]) -> Iterator[Any]:
        details: list[Any] = []
        history: list[Any] = []
        referrals: list[Any] = []
        for member, answer in zip(chunk, answers, strict=True):
            if answer is None:
                details.append(members.missing_row(member.key, member.email))
                continue
            if not isinstance(answer, dict) or "email" not in answer:
                raise UnexpectedAnswerError(
                    f"{self._client.vendor}: customer_details (GET /customers): the answer is no "
                    "customer. Nothing of this run was loaded. Check that YOTPO_BASE_URL points at "
                    "Yotpo's API, then run again"
                )
            details.append(members.detail_row(member.key, member.list_hash, answer))
            history += members.history_rows(member.key, answer)
            referrals += members.referral_rows(member.key, answer)
        self._detail_count += len(details)
        for table, records in (
            (CUSTOMER_DETAILS, details),
            (HISTORY_ITEMS, history),
            (COMPLETED_REFERRALS, referrals),
        ):
            rows, rejected = self._details.rows(table, records)
            if rows.num_rows:
                yield self._details.item(table, rows)
            yield from rejected
