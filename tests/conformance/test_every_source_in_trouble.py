"""What every declared listing of every source does when the vendor drifts, moves, cuts or shrinks.

Beside `test_every_source`: judged by what an extraction commits, which needs no load.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from loyalty_fakes import (
    NOW,
    OURS,
    FakeVendors,
    Record,
    running_fake,
    sample_record,
    vendor_client,
    vendor_source,
)

from dlt_sources import smile, yotpo
from dlt_sources.declarations import Column, CursorPaging, Listing
from dlt_sources.errors import ImplausibleListingError
from dlt_sources.extraction import CommitPolicy, extract
from dlt_sources.history import History
from dlt_sources.spool import Spool
from vendor_http import VendorUnavailableError

LISTINGS = [("smile", each) for each in smile.RESOURCES] + [
    ("yotpo", each) for each in yotpo.RESOURCES
]


def those(chosen: list[tuple[str, Listing]]) -> pytest.MarkDecorator:
    ids = [f"{vendor}.{listing.table.name}" for vendor, listing in chosen]
    return pytest.mark.parametrize(("vendor", "listing"), chosen, ids=ids)


EVERY = those(LISTINGS)
EVERY_LIST = those([(v, each) for v, each in LISTINGS if not each.single])
EVERY_PAGED = those([(v, each) for v, each in LISTINGS if isinstance(each.paging, CursorPaging)])
EVERY_FILTERED = those([(v, each) for v, each in LISTINGS if each.since_parameter])
COUNT = 10
BROKEN = {"bigint", "double", "bool", "timestamp", "date"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVendors]:
    pause = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    with running_fake() as server:
        for vendor, listing in LISTINGS:
            many = 1 if listing.single else COUNT
            server.records[f"/{vendor}{listing.path}"] = [
                sample_record(listing.table, number) for number in range(1, many + 1)
            ]
        for record in server.records["/yotpo/customers/recent"]:
            server.details[record["email"].lower()] = record
        yield server


def read(fake: FakeVendors, vendor: str, folder: Path, **options: Any) -> Spool:
    """One extraction into `folder`."""
    history = options.pop("history", None)
    with vendor_client(vendor, fake.environment) as client:
        return extract(
            vendor_source(vendor, client, history=history),
            folder,
            program=vendor,
            extract_id=1,
            clock=lambda: NOW,
            policy=CommitPolicy(rows=3),
            **options,
        )


def rows(spool: Spool, table: str) -> list[dict[str, Any]]:
    """Committed rows of a table."""
    files = [file for file in spool.files() if file.table == table]
    return [row for file in files for row in pq.read_table(file.path).to_pylist()]


def keys(spool: Spool, listing: Listing) -> list[str]:
    return sorted(row[listing.table.key[0]] for row in rows(spool, listing.table.name))


def path(vendor: str, listing: Listing) -> str:
    return f"/{vendor}{listing.path}"


@EVERY
def test_a_new_field_becomes_a_column_of_text(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    fake.records[path(vendor, listing)][0]["brandNew"] = 5
    found = rows(read(fake, vendor, tmp_path / "spool"), listing.table.name)
    assert [row["brand_new"] for row in found if row.get("brand_new")] == ["5"]


@EVERY
def test_a_value_of_another_type_is_coerced_or_set_aside_and_the_rest_is_kept(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    records = fake.records[path(vendor, listing)]
    number = listing_number(listing)
    if number is not None:
        records[-1][number.name] = str(records[-1][number.name])  # "7" is still a number
    broken = next(
        (each for each in vendors(listing) if each.type in BROKEN and len(each.path) == 1), None
    )
    if broken is not None:
        records[0][broken.name] = {"no": "such thing"}
    spool = read(fake, vendor, tmp_path / "spool")
    assert len(rows(spool, listing.table.name)) == len(records)
    aside = [row for row in rows(spool, "quarantine") if row["resource"] == listing.table.name]
    assert [row["column_name"] for row in aside] == ([broken.name] if broken else [])
    for row in aside:
        assert row["record_id"] in keys(spool, listing)
        assert row["reason"].startswith("expected")
        assert orjson.loads(row["payload"])[row["column_name"]] == {"no": "such thing"}


def vendors(listing: Listing) -> list[Column]:
    return [each for each in listing.table.columns if each.name not in OURS]


def listing_number(listing: Listing) -> Column | None:
    found = [each for each in vendors(listing) if each.type == "bigint" and len(each.path) == 1]
    return found[-1] if len(found) > 1 else None


@EVERY_PAGED
def test_rows_that_come_or_change_between_two_pages_double_nothing_and_lose_nothing(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    records = fake.records[path(vendor, listing)]
    before = {str(each.get("id", each.get("email"))).lower() for each in records}
    added = iter(range(COUNT + 1, 100))

    def move(asked: str) -> None:
        if asked == path(vendor, listing) and len(records) < 2 * COUNT:
            fresh: Record = sample_record(listing.table, next(added))
            if "email" in fresh:
                fake.details[fresh["email"].lower()] = fresh
            records.insert(0, fresh)
            records[-1]["brandNew"] = "changed"

    fake.heard = move
    found = keys(read(fake, vendor, tmp_path / "spool"), listing)
    assert [key for key, times in Counter(found).items() if times > 1] == []
    assert before <= set(found)


@EVERY
def test_a_truncated_answer_is_asked_for_again(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    usual = keys(read(fake, vendor, tmp_path / "usual"), listing)
    fail_first(fake, path(vendor, listing), (200, b'{"half": ['))
    assert keys(read(fake, vendor, tmp_path / "cut"), listing) == usual


def fail_first(fake: FakeVendors, failing: str, answer: tuple[int, Any], after: int = 0) -> None:
    """Answer one request of a path wrongly, and then as usual."""
    asked = []

    def once(parameters: Mapping[str, str]) -> tuple[int, Any]:
        asked.append(parameters)
        if len(asked) == after + 1:
            return answer
        fake.answers.pop(failing)
        try:
            return fake.answer(failing, dict(parameters))
        finally:
            fake.answers[failing] = once

    fake.answers[failing] = once


@EVERY_LIST
def test_a_list_that_is_implausibly_short_is_believed_only_when_told_to(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    del fake.records[path(vendor, listing)][2:]
    known = {listing.table.name: COUNT}
    with pytest.raises(ImplausibleListingError, match="--allow-shrink") as failure:
        read(fake, vendor, tmp_path / "spool", present=known)
    assert listing.table.name in str(failure.value)
    kept = Spool.find(tmp_path / "spool")
    assert kept is not None
    assert rows(kept, listing.table.name) == []
    spool = read(fake, vendor, tmp_path / "spool", present=known, allow_shrink=True)
    finished = {row["resource"]: row for row in rows(spool, "extracts")}
    assert finished[listing.table.name]["mode"] == "full", "so that the vanished are marked"
    assert finished[listing.table.name]["row_count"] == 2


@EVERY_PAGED
def test_an_interrupted_list_goes_on_where_it_was(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    usual = keys(read(fake, vendor, tmp_path / "usual"), listing)
    needed = len(fake.parameters(path(vendor, listing)))
    working = dict(fake.answers)

    def down_after_two(parameters: Mapping[str, str]) -> tuple[int, Any]:
        if len(fake.parameters(path(vendor, listing))) > 2:
            return 503, {}
        fake.answers.clear()
        try:
            fake.asked.pop()
            return fake.answer(path(vendor, listing), dict(parameters))
        finally:
            fake.answers[path(vendor, listing)] = down_after_two

    fake.asked.clear()
    fake.answers[path(vendor, listing)] = down_after_two
    with pytest.raises(VendorUnavailableError):
        read(fake, vendor, tmp_path / "spool")
    fake.answers = working
    fake.asked.clear()
    assert keys(read(fake, vendor, tmp_path / "spool"), listing) == usual
    assert len(fake.parameters(path(vendor, listing))) == needed - 2


@EVERY_FILTERED
@pytest.mark.parametrize("inclusive", [True, False], ids=["at or after", "after"])
def test_rows_with_the_time_of_the_watermark_are_read_whichever_way_the_filter_counts(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing, inclusive: bool
) -> None:
    moment = "2026-11-01T10:00:00.000Z"
    every = [{**sample_record(listing.table, number), "updated_at": moment} for number in (1, 2)]

    def filtered(parameters: Mapping[str, str]) -> tuple[int, Any]:
        since = parameters["updated_at_min"]
        page = [each for each in every if moment > since or (inclusive and moment == since)]
        return 200, {listing.list_key: page, "metadata": {"next_cursor": None}}

    fake.answers[path(vendor, listing)] = filtered
    known = History({listing.table.name: datetime(2026, 11, 1, 10, tzinfo=UTC)})
    with vendor_client(vendor, fake.environment) as client:
        spool = extract(
            smile.smile_source(client, history=known, reach="quick"),
            tmp_path / "spool",
            program=vendor, extract_id=1, clock=lambda: NOW, reach="quick",
        )  # fmt: skip
    assert keys(spool, listing) == ["1", "2"]


@pytest.mark.parametrize("vendor", ["smile", "yotpo"])
def test_a_storm_over_all_lists_at_once_loses_and_doubles_nothing(
    fake: FakeVendors, tmp_path: Path, vendor: str
) -> None:
    usual = read(fake, vendor, tmp_path / "usual")
    troubles = [(503, {}), (429, {}), (200, b"<html>"), (200, b'{"half')]
    for number, (name, listing) in enumerate(LISTINGS):
        if name == vendor:
            fail_first(fake, path(vendor, listing), troubles[number % len(troubles)])
    stormy = read(fake, vendor, tmp_path / "stormy")
    for name, listing in LISTINGS:
        if name == vendor:
            assert keys(stormy, listing) == keys(usual, listing)
