"""The dlt source `smile`: every declared listing as a resource, all chains side by side.

Owns which listing is read in full and which from its watermark on. Data flow: `paging.pages` ->
what Smile's records need before they become rows -> `extraction.read_chain`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import dlt
from dlt.extract import DltResource, DltSource

from dlt_sources.declarations import Listing
from dlt_sources.extraction import Extraction, Report, Watermarks, nothing, read_chain, resource
from dlt_sources.paging import pages
from dlt_sources.smile.resources import CUSTOMERS, POINTS_SETTINGS, RESOURCES
from vendor_http import ApiClient

# Read again what changed this long before the watermark. Covers a filter that excludes its own
# moment (documented for two of three lists), rows with the same time, and clocks that disagree.
LOOK_BACK = timedelta(hours=1)


def smile_source(
    client: ApiClient | None,
    *,
    program: str,
    clock: Callable[[], datetime],
    extract_id: int,
    report: Report | None = None,
    watermarks: Callable[[], Watermarks] | None = None,
    full: bool = False,
) -> DltSource:
    """Smile's raw tables for one extraction.

    Args:
        client: of the account; None when Smile is not configured: tables are created, empty.
        program: the programme's name in every row.
        clock: the product's clock, aware.
        extract_id: nanoseconds of the extraction's real start.
        report: called with (table, rows) while reading, from several threads.
        watermarks: per resource the newest `updated_at` that an earlier extract can vouch for
            (`history.read_watermarks`, read before the extraction starts). Without it, or for a
            resource that is not in it, the listing is read in full.
        full: read everything, whatever the watermarks say.
    """
    known: Watermarks = {} if watermarks is None or full or client is None else watermarks()
    extraction = Extraction(program, extract_id, clock, report)
    return DltSource(
        dlt.Schema("smile"),
        "smile",
        [_resource(listing, client, extraction, known) for listing in RESOURCES],
    )


def _resource(
    listing: Listing, client: ApiClient | None, extraction: Extraction, watermarks: Watermarks
) -> DltResource:
    def produce() -> Iterator[Any]:
        if client is None:
            return nothing()
        return _read(listing, client, extraction, watermarks.get(listing.table.name))

    return resource(listing.table.name, (listing.table,), produce)


def _read(
    listing: Listing, client: ApiClient, extraction: Extraction, watermark: datetime | None
) -> Iterator[Any]:
    since = None if listing.whole else watermark
    filters: Mapping[str, Any] = {}
    if since is not None and listing.since_parameter is not None:
        start = (since - LOOK_BACK).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        filters = {listing.since_parameter: start}
    walk = (
        [_prepared(listing, record) for record in records]
        for records in pages(client, listing, filters)
    )
    return read_chain(
        extraction,
        listing.table,
        walk,
        mode="incremental" if filters else "full",
        watermark_column="updated_at" if listing.since_parameter else None,
        watermark=since,
    )


def _prepared(listing: Listing, record: Any) -> Any:
    """A record with the columns that are ours."""
    if not isinstance(record, dict):
        return record
    if listing.table is CUSTOMERS:
        return {**record, "has_vip_status": record.get("vip_status") is not None}
    if listing.table is POINTS_SETTINGS:
        return {**record, "id": "points_settings"}
    return record
