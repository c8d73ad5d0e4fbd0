"""How much of a vendor each reach reads, and the ways in which Yotpo's lists can be asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loyalty_fakes import NOW, FakeVendors, running_fake, vendor_client, vendor_source

from dlt_sources.extraction import extract
from dlt_sources.history import MEMBERS_SCHEMA, History
from dlt_sources.spool import Spool
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

MOMENT = datetime(2026, 11, 20, tzinfo=UTC)
FILTERED = ("customers", "points_transactions", "reward_fulfillments")


def read(
    environment: dict[str, str], vendor: str, folder: Path, reach: Any = "daily", **options: Any
) -> Spool:
    """One extraction, begun in `folder`."""
    with vendor_client(vendor, environment) as client:
        return extract(
            vendor_source(vendor, client, reach=reach, **options),
            folder,
            program=vendor, extract_id=1, clock=lambda: NOW, reach=reach,
        )  # fmt: skip


def rows(spool: Spool, table: str) -> list[dict[str, Any]]:
    files = [file for file in spool.files() if file.table == table]
    return [row for file in files for row in pq.read_table(file.path).to_pylist()]


def modes(spool: Spool) -> dict[str, str]:
    return {row["resource"]: row["mode"] for row in rows(spool, "extracts")}


@pytest.fixture
def fake() -> Iterator[FakeVendors]:
    with running_fake() as server:
        yield server


@pytest.mark.parametrize(
    ("reach", "swept_days_ago", "in_full"),
    [
        ("quick", 1, set()),
        ("quick", 400, set()),
        ("daily", 6, {"customers"}),
        ("daily", 7, set(FILTERED)),
        ("daily", None, set(FILTERED)),
        ("full", 1, set(FILTERED)),
    ],
)
def test_smile_is_swept_by_the_products_clock_and_never_by_a_quick_run(
    fake: FakeVendors, tmp_path: Path, reach: str, swept_days_ago: int | None, in_full: set[str]
) -> None:
    swept = {} if swept_days_ago is None else dict.fromkeys(
        FILTERED, NOW - timedelta(days=swept_days_ago)
    )  # fmt: skip
    history = History(dict.fromkeys(FILTERED, MOMENT), swept)
    spool = read(
        fake.environment, "smile", tmp_path / "spool", reach,
        history=history, now=NOW, sweep_every=timedelta(days=7),
    )  # fmt: skip
    found = modes(spool)
    assert {name for name in FILTERED if found[name] == "full"} == in_full
    for name in FILTERED:
        (asked,) = fake.parameters(f"/smile/{name}")
        assert ("updated_at_min" in asked) == (name not in in_full)


def known(*emails: str) -> History:
    members = [{"email_key": email, "record_hash": "old"} for email in emails]
    return History(members=pa.Table.from_pylist(members, schema=MEMBERS_SCHEMA))


def test_absence_from_a_window_says_nothing_about_a_member(
    fake: FakeVendors, tmp_path: Path
) -> None:
    fake.records["/yotpo/customers/recent"] = [{"email": "ava@shop.invalid"}]
    fake.details["ava@shop.invalid"] = {"email": "ava@shop.invalid"}
    history = known("ava@shop.invalid", "bo@shop.invalid")
    spool = read(
        fake.environment, "yotpo", tmp_path / "spool",
        history=history, member_list="recent_window",
    )  # fmt: skip
    assert [row["email_key"] for row in rows(spool, "customer_details")] == ["ava@shop.invalid"]
    assert modes(spool)["customers"] == "incremental"
    whole = read(fake.environment, "yotpo", tmp_path / "whole", history=history)
    found = {row["email_key"]: row["is_found"] for row in rows(whole, "customer_details")}
    assert found == {"ava@shop.invalid": True, "bo@shop.invalid": False}
    assert modes(whole)["customers"] == "full"


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=120, limits_scale=1_000)) as sandbox:
        yield sandbox


@pytest.fixture
def calm(shop: RunningSandbox) -> Iterator[RunningSandbox]:
    yield shop
    shop.control.reset_switches("yotpo")


def emails(spool: Spool) -> list[str]:
    return sorted(row["email_key"] for row in rows(spool, "customers"))


def test_the_list_of_2020_shows_the_same_members(calm: RunningSandbox, tmp_path: Path) -> None:
    usual = emails(read(calm.environment, "yotpo", tmp_path / "usual"))
    calm.control.switch("yotpo", customers_all="on")
    spool = read(calm.environment, "yotpo", tmp_path / "all", member_list="all")
    assert emails(spool) == usual
    assert modes(spool)["customers"] == "full"


def test_a_window_shows_a_part_of_the_members(calm: RunningSandbox, tmp_path: Path) -> None:
    usual = emails(read(calm.environment, "yotpo", tmp_path / "usual"))
    calm.control.switch("yotpo", recent_window_days=60)
    part = emails(read(calm.environment, "yotpo", tmp_path / "part", member_list="recent_window"))
    assert set(part) < set(usual)


@pytest.mark.parametrize("place", ["query", "body"])
def test_anniversaries_come_whichever_way_their_parameter_travels(
    calm: RunningSandbox, tmp_path: Path, place: str
) -> None:
    calm.control.switch("yotpo", anniversary_parameter=place)
    spool = read(calm.environment, "yotpo", tmp_path / "spool", anniversaries=place)
    found = rows(spool, "customer_anniversaries")
    assert sorted(row["email_key"] for row in found) == emails(spool)
    assert {row["is_found"] for row in found} == {True, False}
