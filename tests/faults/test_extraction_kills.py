"""An extraction that is killed again and again: no gap, no double, little fetched twice.

Real processes die by SIGKILL while they read, commit, pack and load, at seeded moments; each next
one goes on. What is in the raw tables at the end is compared, column by column, with what an
undisturbed run leaves, and the vendor's own list of requests says what the kills cost.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from extraction_child import Job, extractions
from loyalty_fakes import FakeVendors, running_fake, sample_record, vendor_tables
from nursery import Ended, Nursery

from dlt_sources import smile, yotpo

VENDORS = ("smile", "yotpo")
PAGE_ROWS, CHUNK_ROWS, PACKAGE_ROWS = 3, 9, 150
# Pages and members that are asked for before those ahead of them are committed.
PAGES_IN_FLIGHT, MEMBERS_IN_FLIGHT = 3, 16
KILLS_WHILE_READING, KILLS_WHILE_PACKING, KILLS_WHILE_LOADING = 3, 2, 3
# They tell extracts apart; `position` only numbers what was set aside within one.
PER_EXTRACT = ("extract_id", "seen_at", "position")
DETAILS = "/yotpo/customers"


def fill(fake: FakeVendors) -> None:
    """Enough of everything for dozens of pages, and one value of each vendor that does not fit."""
    fake.page_size = PAGE_ROWS
    for listing in smile.RESOURCES:
        many = {"customers": 60, "points_transactions": 60, "points_settings": 1}
        fake.records[f"/smile{listing.path}"] = [
            sample_record(listing.table, number)
            for number in range(1, many.get(listing.table.name, 21) + 1)
        ]
    fake.records["/smile/customers"][7]["points_balance"] = "a lot"
    for listing in yotpo.RESOURCES:
        many = {"customers": 30}
        fake.records[f"/yotpo{listing.path}"] = [
            sample_record(listing.table, number)
            for number in range(1, many.get(listing.table.name, 9) + 1)
        ]
    for number, record in enumerate(fake.records["/yotpo/customers/recent"]):
        details = sample_record(yotpo.TABLES["customer_details"], number)
        item = sample_record(yotpo.TABLES["history_items"], number)
        friend = sample_record(yotpo.TABLES["completed_referrals"], number)
        friend["email"] = friend.pop("friend_email")
        fake.details[record["email"].lower()] = {
            **details,
            **record,
            "history_items": [item, item, {**item, "points": "many"}],
            "referral_code": {"code": "x", "completed_referral_customers": [friend]},
        }
    refused = fake.records["/yotpo/customers/recent"][11]["email"]
    known = fake.details

    def details_of(parameters: Any) -> tuple[int, Any]:
        email = parameters["customer_email"]
        return (422, {}) if email == refused else (200, known[email.lower()])

    fake.answers[DETAILS] = details_of


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with extractions() as started:
        yield started


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeVendors]:
    with running_fake() as server:
        fill(server)
        yield server


@dataclass
class Installation:
    """A home, and what its runs asked the vendor for."""

    nursery: Nursery
    fake: FakeVendors
    job: Job

    def run(self, **changed: Any) -> Ended:
        return self.nursery.run(replace(self.job, **changed))

    def run_killed_at_request(self, number: int) -> Ended:
        """Killed from outside when the vendor hears its n-th request."""
        heard = Counter[str]()
        pids: list[int] = []

        def hear(path: str) -> None:
            heard["all"] += 1
            if heard["all"] == number:
                os.kill(pids[0], signal.SIGKILL)

        self.fake.heard = hear
        try:
            return self.nursery.run(self.job, on_start=pids.append)
        finally:
            self.fake.heard = None

    def asked(self) -> Counter[str]:
        """Requests per path since the last call."""
        counted = Counter(path for path, _ in self.fake.asked)
        self.fake.asked.clear()
        return counted

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every raw table: all its columns but those that tell one extract from another."""
        found = {}
        with duckdb.connect(str(Path(self.job.home) / "warehouse.duckdb")) as connection:
            connection.execute("set timezone = 'UTC'")
            for table in vendor_tables(self.job.vendor):
                kept = [each.name for each in table.all_columns if each.name not in PER_EXTRACT]
                query = (
                    f"select {', '.join(kept)} from raw_{self.job.vendor}.{table.name} order by all"
                )
                found[table.name] = connection.execute(query).fetchall()
        return found


def installation(nursery: Nursery, fake: FakeVendors, folder: Path, vendor: str) -> Installation:
    job = Job(vendor, fake.environment, str(folder / "home"), CHUNK_ROWS, PACKAGE_ROWS)
    return Installation(nursery, fake, job)


@dataclass(frozen=True)
class Calm:
    """An undisturbed run: how many steps each phase took, what was asked, what was loaded."""

    steps: dict[str, int]
    asked: Counter[str]
    content: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module", params=VENDORS)
def calm(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    fake: FakeVendors,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Calm]:
    vendor: str = request.param
    fake.asked.clear()
    undisturbed = installation(nursery, fake, tmp_path_factory.mktemp("calm"), vendor)
    ended = undisturbed.run()
    assert not ended.error, ended.message
    return vendor, Calm(ended.steps, undisturbed.asked(), undisturbed.content())


def test_an_extraction_killed_at_any_moment_ends_where_an_undisturbed_one_does(
    calm: tuple[str, Calm], nursery: Nursery, fake: FakeVendors, tmp_path: Path
) -> None:
    vendor, undisturbed = calm
    victim = installation(nursery, fake, tmp_path, vendor)
    dice = Random(20261121)  # noqa: S311 -- moments to kill at
    asked = Counter[str]()
    asked_when_killed = []
    for _ in range(KILLS_WHILE_READING):
        for ended in (
            victim.run_killed_at_request(dice.randint(6, 12)),
            victim.run(kill_phase="commit", kill_step=dice.randint(10, 30)),
        ):
            assert ended.killed, ended
        asked_when_killed.append(victim.asked())
        asked += asked_when_killed[-1]
    kills = 2 * KILLS_WHILE_READING
    if vendor == "yotpo":
        assert sum(each[DETAILS] > 0 for each in asked_when_killed) >= 1, "killed among details"
    for phase, many, share in (
        ("pack", KILLS_WHILE_PACKING, 0.9),
        ("load", KILLS_WHILE_LOADING, 0.2),
    ):
        for _ in range(many):
            last = max(2, int(undisturbed.steps[phase] * share))
            ended = victim.run(kill_phase=phase, kill_step=dice.randint(1, last))
            assert ended.killed, f"{phase}: {ended}"
    ended = victim.run()
    assert not ended.error, ended.message
    for table, rows in victim.content().items():
        expected = undisturbed.content[table]
        assert [row for row in rows if row not in expected] == [], f"{table}: wrong rows"
        assert [row for row in expected if row not in rows] == [], f"{table}: lost rows"
        assert len(rows) == len(expected), f"{table}: doubled rows"

    asked += victim.asked()
    most = {
        path: needed + kills * (ceil(CHUNK_ROWS / PAGE_ROWS) + PAGES_IN_FLIGHT)
        for path, needed in undisturbed.asked.items()
    }
    if vendor == "yotpo":
        most[DETAILS] = undisturbed.asked[DETAILS] + kills * (CHUNK_ROWS + MEMBERS_IN_FLIGHT)
    assert {path: n for path, n in asked.items() if n > most[path]} == {}
    assert asked.keys() == undisturbed.asked.keys()


def test_the_undisturbed_run_is_worth_comparing_with(calm: tuple[str, Calm]) -> None:
    _, undisturbed = calm
    empty = [name for name, rows in undisturbed.content.items() if not rows]
    assert empty in ([], ["customer_anniversaries"])
    assert min(undisturbed.steps[phase] for phase in ("commit", "pack", "load")) > 20
    assert sum(undisturbed.asked.values()) > 40
