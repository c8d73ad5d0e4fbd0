"""Details of Yotpo's members: who is asked for, and what becomes of the answers.

Yotpo has no list of histories: one request per member, 5 to 10 of them a second. So only those are
asked for whose list record differs from the one their stored details belong to, and those who were
known and are gone from the walk. The chain commits as it goes, and who was already asked for is
read back from what it committed: a backfill of days can be stopped at any moment.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dlt_sources.ahead import in_order
from dlt_sources.chains import Chain
from dlt_sources.coercion import Rejection
from dlt_sources.declarations import QUARANTINE, Table
from dlt_sources.errors import ImplausibleListingError, UnexpectedAnswerError
from dlt_sources.extraction import Extraction
from dlt_sources.listings import JUDGED_FROM_ROWS, LEAST_SHARE
from dlt_sources.paging import ask
from dlt_sources.spool import SpoolFile
from dlt_sources.yotpo import members
from dlt_sources.yotpo.resources import (
    COMPLETED_REFERRALS,
    CUSTOMER_ANNIVERSARIES,
    CUSTOMER_DETAILS,
    CUSTOMERS,
    HISTORY_ITEMS,
)
from vendor_http import ApiClient

# Enough requests in flight to fill 10 requests a second at an answer time of 800 ms.
DETAIL_THREADS = 8
_IN_FLIGHT = 2 * DETAIL_THREADS
_NOT_FOUND = 404
# One address that Yotpo does not take is that member's trouble; so many in a row are ours.
_MOST_REFUSED_IN_A_ROW = 20
_REFUSALS = (400, 422)

# How the anniversary is asked for: the only listing of it says that its parameter travels in the
# body of a GET, which many servers ignore.
Anniversaries = Literal["off", "query", "body"]


class Wanted(NamedTuple):
    """A member whose details are asked for."""

    key: str
    email: str
    list_hash: str | None
    is_walked: bool


class Answer(NamedTuple):
    """What Yotpo said about one member."""

    status: int
    details: Any
    anniversary_status: int = 0
    anniversary: Any = None


_WANTED = """
    with listed as (
        select distinct on (email_key) email_key, trim(email) as email, record_hash
        from walk
        order by email_key, last_seen_at desc nulls last
    ),
    absent as (
        select known.email_key, known.record_hash from known anti join listed using (email_key)
    ),
    wanted as (
        select listed.email_key, listed.email, listed.record_hash, true as is_walked
        from listed left join known using (email_key)
        where $every or known.record_hash is distinct from listed.record_hash
        union all
        -- Yotpo takes an e-mail in any case, so the key will do
        select email_key, email_key, record_hash, false from absent where $is_complete
    ),
    asked as (
        select email_key from done
        union all
        select record_id as email_key from refused
    )
    select * from wanted anti join asked using (email_key) order by is_walked desc, email_key
"""
_ABSENT = """
    select count(*) from known where email_key not in (select email_key from walk)
"""


def read_details(
    extraction: Extraction,
    client: ApiClient,
    known: pa.Table,
    *,
    every: bool,
    is_complete: bool,
    anniversaries: Anniversaries,
) -> None:
    """Ask for the details of whoever needs it, after the walk has ended.

    Args:
        known: `history.History.members`.
        every: ask for everybody, changed or not.
        is_complete: the walk lists everybody, so that who is absent may be gone.
    """
    chain = Chain(extraction, CUSTOMER_DETAILS.name)
    if chain.is_finished:
        return
    chain.begin("full" if every else "incremental")
    chain.expected = None
    wanted = _wanted(extraction, client, known, every=every, is_complete=is_complete)
    chain.expected = chain.row_count + wanted.num_rows
    # Refusals in a row; they are the members' own trouble only when others are answered again.
    refused: list[Rejection] = []
    with ThreadPoolExecutor(DETAIL_THREADS, thread_name_prefix="yotpo-details") as pool:

        def fetch(member: Wanted) -> Answer | None:
            return None if extraction.stopped.is_set() else _ask(client, member, anniversaries)

        try:
            for member, answer in in_order(
                pool, fetch, _members(wanted), _IN_FLIGHT, chain.commit_if_due
            ):
                if answer is None:  # another chain failed and its error is on its way
                    chain.commit()
                    return
                if answer.status in _REFUSALS and member.is_walked:
                    refused.append(_refusal(member, answer.status))
                    _judge_refused(client, refused, answer.status)
                else:
                    _set_aside(chain, refused)
                    _take(chain, client, member, answer)
                chain.moved("the next member")
        except Exception:
            chain.commit()
            raise
    _set_aside(chain, refused)
    chain.finish()


def _refusal(member: Wanted, status: int) -> Rejection:
    reason = f"the vendor refused to show the member ({status})"
    return Rejection(member.key, None, reason, {"email": member.email})


def _judge_refused(client: ApiClient, refused: list[Rejection], status: int) -> None:
    if len(refused) >= _MOST_REFUSED_IN_A_ROW:
        raise UnexpectedAnswerError(
            f"{client.vendor}: customer_details (GET /customers) refused {len(refused)} members in "
            f"a row, last with {status}. What was read is kept. Check that "
            "YOTPO_BASE_URL points at Yotpo's API, then run again"
        )


def _set_aside(chain: Chain, refused: list[Rejection]) -> None:
    for rejection in refused:
        chain.set_aside(CUSTOMER_DETAILS.name, rejection)
    refused.clear()


def _wanted(
    extraction: Extraction, client: ApiClient, known: pa.Table, *, every: bool, is_complete: bool
) -> pa.Table:
    columns = ("email_key", "email", "record_hash", "last_seen_at")
    walk = _columns(extraction.store(CUSTOMERS.name).files(), CUSTOMERS, columns)
    committed = extraction.store(CUSTOMER_DETAILS.name).files()
    done = _columns(committed, CUSTOMER_DETAILS, ("email_key",))
    refused = _columns(committed, QUARANTINE, ("record_id",))
    with duckdb.connect() as connection:
        for name, rows in (("walk", walk), ("done", done), ("refused", refused), ("known", known)):
            connection.register(name, rows)
        if is_complete:
            ((absent,),) = connection.execute(_ABSENT).fetchall()
            _judge_absent(extraction, client, absent, known.num_rows)
        found = connection.sql(_WANTED, params={"every": every, "is_complete": is_complete})
        wanted: pa.Table = found.to_arrow_table()
    return wanted


def _judge_absent(extraction: Extraction, client: ApiClient, absent: int, known: int) -> None:
    if extraction.allow_shrink or known < JUDGED_FROM_ROWS:
        return
    if known - absent < known * LEAST_SHARE:
        Chain(extraction, CUSTOMERS.name).restart()
        raise ImplausibleListingError(
            f"{client.vendor}: customers: {absent:,} of {known:,} known members are not in the "
            "list. Nothing of this run was loaded. If Yotpo lists only members who changed "
            "lately, set YOTPO_MEMBER_LIST=recent_window; if these members really left, run once "
            "with --allow-shrink; else run again later"
        )


def _columns(files: list[SpoolFile], table: Table, names: tuple[str, ...]) -> pa.Table:
    """Some columns of a table's committed rows; none without files."""
    parts = [
        pq.read_table(file.path, columns=list(names)) for file in files if file.table == table.name
    ]
    return pa.concat_tables([table.empty().select(list(names)), *parts])


def _members(wanted: pa.Table) -> Iterator[Wanted]:
    for batch in wanted.to_batches(max_chunksize=1_000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Wanted(*row)


def _ask(client: ApiClient, member: Wanted, anniversaries: Anniversaries) -> Answer:
    status, details = ask(
        client,
        "/customers",
        {
            "customer_email": member.email,
            "with_history": "true",  # one documentation says the default is false,
            "with_referral_code": "true",  # another one true
        },
        accept=(_NOT_FOUND, *_REFUSALS),
    )
    if anniversaries == "off" or details is None:
        return Answer(status, details)
    parameter = {"customer_email": member.email}
    in_query = anniversaries == "query"
    return Answer(
        status,
        details,
        *ask(
            client,
            "/customer_anniversary",
            parameter if in_query else {},
            accept=(_NOT_FOUND, *_REFUSALS),
            body=None if in_query else parameter,
        ),
    )


def _take(chain: Chain, client: ApiClient, member: Wanted, answer: Answer) -> None:
    """The rows of one member's answer."""
    # The newer API says 400 for shoppers outside the programme. Of somebody who was in the list a
    # moment ago a 400 is no such word.
    if answer.status == _NOT_FOUND or answer.status in _REFUSALS:
        chain.add(CUSTOMER_DETAILS, [members.missing_row(member.key, member.email)])
        return
    if not isinstance(answer.details, dict) or "email" not in answer.details:
        raise UnexpectedAnswerError(
            f"{client.vendor}: customer_details (GET /customers): the answer is no "
            "customer. Nothing of this run was loaded. Check that YOTPO_BASE_URL points at "
            "Yotpo's API, then run again"
        )
    details = answer.details
    chain.add(CUSTOMER_DETAILS, [members.detail_row(member.key, member.list_hash, details)])
    chain.add(HISTORY_ITEMS, members.history_rows(member.key, details))
    chain.add(COMPLETED_REFERRALS, members.referral_rows(member.key, details))
    if answer.anniversary_status:
        row = members.anniversary_row(member.key, answer.anniversary)
        chain.add(CUSTOMER_ANNIVERSARIES, [row])
