"""Smile's source: every declared listing as a chain, all chains side by side.

Owns which listing is read in full and which from its watermark on. Data flow: `paging.pages` ->
what Smile's records need before they become rows -> `chains.read_listing`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from dlt_sources.declarations import Listing
from dlt_sources.extraction import Extraction, Source
from dlt_sources.history import History
from dlt_sources.listings import read_listing
from dlt_sources.smile.resources import CUSTOMERS, POINTS_SETTINGS, RESOURCES, TABLES
from dlt_sources.spool import Reach
from vendor_http import ApiClient

# Read again what changed this long before the watermark. Covers a filter that excludes its own
# moment (documented for two of three lists), rows with the same time, and clocks that disagree.
LOOK_BACK = timedelta(hours=1)
# Ledger and coupons change by updates that the filter shows; what vanished only a full list shows.
SWEEP_EVERY = timedelta(days=7)


def smile_source(
    client: ApiClient | None,
    *,
    history: History | None = None,
    reach: Reach = "daily",
    now: datetime | None = None,
    sweep_every: timedelta = SWEEP_EVERY,
) -> Source:
    """Smile's raw tables and how they are read this time.

    Args:
        client: of the account; None when Smile is not configured: tables are created, empty.
        history: what earlier extracts left; a listing without watermark in it is read in full.
        reach: `quick` = everything with a filter is read from its watermark; `daily` = customers in
            full (a new balance or tier may not move `updated_at`, and the deleted just vanish);
            `full` = everything in full.
        now: the product's clock; without it no sweep is due.
        sweep_every: ledger and coupons are read in full when that was last done so long ago.
    """
    if client is None:
        return Source("smile", tuple(TABLES.values()))
    known = history or History()

    def since(listing: Listing) -> datetime | None:
        name = listing.table.name
        if listing.since_parameter is None or reach == "full":
            return None
        if listing.whole and reach == "daily":
            return None
        swept = known.swept_at.get(name)
        if reach == "daily" and now is not None and (swept is None or now - swept >= sweep_every):
            return None
        return known.watermarks.get(name)

    readers = [partial(_read, client, listing, since(listing)) for listing in RESOURCES]
    requests = {listing.table.name: f"GET {listing.path}" for listing in RESOURCES}
    return Source("smile", tuple(TABLES.values()), readers, requests)


def _read(
    client: ApiClient, listing: Listing, since: datetime | None, extraction: Extraction
) -> None:
    prepare: Callable[[list[Any]], list[Any]] = list
    if listing.table is CUSTOMERS:
        prepare = _with_vip_flag
    if listing.table is POINTS_SETTINGS:
        prepare = _with_id
    read_listing(extraction, client, listing, since=since, look_back=LOOK_BACK, prepare=prepare)


def _with_vip_flag(records: list[Any]) -> list[Any]:
    return [
        {**record, "has_vip_status": record.get("vip_status") is not None}
        if isinstance(record, dict)
        else record
        for record in records
    ]


def _with_id(records: list[Any]) -> list[Any]:
    return [
        {**record, "id": POINTS_SETTINGS.name} if isinstance(record, dict) else record
        for record in records
    ]
