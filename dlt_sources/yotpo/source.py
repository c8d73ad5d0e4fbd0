"""Yotpo's source: the walk over all members with the details it calls for, and the catalogues.

Yotpo has no "updated since" that anybody can rely on: every run walks all members (100 a request),
and `details` asks for those who changed. Data flow: page -> `customers` rows -> changed members ->
`customer_details`, `history_items`, `completed_referrals`, `customer_anniversaries`.
"""

from functools import partial
from typing import Any, Literal

from dlt_sources.declarations import Listing
from dlt_sources.extraction import Extraction, Source
from dlt_sources.history import History
from dlt_sources.listings import read_listing
from dlt_sources.spool import Reach
from dlt_sources.yotpo import members
from dlt_sources.yotpo.details import Anniversaries, read_details
from dlt_sources.yotpo.resources import (
    ALL_MEMBERS,
    CUSTOMER_ANNIVERSARIES,
    CUSTOMER_DETAILS,
    MEMBERS,
    RESOURCES,
    TABLES,
    VIP_TIERS,
)
from vendor_http import ApiClient

# Which list is walked, and whether it shows everybody. "Recently updated", says the documentation
# of `/customers/recent`, and not how far back that reaches: `recent` takes it for complete,
# `recent_window` for a part, in which nobody's absence means anything. `all` is the endpoint of
# 2020, for accounts where it still answers.
MemberList = Literal["recent", "recent_window", "all"]


def yotpo_source(
    client: ApiClient | None,
    *,
    history: History | None = None,
    reach: Reach = "daily",
    member_list: MemberList = "recent",
    anniversaries: Anniversaries = "off",
) -> Source:
    """Yotpo's raw tables and how they are read this time.

    Args:
        client: of the account; None when Yotpo is not configured: tables are created, empty.
        history: what earlier extracts left; without it everybody is new.
        reach: `full` asks for everybody's details, changed or not; the others only differ in name.
        member_list: which list is walked.
        anniversaries: whether the anniversary of each new or changed member is asked for, one more
            request each, and how its parameter travels.
    """
    tables = tuple(TABLES.values())
    if client is None:
        return Source("yotpo", tables)
    known = history or History()

    walk = ALL_MEMBERS if member_list == "all" else MEMBERS

    def read_members(extraction: Extraction) -> None:
        # Not interrupted for the details, which can take hours: nobody documents how long a page
        # position stays valid.
        read_listing(
            extraction,
            client,
            walk,
            prepare=_with_keys,
            is_complete=member_list != "recent_window",
        )
        if extraction.stopped.is_set():
            return
        read_details(
            extraction,
            client,
            known.members,
            every=extraction.spool.facts.reach == "full" or reach == "full",
            is_complete=member_list != "recent_window",
            anniversaries=anniversaries,
        )

    catalogues = [listing for listing in RESOURCES if listing is not MEMBERS]
    return Source(
        "yotpo",
        tables,
        [read_members, *(partial(_read_catalogue, client, listing) for listing in catalogues)],
        {
            **{listing.table.name: f"GET {listing.path}" for listing in (walk, *catalogues)},
            CUSTOMER_DETAILS.name: "GET /customers",
            CUSTOMER_ANNIVERSARIES.name: "GET /customer_anniversary",
        },
    )


def _read_catalogue(client: ApiClient, listing: Listing, extraction: Extraction) -> None:
    prepare = _numbered if listing.table is VIP_TIERS else list
    read_listing(extraction, client, listing, prepare=prepare)


def _with_keys(records: list[Any]) -> list[Any]:
    return [members.list_row(record) for record in records]


def _numbered(records: list[Any]) -> list[Any]:
    return [
        {**record, "list_position": place} if isinstance(record, dict) else record
        for place, record in enumerate(records, start=1)
    ]
