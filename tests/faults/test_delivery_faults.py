"""Every fault of delivering, against both vendors: the source of a document.

Each case plays one fault on the second sync of a shop, and then the next sync without it. What
happened is a row of docs/reference/delivery_faults.md; the last test compares the file with the
rows. With LOYALTY_WRITE_FAULT_TABLE=1 it writes the file instead.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from delivery_child import PHASE, Job, syncs
from delivery_faults import CASES, FINISHED, VENDORS, Case, Happened, render
from klaviyo_witness import Witness
from nursery import Nursery
from reverse_etl_models import QUICK, assert_tied, member, publish, run, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import LoyaltyError

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "delivery_faults.md"
# Read here, because a test sees none of the product's variables.
WRITES_DOCUMENT = os.environ.get("LOYALTY_WRITE_FAULT_TABLE") == "1"
BATCH = 8
KILLS = 20
IMPATIENT = replace(QUICK, stalled_seconds=0.5, settle_seconds=0.5)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=1_000)) as started:
        yield started


@pytest.fixture(scope="module")
def processes() -> Iterator[Nursery]:
    with syncs() as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def no_pauses() -> Iterator[None]:
    """Retries at once; the pauses have tests of their own."""
    pause = time.sleep
    patch = pytest.MonkeyPatch()
    patch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    yield
    patch.undo()


def yesterday(shop: str) -> Rows:
    """Forty members, as the vendor knows them before the fault."""
    return [member(f"person{index}@{shop}.se") for index in range(40)]


def today(shop: str) -> Rows:
    """New values, ended values, leavers, other tags, unchanged people and new ones."""
    rows = yesterday(shop)
    for index, row in enumerate(rows):
        if index < 22:
            row["points"] = index  # 0 among them
        elif index < 26:
            row["tier"] = None
        elif index < 28:
            row |= dict.fromkeys(("points", "tier", "state", "synced_at"))
            row |= {"may_create_profile": False, "tags": []}
        elif index < 32:
            row["tags"] = ["loyalty-member", "loyalty-tier-silver"]
            row["at_risk"] = False
            row["rewards"] = []
    return rows + [member(f"new{index}@{shop}.se", tier="") for index in range(6)]


class Play:
    """Plays cases, each once and in a shop of its own, and remembers what happened."""

    def __init__(self, sandbox: RunningSandbox, processes: Nursery, folder: Path) -> None:
        self._sandbox = sandbox
        self._processes = processes
        self._folder = folder
        self._calm: dict[str, int] = {}
        self.happened: dict[tuple[str, str], Happened] = {}

    def case(self, case: Case, name: str) -> Happened:
        """What the fault did to a sync, and what the next one did."""
        known = self.happened.get((case.fault, name))
        if known is not None:
            return known
        needed = self.calm(name)
        with self._vendor(name) as vendor:
            return self._play(case, vendor, needed)

    def _play(self, case: Case, vendor: Vendor, needed: int) -> Happened:
        name = vendor.name
        shop = f"case{len(self.happened)}"
        ledger, published = self._begin(vendor, shop)
        vendor.control.faults(name, **case.orders[name])
        destination = vendor.destination(bulk_rows=BATCH)
        if case.timeout_seconds is not None:
            vendor.open_clients[-1]._http.timeout = httpx.Timeout(case.timeout_seconds)
        settings = IMPATIENT if case.ends == "unfinished" else QUICK
        try:
            result = run(published, ledger, destination, "second", settings=settings)
            assert_tied(result)
            stopped = f": {result.stopped.replace('_', ' ')}" if result.stopped else ""
            did = FINISHED if result.status == "succeeded" else f"{result.status}{stopped}"
            failed = result.total("rejected") + result.total("aborted")
            left = f", {failed} rows left for the next" if failed else ""
        except LoyaltyError as error:
            did, left = type(error).__name__, ""
        assert did == case.ends, did
        vendor.control.faults(name)
        vendor.control.reset_limits()
        third = run(published, ledger, vendor.destination(bulk_rows=BATCH), "third")
        assert_tied(third)
        following = f"delivered {third.total('accepted')} rows" if third.total("planned") else "–"
        if third.settled:
            following = f"asked for the outcome of {third.settled} rows"
        return self._note(case.fault, vendor, shop, f"{did}{left}", needed, following)

    def kill(self, name: str, step: int) -> Happened:
        """kill -9 right before a step, then the same sync again."""
        needed = self.calm(name)
        with self._vendor(name) as vendor:
            shop = f"kill{step}"
            ledger, published = self._begin(vendor, shop)
            job = self._job(name, published.parent)
            ended = self._processes.run(replace(job, kill_phase=PHASE, kill_step=step))
            # The number of questions about a job differs: a late step may lie beyond the end.
            assert ended.killed or step > ended.steps[PHASE]
            third = run(published, ledger, vendor.destination(bulk_rows=BATCH), "third")
            assert_tied(third)
            return self._note(f"kill -9 before step {step}", vendor, shop, "killed", needed, "")

    def steps(self, name: str) -> int:
        """Steps of an undisturbed sync in a process of its own."""
        with self._vendor(name) as vendor:
            _ledger, published = self._begin(vendor, "steps")
            ended = self._processes.run(self._job(name, published.parent))
            assert not ended.error, ended.message
            return ended.steps[PHASE]

    def calm(self, name: str) -> int:
        """Write requests of an undisturbed sync."""
        if name not in self._calm:
            with self._vendor(name) as vendor:
                ledger, published = self._begin(vendor, "calm")
                assert_tied(run(published, ledger, vendor.destination(bulk_rows=BATCH), "second"))
                assert self._wrong(vendor, "calm") == 0
                self._calm[name] = vendor.writes()
        return self._calm[name]

    def _begin(self, vendor: Vendor, shop: str) -> tuple[Ledger, Path]:
        """A shop that was synced yesterday and has today's tables."""
        home = self._folder / f"{vendor.name}_{shop}"
        ledger, published = Ledger(home / "ledger.duckdb"), home / "published.duckdb"
        vendor.control.faults(vendor.name)
        vendor.control.reset_limits()
        run(publish(published, yesterday(shop)), ledger, vendor.destination(), "first")
        publish(published, today(shop))
        vendor.control.reset_requests()
        return ledger, published

    def _note(
        self, fault: str, vendor: Vendor, shop: str, did: str, needed: int, following: str
    ) -> Happened:
        found = vendor.control.requests(vendor.name)
        writes = vendor.writes()
        refused = sum(
            count for status, count in found["statuses"].items() if not 200 <= int(status) < 300
        )
        happened = Happened(
            fault, vendor.name, did, refused, max(0, writes - refused - needed),
            self._wrong(vendor, shop), following,
        )  # fmt: skip
        home = self._folder / f"{vendor.name}_{shop}"
        vendor.control.reset_requests()
        run(home / "published.duckdb", Ledger(home / "ledger.duckdb"), vendor.destination(), "last")
        assert vendor.writes() == 0
        self.happened[fault, vendor.name] = happened
        return happened

    def _wrong(self, vendor: Vendor, shop: str) -> int:
        held = {e: v for e, v in vendor.held().items() if e.endswith(f"@{shop}.se")}
        desired = {row["email"]: wanted(vendor.name, row) for row in today(shop)}
        if vendor.name == "rule":  # there an empty text is no value
            desired = {e: {k: v for k, v in d.items() if v != ""} for e, d in desired.items()}
        return sum(held.get(e) != desired.get(e) for e in held.keys() | desired.keys())

    @contextmanager
    def _vendor(self, name: str) -> Iterator[Vendor]:
        vendor = Vendor(name, self._sandbox.control, self._sandbox.environment, [])
        try:
            yield vendor
        finally:
            for client in vendor.open_clients:
                client.close()

    def _job(self, name: str, home: Path) -> Job:
        return Job(name, self._sandbox.base_url, str(home), BATCH)


@pytest.fixture(scope="module")
def play(
    sandbox: RunningSandbox, processes: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Play:
    return Play(sandbox, processes, tmp_path_factory.mktemp("faults"))


EACH_CASE = [(case, vendor) for case in CASES for vendor in case.orders]


@pytest.mark.parametrize(
    ("case", "vendor"), EACH_CASE, ids=[f"{v}: {case.fault}" for case, v in EACH_CASE]
)
def test_after_a_fault_the_vendor_holds_what_was_desired(
    play: Play, case: Case, vendor: str
) -> None:
    happened = play.case(case, vendor)
    assert happened.wrong == 0
    assert happened.repeated <= batch_requests(vendor)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("vendor", VENDORS)
def test_kill_minus_nine_at_twenty_random_steps_loses_nothing_and_wastes_one_batch(
    play: Play, vendor: str, klaviyo_witness: Witness
) -> None:
    steps = play.steps(vendor)
    assert steps > KILLS
    for step in random.Random(20261122).sample(range(1, steps + 1), KILLS):  # noqa: S311
        happened = play.kill(vendor, step)
        assert happened.wrong == 0, happened
        assert happened.repeated <= batch_requests(vendor), happened
    # Of a request that was leaving, the vendor may have seen no more than the head.
    torn = [fault for fault in klaviyo_witness.faults if fault.endswith(": no body")]
    assert klaviyo_witness.faults == torn
    klaviyo_witness.faults.clear()


@pytest.mark.timeout(900)  # alone, it plays every case itself
def test_the_document_says_what_happened(play: Play) -> None:
    text = render(play.case(case, vendor) for case, vendor in EACH_CASE)
    if WRITES_DOCUMENT:
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "its first line says how it is written anew"


def batch_requests(vendor: str) -> int:
    """Write requests that one batch may take: at Rule further tags and removed ones count."""
    return {"klaviyo": BATCH, "rule": 2 * BATCH}[vendor]
