"""Every fault of reading and loading, against both vendors: the source of a document.

Each case plays one fault against the sandbox, and then the next run without it. What happened is a
row of docs/reference/extraction_faults.md; the last test compares the file with the rows. With
LOYALTY_WRITE_FAULT_TABLE=1 it writes the file instead.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from extraction_child import Job, extractions
from extraction_faults import CASES, IN_A_PROCESS, VENDORS, Case, Happened, render
from extraction_keys import Found, keys_in_spool, keys_in_warehouse
from loyalty_fakes import vendor_client, vendor_source, vendor_tables
from nursery import Nursery

from dlt_sources.errors import WarehouseLoadError
from dlt_sources.extraction import CommitPolicy, extract
from dlt_sources.loading import load
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Spool
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import LoyaltyError

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "extraction_faults.md"
HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
POLICY = CommitPolicy(rows=50)
# Read here, because a test sees none of the product's variables.
WRITES_DOCUMENT = os.environ.get("LOYALTY_WRITE_FAULT_TABLE") == "1"


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=120, limits_scale=1_000)) as sandbox:
        sandbox.control.switch("yotpo", recent_max_per_page=12)  # several pages of members
        yield sandbox


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with extractions() as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def no_pauses() -> Iterator[None]:
    """Retries at once; the pauses have tests of their own."""
    pause = time.sleep
    patch = pytest.MonkeyPatch()
    patch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    for module in ("dlt_sources.smile.client", "dlt_sources.yotpo.quota"):
        patch.setattr(import_module(module), "_PAUSE_AFTER_429_SECONDS", 0.01)
    yield
    patch.undo()


class Play:
    """Plays cases, each once, and remembers what happened."""

    def __init__(self, shop: RunningSandbox, nursery: Nursery, folder: Path) -> None:
        self._shop = shop
        self._nursery = nursery
        self._folder = folder
        self._calm: dict[str, tuple[int, Found]] = {}
        self.happened: dict[tuple[str, str], Happened] = {}

    def case(self, case: Case, vendor: str) -> Happened:
        """What the fault did to an extraction, and what the next run did."""
        known = self.happened.get((case.fault, vendor))
        if known is not None:
            return known
        needed, calm = self.calm(vendor)
        home = self._home(case.fault, vendor)
        self._shop.control.faults(vendor, **case.orders[vendor])
        did, following = "finished", "–"
        repeated: int | None = None
        try:
            requests = self._extract(vendor, home, calm, case.timeout_seconds)
            repeated = requests - needed
        except LoyaltyError as error:
            did = f"`{type(error).__name__}`: “{_said(error, case.remedy)}”"
            tries = re.search(r"failed (\d+) times", str(error))
            repeated = int(tries.group(1)) - 1 if tries else 0
            began = Spool.find(home)
            self._shop.control.faults(vendor)
            again = self._extract(vendor, home, calm, None)
            ended = Spool.find(home)
            assert began is not None
            assert ended is not None
            assert began.facts == ended.facts, "the next run began anew"
            assert again <= needed
            following = "went on, finished"
        self._shop.control.faults(vendor)
        found = keys_in_spool(vendor, home)
        if case.changes_shop:  # who moved to the head of the list is read by the next extraction
            self._calm.pop(vendor)
            found = found.with_later(self.calm(vendor)[1])
            repeated = None  # other members were asked for
            following = "read whoever had moved behind the walk"
        return self._note(case.fault, vendor, did, repeated, calm, found, following)

    def processes(self, vendor: str) -> list[Happened]:
        """One extraction in processes that are killed or have no room, one after the other."""
        if (IN_A_PROCESS[0].fault, vendor) not in self.happened:
            _, calm = self.calm(vendor)
            home = self._home("processes", vendor)
            job = Job(vendor, self._shop.environment, str(home), chunk_rows=POLICY.rows)
            done = []
            for case in IN_A_PROCESS:
                ended = self._nursery.run(case.spoil(job))
                assert ended.killed == case.is_kill, (case, ended)
                assert case.remedy in ended.message
                told = f"`{ended.error}`: “{case.remedy}”"
                done.append((case, "killed" if ended.killed else told))
            ended = self._nursery.run(job)
            assert not ended.error, ended.message
            found = keys_in_warehouse(vendor, home / "warehouse.duckdb")
            for case, did in done:
                self._note(case.fault, vendor, did, None, calm, found, "went on, finished")
        return [self.happened[case.fault, vendor] for case in IN_A_PROCESS]

    def locked(self, vendor: str) -> Happened:
        """A foreign process holds the warehouse while it should be loaded."""
        fault = "warehouse locked by a foreign process"
        if (fault, vendor) in self.happened:
            return self.happened[fault, vendor]
        _, calm = self.calm(vendor)
        home = self._home(fault, vendor)
        warehouse = home / "warehouse.duckdb"
        self._extract(vendor, home / "spool", calm, None)
        pipeline = build_pipeline(vendor, warehouse, home / "dlt")
        remedy = "Check that no other program holds the file"

        def loads() -> None:
            load(pipeline, vendor_tables(vendor), Spool.find(home / "spool"))

        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(warehouse)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(WarehouseLoadError, match=remedy):
                loads()
            holder.communicate("\n")
        loads()
        found = keys_in_warehouse(vendor, warehouse)
        did = f"`WarehouseLoadError`: “{remedy}”"
        return self._note(fault, vendor, did, None, calm, found, "loaded what was kept")

    def calm(self, vendor: str) -> tuple[int, Found]:
        """Requests and keys of an undisturbed extraction."""
        if vendor not in self._calm:
            home = self._home("calm", vendor)
            requests = self._extract(vendor, home, None, None)
            self._calm[vendor] = (requests, keys_in_spool(vendor, home))
        return self._calm[vendor]

    def _extract(
        self, vendor: str, spool: Path, calm: Found | None, timeout_seconds: float | None
    ) -> int:
        """Read into `spool`; how many requests that took."""
        present: Mapping[str, int] = calm.counts() if calm else {}
        with vendor_client(vendor, self._shop.environment) as client:
            if timeout_seconds is not None:
                client._http.timeout = httpx.Timeout(timeout_seconds)
            extract(
                vendor_source(vendor, client),
                spool,
                program=vendor,
                extract_id=1,
                clock=self._shop.control.now,
                present=present,
                policy=POLICY,
            )
            return client.total_traffic().requests

    def _home(self, fault: str, vendor: str) -> Path:
        return self._folder / f"{re.sub(r'[^a-z0-9]+', '_', fault.lower())}_{vendor}"

    def _note(
        self,
        fault: str,
        vendor: str,
        did: str,
        repeated: int | None,
        calm: Found,
        found: Found,
        following: str,
    ) -> Happened:
        happened = Happened(
            fault, vendor, did, repeated, found.lost(calm), found.doubled(calm),
            len(found.set_aside), following,
        )  # fmt: skip
        self.happened[fault, vendor] = happened
        return happened


def _said(error: LoyaltyError, remedy: str) -> str:
    assert remedy in str(error), str(error)
    return remedy


@pytest.fixture(scope="module")
def play(shop: RunningSandbox, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Play:
    return Play(shop, nursery, tmp_path_factory.mktemp("faults"))


EACH_CASE = [(case, vendor) for case in CASES for vendor in case.orders]


def assert_harmless(happened: Happened) -> None:
    assert (happened.lost, happened.doubled) == (0, 0)


@pytest.mark.parametrize(
    ("case", "vendor"), EACH_CASE, ids=[f"{v}: {case.fault}" for case, v in EACH_CASE]
)
def test_a_fault_while_reading_loses_and_doubles_nothing(
    play: Play, case: Case, vendor: str
) -> None:
    happened = play.case(case, vendor)
    assert_harmless(happened)
    assert happened.did.startswith("finished" if not case.remedy else f"`{case.error}`")
    assert happened.set_aside == case.set_aside


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_run_that_is_killed_or_has_no_room_is_finished_by_the_next(
    play: Play, vendor: str
) -> None:
    for happened in play.processes(vendor):
        assert_harmless(happened)


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_a_locked_warehouse_refused_is_loaded_by_the_next_run(play: Play, vendor: str) -> None:
    assert_harmless(play.locked(vendor))


@pytest.mark.timeout(900)  # alone, it plays every case itself
def test_the_document_says_what_happened(play: Play) -> None:
    rows = [play.case(case, vendor) for case, vendor in EACH_CASE]
    rows += [happened for vendor in VENDORS for happened in play.processes(vendor)]
    rows += [play.locked(vendor) for vendor in VENDORS]
    text = render(rows)
    if WRITES_DOCUMENT:
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "its first line says how it is written anew"
