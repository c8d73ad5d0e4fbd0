"""Every fault of telling events, at both vendors: each event arrives once, history starts nothing.

Each case plays one fault on a sync of forty events, then the next sync without it. At Rule an event
may be told twice as data, but never a second time with an automation.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from event_child import PHASE, Job, syncs
from event_models import Row, ago, klaviyo_event, publish, rule_event, run, told_before
from event_vendors import (
    KLAVIYO_POST,
    RULE_POST,
    Account,
    KlaviyoAccount,
    account_of,
    small,
    triggering,
)
from klaviyo_witness import Witness
from nursery import Nursery
from rule_witness import RuleWitness

from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import LoyaltyError

VENDORS = ("klaviyo", "rule")
POST = {"klaviyo": KLAVIYO_POST, "rule": RULE_POST}
KILLS = 5
LIVE = 12
MODES = ("once", "reset", "force")
_PAST = "2020-01-01 00:00:00"  # Rule's moments are Stockholm wall time


def _both(**orders: Any) -> Mapping[str, Mapping[str, Any]]:
    return dict.fromkeys(VENDORS, orders)


# fault, what the sandbox is told per vendor (None = not played there), how the first run ends
CASES: tuple[tuple[str, Mapping[str, Mapping[str, Any]], str], ...] = (
    (
        "429, twice",
        {
            "klaviyo": {"error": {"status": 429, "retry_after": "1", "next": 2}},
            "rule": {"error": {"status": 429, "retry_after": _PAST, "next": 2}},
        },
        "succeeded",
    ),
    ("500, twice", _both(error={"status": 500, "next": 2}), "succeeded"),
    (
        "503 that stays",
        _both(error={"status": 503, "after": 1}),
        "aborted",
    ),
    ("cut before it is read", _both(cut_connection={"next": 1}), "succeeded"),
    (
        "cut after it was accepted",
        _both(cut_after={"next": 1, "after": 1}),
        "succeeded",
    ),
    ("truncated answer", {"rule": {"truncated_body": {"next": 1}}}, "succeeded"),
    (
        "401 midway",
        _both(error={"status": 401, "after": 1}),
        "ConfigurationError",
    ),
    ("413, once", {"klaviyo": {"error": {"status": 413, "next": 1}}}, "succeeded"),
)
EACH = [(fault, vendor, orders[vendor], ends) for fault, orders, ends in CASES for vendor in orders]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=1_000)) as started:
        started.control.switch("rule", v2_status="shown")
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


@pytest.fixture(autouse=True)
def may_trigger(rule_witness: RuleWitness) -> None:
    rule_witness.may_trigger = True


class Shop:
    """Forty events of one shop, twelve of them live, and the account they are told to."""

    def __init__(self, name: str, vendor: str, sandbox: RunningSandbox, folder: Path) -> None:
        self.name = name
        self.account: Account = account_of(vendor, sandbox.control, sandbox.environment)
        self.home = folder / f"{vendor}_{name}"
        self.published = self.home / "published.duckdb"
        self.ledger = Ledger(self.home / "ledger.duckdb")
        sandbox.control.faults(vendor)
        sandbox.control.reset_limits()
        told_before(self.ledger, vendor)
        if not isinstance(self.account, KlaviyoAccount):
            for at in range(20):  # known before: only active people are told live
                self.account.seed(f"person{at}@{name}.se")
        publish(self.published, vendor, self.rows())
        sandbox.control.reset_requests()

    def rows(self) -> list[Row]:
        make = klaviyo_event if self.account.name == "klaviyo" else rule_event
        rows = []
        for at in range(40):
            old = {"occurred_at": ago(days=90 - at), "is_first_load": at % 2 == 0}
            young = {"occurred_at": ago(hours=2)}
            row = make(
                f"{self.name}x{at}",
                f"person{at % 20}@{self.name}.se",
                **(young if at >= 40 - LIVE else old),
            )
            if self.account.name == "rule":
                row |= {"tag": f"Tag{at}", "automation": MODES[at % 3]}
            rows.append(row)
        return rows

    def sync(self, run_id: str, **options: Any) -> Any:
        return run(
            self.published, self.ledger, small(self.account), run_id,
            triggering(self.account.name), **options,
        )  # fmt: skip

    def told(self) -> Counter[str]:
        """Event -> how often the vendor holds it; at Rule, whether its tag is there."""
        if isinstance(self.account, KlaviyoAccount):
            return self.account.stored(f"{self.name}x")
        people = self.account.people()
        tags = [
            tag
            for at in range(20)
            for tag in people[f"person{at}@{self.name}.se"]["tags"]
            if tag.startswith("Tag")
        ]
        return Counter(f"{self.name}x{tag.removeprefix('Tag')}" for tag in tags)

    def started(self) -> Counter[str]:
        """Event -> flows or automations it started."""
        if isinstance(self.account, KlaviyoAccount):
            return Counter(key for key in self.account.flows() if key.startswith(f"{self.name}x"))
        tags = [
            tag
            for at in range(20)
            for tag, _mode in self.account.started(f"person{at}@{self.name}.se")
        ]
        return Counter(f"{self.name}x{tag.removeprefix('Tag')}" for tag in tags)

    def check(self) -> None:
        """All of it once, nothing of the past started, nothing started twice, and a calm replay."""
        ids = [f"{self.name}x{at}" for at in range(40)]
        assert self.told() == Counter(ids)
        started = self.started()
        assert set(started) <= set(ids[40 - LIVE :])
        assert set(started.values()) <= {1}
        if self.account.name == "klaviyo":
            assert set(started) == set(ids[40 - LIVE :])
        self.account.control.reset_requests()
        assert self.sync("replay").requests == {}
        assert self.account.writes() == 0

    def close(self) -> None:
        self.account.close()


@pytest.mark.parametrize(
    ("fault", "vendor", "orders", "ends"), EACH, ids=[f"{row[1]}: {row[0]}" for row in EACH]
)
def test_after_a_fault_each_event_is_there_once(
    fault: str,
    vendor: str,
    orders: Mapping[str, Any],
    ends: str,
    sandbox: RunningSandbox,
    tmp_path: Path,
) -> None:
    name = f"case{[row[0] for row in CASES].index(fault)}"
    shop = Shop(name, vendor, sandbox, tmp_path)
    order = {kind: {**rule, "operation": POST[vendor]} for kind, rule in orders.items()}
    sandbox.control.faults(vendor, **order)
    try:
        result = shop.sync("first")
        ended = result.status
        counts = result.counts["add"]
        assert counts.planned == counts.accepted + counts.rejected + counts.aborted
    except LoyaltyError as error:
        ended = type(error).__name__
    assert ended == ends
    sandbox.control.faults(vendor)
    sandbox.control.reset_limits()
    shop.sync("second")
    shop.check()
    shop.close()


def test_no_answer_within_the_time_out_tells_nothing_twice(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    shop = Shop("slow", "klaviyo", sandbox, tmp_path)
    order = {"seconds": 4.0, "next": 1, "operation": KLAVIYO_POST}
    sandbox.control.faults("klaviyo", latency=order)
    destination = small(shop.account)
    shop.account.clients[-1]._http.timeout = httpx.Timeout(1.5)
    run(shop.published, shop.ledger, destination, "first")
    shop.check()
    shop.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("vendor", VENDORS)
def test_kill_minus_nine_at_any_step_loses_no_event_and_starts_nothing_twice(
    vendor: str,
    sandbox: RunningSandbox,
    processes: Nursery,
    tmp_path: Path,
    klaviyo_witness: Witness,
) -> None:
    calm = Shop("calm", vendor, sandbox, tmp_path)
    job = Job(vendor, sandbox.base_url, str(calm.home))
    ended = processes.run(job)
    assert not ended.error, ended.message
    calm.check()
    calm.close()
    steps = ended.steps[PHASE]
    assert steps > KILLS
    # The same points each time, spread over the run: one is drawn from each fifth of it.
    draw = random.Random(20261122)  # noqa: S311
    for part in range(KILLS):
        step = draw.randint(1 + part * steps // KILLS, (part + 1) * steps // KILLS)
        shop = Shop(f"kill{step}", vendor, sandbox, tmp_path)
        job = Job(vendor, sandbox.base_url, str(shop.home))
        # Requests of threads interleave otherwise each time, so a late step may not be reached.
        processes.run(replace(job, kill_phase=PHASE, kill_step=step))
        shop.sync("second")
        shop.check()
        with shop.ledger.open() as db:
            left = db.execute(
                "select count(*) from runs where status = 'running' union all "
                "select count(*) from event_deliveries"
            ).fetchall()
        assert left == [(0,), (0,)]
        shop.close()
    # Of a request that was leaving, the vendor may have seen no more than the head.
    torn = [fault for fault in klaviyo_witness.faults if fault.endswith(": no body")]
    assert klaviyo_witness.faults == torn
    klaviyo_witness.faults.clear()
