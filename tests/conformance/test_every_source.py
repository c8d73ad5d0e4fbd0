"""What every declared resource of every source must do, whoever adds it.

One run per question over all resources of a source; the questions are then asked per table. A new
resource is covered by being declared.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loyalty_fakes import NOW, OURS, FakeVendors, Warehouse, running_fake, sample_record

from dlt_sources import smile, yotpo
from dlt_sources.declarations import Column, Listing, Table
from dlt_sources.errors import UnexpectedAnswerError

SOURCES = {"smile": smile.RESOURCES, "yotpo": yotpo.RESOURCES}
TABLES = {"smile": smile.TABLES, "yotpo": yotpo.TABLES}
LISTINGS = [(vendor, listing) for vendor, listings in SOURCES.items() for listing in listings]
EVERY_LISTING = pytest.mark.parametrize(
    ("vendor", "listing"), LISTINGS, ids=[f"{v}.{entry.table.name}" for v, entry in LISTINGS]
)
EVERY_TABLE = pytest.mark.parametrize(
    ("vendor", "table"),
    [(vendor, table) for vendor, tables in TABLES.items() for table in tables.values()],
    ids=lambda value: value.name if isinstance(value, Table) else value,
)
DUCKDB_TYPES = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "decimal": "DECIMAL(18,2)",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "json": "JSON",
}
COUNT = 7  # more than two pages of the fake
VANISHED = 3


def fill(fake: FakeVendors, count: int = COUNT) -> None:
    for vendor, listing in LISTINGS:
        path = f"/{vendor}{listing.path}"
        many = 1 if listing.single else count
        fake.records[path] = [sample_record(listing.table, n) for n in range(1, many + 1)]
    for record in fake.records["/yotpo/customers/recent"]:
        details = sample_record(yotpo.TABLES["customer_details"], 1)
        item = sample_record(yotpo.TABLES["history_items"], 1)
        friend = sample_record(yotpo.TABLES["completed_referrals"], 1)
        friend["email"] = friend.pop("friend_email")
        fake.details[record["email"].lower()] = {
            **details,
            **record,
            "history_items": [item, item],
            "referral_code": {"code": "x", "completed_referral_customers": [friend]},
        }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Extract 1: everything. Extract 2: the same again. Extract 3: one row of each is gone."""
    with running_fake() as fake:
        fill(fake)
        warehouse = Warehouse(tmp_path_factory.mktemp("loaded"), fake)
        for _ in range(2):
            for vendor in SOURCES:
                warehouse.run(vendor, extract_id=warehouse.runs // 2 + 1)
        for records in fake.records.values():
            del records[VANISHED - 1 : VANISHED]
        for vendor in SOURCES:
            warehouse.run(vendor, extract_id=3)
        yield warehouse


@pytest.fixture(scope="module")
def unconfigured(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("unconfigured"), FakeVendors())
    for vendor in SOURCES:
        warehouse.run_unconfigured(vendor)
    return warehouse


@pytest.fixture
def fake() -> Iterator[FakeVendors]:
    with running_fake() as server:
        fill(server)
        yield server


@EVERY_TABLE
def test_a_vendor_without_keys_still_has_every_table_with_declared_columns_and_no_row(
    unconfigured: Warehouse, vendor: str, table: Table
) -> None:
    assert described(unconfigured, vendor, table) == declared(table)
    assert unconfigured.rows(f"select count(*) from raw_{vendor}.{table.name}") == [(0,)]


@EVERY_TABLE
def test_loaded_columns_have_the_declared_types_in_the_declared_order(
    loaded: Warehouse, vendor: str, table: Table
) -> None:
    assert described(loaded, vendor, table) == declared(table)


@EVERY_TABLE
def test_every_row_says_where_and_when_it_was_seen(
    loaded: Warehouse, vendor: str, table: Table
) -> None:
    query = f"select distinct program, seen_at from raw_{vendor}.{table.name}"
    assert loaded.rows(query) in ([(vendor, NOW)], [])


@EVERY_TABLE
def test_a_key_is_unique(loaded: Warehouse, vendor: str, table: Table) -> None:
    key = "history_item_id" if table.name == "history_items" else ", ".join(table.merge_on)
    doubled = loaded.rows(
        f"select {key} from raw_{vendor}.{table.name} group by {key} having count(*) > 1"
    )
    assert doubled == []


@EVERY_LISTING
def test_every_declared_field_of_a_record_arrives(
    loaded: Warehouse, vendor: str, listing: Listing
) -> None:
    names = [each.name for each in listing.table.columns]
    filled = ", ".join(f'count("{name}")' for name in names)
    total, *counts = loaded.rows(
        f"select count(*), {filled} from raw_{vendor}.{listing.table.name}"
    )[0]
    assert total == (1 if listing.single else COUNT)
    assert {name: n for name, n in zip(names, counts, strict=True) if n != total} == {}


@EVERY_LISTING
def test_a_second_load_of_the_same_records_adds_nothing(
    loaded: Warehouse, vendor: str, listing: Listing
) -> None:
    rows = loaded.rows(f"select count(*) from raw_{vendor}.{listing.table.name}")
    assert rows == [(1 if listing.single else COUNT,)]


@EVERY_LISTING
def test_a_row_that_left_the_listing_keeps_its_older_extract(
    loaded: Warehouse, vendor: str, listing: Listing
) -> None:
    if listing.single:
        return  # one object cannot leave a list
    name = listing.table.name
    key = listing.table.key[0]
    gone = sample_record(listing.table, VANISHED)
    gone_key = gone["email"].lower() if key == "email_key" else str(gone["id"])
    seen = dict(loaded.rows(f"select {key}, extract_id from raw_{vendor}.{name}"))
    newest_full = loaded.rows(
        f"select max(extract_id) from raw_{vendor}.extracts "
        f"where resource = '{name}' and mode = 'full'"
    )[0][0]
    assert seen[gone_key] < 3
    if listing.whole:
        assert newest_full == 3
        assert {extract for each, extract in seen.items() if each != gone_key} == {3}
    else:
        assert newest_full == 1, "an incremental run does not say who is gone"


@EVERY_LISTING
def test_every_finished_chain_leaves_an_extracts_row(
    loaded: Warehouse, vendor: str, listing: Listing
) -> None:
    rows = loaded.rows(
        f"select extract_id, mode, row_count from raw_{vendor}.extracts "
        f"where resource = '{listing.table.name}' order by 1"
    )
    assert [row[0] for row in rows] == [1, 2, 3]
    assert rows[0][1:] == ("full", 1 if listing.single else COUNT)
    assert rows[1][1] == ("full" if listing.whole else "incremental")


@pytest.mark.parametrize("vendor", SOURCES)
def test_nothing_a_vendor_documents_ends_in_quarantine(loaded: Warehouse, vendor: str) -> None:
    assert loaded.rows(f"select resource, reason from raw_{vendor}.quarantine") == []


@EVERY_LISTING
def test_an_answer_of_another_shape_names_vendor_resource_and_remedy_and_loads_nothing(
    fake: FakeVendors, tmp_path: Path, vendor: str, listing: Listing
) -> None:
    warehouse = Warehouse(tmp_path, fake)
    fake.answers[f"/{vendor}{listing.path}"] = lambda _: (200, {"unheard": "of"})
    with pytest.raises(UnexpectedAnswerError, match="Check that the base URL") as failure:
        warehouse.run(vendor)
    assert listing.table.name in str(failure.value)
    assert {"smile": "Smile.io", "yotpo": "Yotpo"}[vendor] in str(failure.value)
    assert not warehouse.file.exists()


def declared(table: Table) -> list[tuple[str, str, str]]:
    def row(column: Column) -> tuple[str, str, str]:
        return column.name, DUCKDB_TYPES[column.type], "YES" if column.nullable else "NO"

    return [row(column) for column in table.all_columns]


def described(warehouse: Warehouse, vendor: str, table: Table) -> list[tuple[str, str, str]]:
    return [
        (row[0], row[1], row[2]) for row in warehouse.rows(f"describe raw_{vendor}.{table.name}")
    ]


def test_columns_that_are_ours_are_known_to_the_samples() -> None:
    """A column filled by this product and missing from OURS would test nothing."""
    declared_names = {
        column.name
        for tables in TABLES.values()
        for table in tables.values()
        for column in table.columns
    }
    assert declared_names >= OURS
