"""What `loyalty plan` says of events: counts by vendor and kind, reasons, cost; nobody's e-mail."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestration.activate import event_sync
from orchestration.cli.event_plans import show_event_plan
from orchestration.event_syncs import plan_of_events
from orchestration.home import Home
from orchestration.settings import load_settings
from reverse_etl.events.effort import event_effort
from reverse_etl.events.ledger import EventLedger
from reverse_etl.events.plan import KindCount
from reverse_etl.ledger import Ledger
from tests.event_models import ago, klaviyo_event, now, publish, rule_event, told_before


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def shown(home: Home, vendor: str) -> str:
    console = Console(file=io.StringIO(), width=120)
    show_event_plan(console, load_settings(), home, vendor, now())
    text = console.file.getvalue()
    assert "@" not in text
    return text


def test_live_history_told_and_held_back_are_counted_by_kind(home: Home) -> None:
    told_before(Ledger(home.ledger), "klaviyo")
    redeemed = {"metric": "Points Redeemed"}
    rows = [
        klaviyo_event("long-ago", "a@shop.se"),
        klaviyo_event("live", "a@shop.se"),
        klaviyo_event("old", "a@shop.se", occurred_at=ago(days=9), **redeemed),
        klaviyo_event("friend", "f@shop.se", is_friend=True, **redeemed),
        klaviyo_event("stranger", "s@shop.se", may_create_profile=False),
    ]
    publish(home.audited, "klaviyo", rows)
    text = shown(home, "klaviyo")
    assert "events: 1 of now, 1 of history, which start nothing; 1 told already" in text
    assert "1 requests" in text
    assert "held back: 1 about friends of members (LOYALTY_FRIEND_EVENTS is off)" in text
    assert "held back: 1 of people without a profile of ours" in text
    with plan_of_events(event_sync("klaviyo"), load_settings(), home, now()) as planned:
        assert planned.kinds() == [
            KindCount("Points Earned on Order", 1, 0, 1, 1),
            KindCount("Points Redeemed", 0, 1, 0, 1),
        ]


def test_what_was_held_back_before_is_still_shown_and_is_no_news(home: Home) -> None:
    publish(home.audited, "klaviyo", [klaviyo_event("s", "s@shop.se", may_create_profile=False)])
    ledger = EventLedger(Ledger(home.ledger), "klaviyo")
    with plan_of_events(event_sync("klaviyo"), load_settings(), home, now()) as planned:
        assert planned.counts["skipped"] == 1
        ledger.record_unsent("run", now(), planned.unsent())
    with plan_of_events(event_sync("klaviyo"), load_settings(), home, now()) as planned:
        assert planned.counts["skipped"] == 0
        assert planned.unsent().num_rows == 0
    assert "held back: 1 of people" in shown(home, "klaviyo")


def test_a_family_that_is_switched_off_is_said_to_be_off(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home.audited, "klaviyo", [klaviyo_event("e", "a@shop.se")])
    monkeypatch.setenv("LOYALTY_VENDOR_EVENTS", "off")
    assert shown(home, "klaviyo").strip() == "events: none, LOYALTY_VENDOR_EVENTS is off"


def test_rule_says_whether_automations_may_start_and_what_they_cost(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_before(Ledger(home.ledger), "rule")
    publish(home.audited, "rule", [rule_event(f"r{n}", f"p{n}@shop.se") for n in range(30)])
    assert "30 of now (RULE_EVENTS is off: no automations), 0 of history" in shown(home, "rule")
    assert "  1 requests" in shown(home, "rule")
    monkeypatch.setenv("RULE_EVENTS", "on")
    with plan_of_events(event_sync("rule"), load_settings(), home, now()) as planned:
        # two calls of up to twenty people, and of each person one look and one tag
        assert event_effort(planned).requests == 2 + 2 * 30
    monkeypatch.setenv("RULE_REQUESTS_PER_TEN_MINUTES", "100")
    assert "62 requests" in shown(home, "rule")
    assert "less than a minute" in shown(home, "rule")
    publish(home.audited, "rule", [rule_event(f"r{n}", f"p{n}@shop.se") for n in range(60)])
    assert "at least 10 minutes" in shown(home, "rule")  # 123 requests


def test_a_history_takes_as_many_requests_as_its_batches(home: Home) -> None:
    rows = [klaviyo_event(f"k{n}", f"p{n % 7}@shop.se") for n in range(2_001)]
    publish(home.audited, "klaviyo", rows)
    with plan_of_events(event_sync("klaviyo"), load_settings(), home, now()) as planned:
        assert event_effort(planned).requests == 3
