"""Telling events with an installation's settings: each once, held when implausible, left out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from orchestration.activate import EVENT_SYNCS
from orchestration.event_syncs import run_events, specification, why_left_out
from orchestration.home import Home
from orchestration.settings import load_settings
from reverse_etl.guards import GuardError
from reverse_etl.ledger import Ledger
from reverse_etl.results import SyncResult
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.event_models import klaviyo_event, now, publish, rule_event, told_before
from vendor_http import LoyaltyError

KLAVIYO, RULE = EVENT_SYNCS
ROWS = {
    "klaviyo": [klaviyo_event(f"k{n}", f"somebody{n}@shop.test") for n in range(3)],
    "rule": [rule_event(f"r{n}", f"somebody{n}@shop.test") for n in range(3)],
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def home(sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    found = Home(tmp_path / "home")
    found.prepare()
    return found


def tell(home: Home, vendor: str, run_id: str, *, approved: bool = False) -> SyncResult | None:
    sync = {"klaviyo": KLAVIYO, "rule": RULE}[vendor]
    said: list[str] = []
    result = run_events(
        sync, load_settings(), home, now(), run_id, said.append, is_approved=approved
    )
    assert "@" not in " ".join(said)
    return result


@pytest.mark.parametrize("vendor", ["klaviyo", "rule"])
def test_events_are_told_once_and_their_record_is_published(home: Home, vendor: str) -> None:
    publish(home.audited, vendor, ROWS[vendor])
    first = tell(home, vendor, "first")
    assert first is not None
    assert (first.status, first.total("accepted")) == ("succeeded", 3)
    with duckdb.connect(str(home.published), read_only=True) as db:
        assert db.execute(
            "select state, was_backfill, count(*) from sync.events group by all"
        ).fetchall() == [("accepted", True, 3)]
        assert db.execute("select object, operation from sync.runs").fetchall() == [
            ("events", "add")
        ]
    again = tell(home, vendor, "again")
    assert again is not None
    assert again.requests == {}


@pytest.mark.parametrize("vendor", ["klaviyo", "rule"])
def test_two_runs_at_once_tell_each_event_once_and_neither_fails(
    home: Home, vendor: str, sandbox: RunningSandbox
) -> None:
    make = klaviyo_event if vendor == "klaviyo" else rule_event
    publish(home.audited, vendor, [make(f"at once {n}", f"p{n}@shop.test") for n in range(300)])
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(tell, home, vendor, name) for name in ("one", "other")]
        results = [each.result() for each in both]
    counts = sorted(result.total("accepted") for result in results if result is not None)
    assert counts == [0, 300]
    if vendor == "klaviyo":
        held = sandbox.control.call("GET", "/klaviyo/events")
        ids = [event["event_properties"]["$event_id"] for event in held]
        assert len([each for each in ids if each.startswith("at once")]) == 300


def test_what_is_switched_off_or_has_no_key_is_left_out_and_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_VENDOR_EVENTS", "off")
    assert tell(home, "klaviyo", "off") is None
    assert why_left_out(KLAVIYO, load_settings()) == "LOYALTY_VENDOR_EVENTS is off"
    monkeypatch.setenv("LOYALTY_VENDOR_EVENTS", "on")
    monkeypatch.delenv("RULE_API_KEY")
    assert tell(home, "rule", "keyless") is None
    assert why_left_out(RULE, load_settings()) == "RULE_API_KEY not set"
    with pytest.raises(LoyaltyError, match="Nothing is published yet"):
        tell(home, "klaviyo", "early")


def test_settings_reach_the_sync_and_nothing_is_started_unless_they_say_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = specification(RULE, load_settings(), home)
    assert (usual.live_hours, usual.is_triggering, usual.sends_friends) == (48, False, False)
    monkeypatch.setenv("RULE_EVENTS", "on")
    monkeypatch.setenv("LOYALTY_FRIEND_EVENTS", "on")
    monkeypatch.setenv("LOYALTY_LIVE_EVENT_HOURS", "6")
    chosen = specification(RULE, load_settings(), home)
    assert (chosen.live_hours, chosen.is_triggering, chosen.sends_friends) == (6, True, True)


def test_history_leaves_alone_in_rule_what_says_what_is_true_now_whoever_writes_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_VENDOR_PROPERTIES", "off")
    present = specification(RULE, load_settings(), home).present_fields
    assert {"Subscriber.FirstName", "Yotpo.PointsBalance", "Loyalty.PointsBalance"} <= present
    assert "Yotpo.PerkRewardPoints" not in present
    assert specification(KLAVIYO, load_settings(), home).present_fields == frozenset()


def test_a_plan_that_is_held_names_the_command_that_approves_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.event_syncs.EventGuard", _strict)
    publish(home.audited, "klaviyo", ROWS["klaviyo"])
    told_before(Ledger(home.ledger), "klaviyo")
    with pytest.raises(GuardError, match="loyalty sync klaviyo --approve"):
        tell(home, "klaviyo", "held")
    approved = tell(home, "klaviyo", "approved", approved=True)
    assert approved is not None
    assert approved.total("accepted") == 3


def _strict(times: float) -> object:
    from reverse_etl.events.guards import EventGuard

    return EventGuard(times, least=1)
