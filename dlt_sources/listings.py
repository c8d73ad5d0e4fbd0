"""Reading one listing into its chain, from wherever an earlier process came to.

Owns what happens at the ends: a position that the vendor refuses begins the listing anew, and a
full listing that is implausibly short is not believed. Must not know a vendor.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dlt_sources.ahead import read_ahead
from dlt_sources.chains import Chain
from dlt_sources.declarations import Listing
from dlt_sources.errors import ImplausibleListingError
from dlt_sources.extraction import Extraction
from dlt_sources.paging import pages
from vendor_http import ApiClient, RequestRefusedError

# Statuses with which a vendor may refuse a position that grew old; which one is undocumented.
_STALE_POSITION = frozenset({400, 404, 410, 422})
# Fewer rows than this may vanish at once without a question: catalogues are short.
JUDGED_FROM_ROWS = 5
# A full listing shorter than this share of what was there is not believed.
LEAST_SHARE = 0.5


def read_listing(
    extraction: Extraction,
    client: ApiClient,
    listing: Listing,
    *,
    since: datetime | None = None,
    look_back: timedelta = timedelta(),
    prepare: Callable[[list[Any]], list[Any]] = list,
    is_complete: bool = True,
) -> None:
    """Read one listing to its end, from wherever an earlier process came to.

    Args:
        since: read what changed after this moment only; None = everything.
        look_back: how much earlier than `since` the vendor is asked for.
        prepare: a page's records with the columns that are ours.
        is_complete: false where a listing without filter still shows a part only.
    """
    column = "updated_at" if listing.since_parameter else None
    chain = Chain(extraction, listing.table.name, column)
    if chain.is_finished:
        return
    chain.begin("full" if since is None and is_complete else "incremental", since)
    filters: dict[str, Any] = {}
    if chain.since is not None and listing.since_parameter is not None:
        start = (chain.since - look_back).isoformat(timespec="milliseconds")
        filters = {listing.since_parameter: start.replace("+00:00", "Z")}
    may_begin_anew = True  # once per run: a position of an earlier run may be old each time
    while not chain.is_at_end:
        try:
            walk = pages(client, listing, filters, chain.position)
            for page in read_ahead(walk, chain.commit_if_due):
                chain.add(listing.table, prepare(page.records))
                chain.moved(page.position)
                if extraction.stopped.is_set() and page.position is not None:
                    chain.commit()
                    return
        except RequestRefusedError as refused:
            is_stale = refused.status in _STALE_POSITION and chain.position is not None
            if not is_stale or not may_begin_anew:
                chain.commit()
                raise
            may_begin_anew = False
            chain.restart()
        except Exception:
            chain.commit()
            raise
    if chain.is_full and not listing.single:
        judge_length(extraction, chain, client.vendor)
    chain.finish()


def judge_length(extraction: Extraction, chain: Chain, vendor: str) -> None:
    """Refuse a full listing that is implausibly short.

    Raises:
        ImplausibleListingError: nothing of the chain is kept, so that the next run asks anew.
    """
    chain.commit()
    before = extraction.present.get(chain.name, 0)
    if extraction.allow_shrink or before < JUDGED_FROM_ROWS:
        return
    if chain.row_count < before * LEAST_SHARE:
        found = chain.row_count
        chain.restart()
        raise ImplausibleListingError(
            f"{vendor}: {chain.name}: the whole list came back with {found:,} rows, where "
            f"{before:,} were known. Believing it would mark {before - found:,} of them as "
            "deleted, so nothing of this run was loaded. Run again later; if the list is "
            "true, run once with --allow-shrink"
        )
