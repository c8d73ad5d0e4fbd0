"""Events told to Klaviyo, over real HTTP against the sandbox: each once, and no flow by history."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from event_models import QUICK, Row, ago, klaviyo_event, now, publish, run, told_before
from event_vendors import KLAVIYO_POST, KlaviyoAccount

from reverse_etl.destinations.klaviyo_event_read import KlaviyoEventReader
from reverse_etl.destinations.klaviyo_events import KlaviyoEvents
from reverse_etl.events.guards import EventGuard
from reverse_etl.events.read_back import read_back_events
from reverse_etl.guards import GuardError
from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import ConfigurationError


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def account(sandbox: RunningSandbox) -> Iterator[KlaviyoAccount]:
    sandbox.control.faults("klaviyo")
    sandbox.control.reset_switches("klaviyo")
    sandbox.control.reset_limits()
    sandbox.control.reset_requests()
    found = KlaviyoAccount(sandbox.control, dict(sandbox.environment))
    yield found
    sandbox.control.faults("klaviyo")
    found.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.duckdb")
    told_before(found, "klaviyo")
    return found


def shop(name: str, count: int, **values: Any) -> list[Row]:
    """Events of a shop: three of each person."""
    return [
        klaviyo_event(f"{name}{at}", f"person{at // 3}@{name}.se", **values) for at in range(count)
    ]


def test_each_event_arrives_once_as_what_it_is_and_a_replay_asks_for_nothing(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [
        *shop("once", 9, occurred_at=ago(days=400)),
        *shop("oncefirst", 3, is_first_load=True),
        *shop("oncelive", 3, value=149.5, value_currency="SEK"),
        klaviyo_event("oncebad", "nobody"),
    ]
    published = publish(tmp_path / "p.duckdb", "klaviyo", rows)
    result = run(published, ledger, account.destination(bulk_events=4))
    count = result.counts["add"]
    assert (count.planned, count.accepted, count.invalid, count.aborted) == (16, 15, 1, 0)
    assert result.requests == {"POST": 4}
    assert account.stored("once") == dict.fromkeys([row["event_id"] for row in rows[:-1]], 1)
    assert {key for key in account.flows() if key.startswith("once")} == {
        "oncelive0", "oncelive1", "oncelive2",
    }  # fmt: skip
    live = next(e for e in account.events() if e["event_properties"]["$event_id"] == "oncelive0")
    assert live["event_properties"] == {
        "points": 25, "spent": 0, "note": "", "is_vip": False, "$event_id": "oncelive0",
        "$value": 149.5, "$value_currency": "SEK",
    }  # fmt: skip
    account.control.reset_requests()
    for run_id in ("again", "and again"):
        replay = run(published, ledger, account.destination(), run_id)
        assert (replay.requests, replay.unchanged) == ({}, 16)
    assert account.writes() == 0
    with duckdb.connect(str(tmp_path / "shown.duckdb")) as db:
        ledger.export(db)
        assert db.execute(
            "select operation, planned_count, accepted_count, invalid_count, status from sync.runs"
        ).fetchall() == [("add", 16, 15, 1, "succeeded")]
        assert db.execute(
            "select state, was_backfill, reason_code, count(*) from sync.events "
            "where event_id like 'once%' group by all order by all"
        ).fetchall() == [
            ("accepted", False, None, 3),
            ("accepted", True, None, 12),
            ("invalid", None, "malformed_email", 1),
        ]


def test_an_accepted_event_is_not_sent_again_when_its_row_or_its_e_mail_changes(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", "klaviyo", shop("same", 2)), ledger, account.destination())
    moved = [
        {**row, "email": "other@same.se", "metric": "Other", "is_first_load": True}
        for row in shop("same", 2)
    ]
    result = run(publish(tmp_path / "p.duckdb", "klaviyo", moved), ledger, account.destination())
    assert (result.requests, sum(account.stored("same").values())) == ({}, 2)


def test_rows_that_a_400_names_are_set_aside_and_the_rest_arrives(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What this product knows to be wrong it does not send: the vendor is stricter here.
    monkeypatch.setattr("sandbox.klaviyo.checks.MAX_METRIC_CHARACTERS", 30)
    monkeypatch.setattr("sandbox.klaviyo.checks.is_email", lambda text: "blocked" not in text)
    rows = shop("point", 10)
    rows[4]["metric"] = "m" * 31
    rows.append(klaviyo_event("pointblocked", "blocked@point.se"))
    published = publish(tmp_path / "p.duckdb", "klaviyo", rows)
    result = run(published, ledger, account.destination())
    assert (result.total("accepted"), result.total("rejected")) == (9, 2)
    assert result.requests == {"POST": 2}
    assert account.stored("point").total() == 9
    with ledger.open() as db:
        told = db.execute(
            "select event_id, reason_code, rejected_count from events where state = 'rejected' "
            "order by event_id"
        ).fetchall()
        reasons = db.execute("select reason from rejections where object = 'events'").fetchall()
    assert told == [("point4", "invalid_name", 1), ("pointblocked", "invalid_email", 1)]
    assert "@" not in str(reasons)
    again = run(published, ledger, account.destination(), "again")
    assert (again.total("planned"), again.total("rejected")) == (2, 2)


def test_an_event_that_is_refused_too_often_is_set_aside(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.klaviyo.checks.MAX_METRIC_CHARACTERS", 5)
    published = publish(tmp_path / "p.duckdb", "klaviyo", shop("often", 1))
    settings = replace(QUICK, attempts=2)
    for run_id, quarantined in (("1", 0), ("2", 1)):
        result = run(published, ledger, account.destination(), run_id, settings=settings)
        assert (result.total("rejected"), result.quarantined) == (1, quarantined)
    assert run(published, ledger, account.destination(), "3").requests == {}


def test_a_stored_event_that_is_refused_as_a_repetition_counts_as_accepted(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    account.control.switch("klaviyo", stored_event_duplicate="refused")
    rows = shop("stored", 6)
    run(publish(tmp_path / "p.duckdb", "klaviyo", rows[:4]), ledger, account.destination())
    other = Ledger(tmp_path / "other.duckdb")  # knows of nothing
    result = run(publish(tmp_path / "p.duckdb", "klaviyo", rows), other, account.destination())
    assert (result.total("accepted"), result.total("rejected")) == (6, 0)
    assert account.stored("stored").total() == 6
    with other.open() as db:
        assert db.execute(
            "select count(*) from events where reason_code = 'already_stored'"
        ).fetchone() == (4,)


def test_a_request_that_is_too_large_is_halved(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    account.control.faults("klaviyo", error={"status": 413, "next": 2, "operation": KLAVIYO_POST})
    published = publish(tmp_path / "p.duckdb", "klaviyo", shop("large", 8))
    result = run(published, ledger, account.destination())
    assert result.total("accepted") == 8
    assert account.stored("large").total() == 8
    big = [
        klaviyo_event(f"big{at}", "big@big.se", properties={"text": "x" * 90_000})
        for at in range(8)
    ]
    published = publish(tmp_path / "p.duckdb", "klaviyo", big)
    sized = run(published, ledger, account.destination(bulk_bytes=200_000), "sized")
    assert sized.requests == {"POST": 4}


def test_far_more_live_events_than_ever_wait_for_a_person(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    guard = EventGuard(times=2, least=5)
    published = publish(tmp_path / "p.duckdb", "klaviyo", shop("many", 6))
    with pytest.raises(GuardError, match="6 events would be told as live"):
        run(published, ledger, account.destination(), "held", guard=guard)
    assert account.writes() == 0
    approved = run(published, ledger, account.destination(), "ok", guard=guard, is_approved=True)
    assert approved.total("accepted") == 6
    more = publish(tmp_path / "p.duckdb", "klaviyo", shop("twelve", 12))
    assert run(more, ledger, account.destination(), "usual", guard=guard).total("accepted") == 12
    with ledger.open() as db:
        held = db.execute("select status, aborted_count from runs where run_id = 'held'").fetchall()
    assert held == [("held", 6)]


def test_a_revision_without_backfill_is_refused_before_history_starts_flows(
    account: KlaviyoAccount,
) -> None:
    with pytest.raises(ConfigurationError, match="KLAVIYO_REVISION to 2026-04-15"):
        KlaviyoEvents(account.api(), "2026-01-15")


def test_what_was_accepted_is_found_again_once_it_is_visible(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path
) -> None:
    rows = shop("seen", 7)
    run(publish(tmp_path / "p.duckdb", "klaviyo", rows), ledger, account.destination())
    reader = KlaviyoEventReader(account.api(), page_size=2)
    soon = now() + timedelta(minutes=1)
    young = read_back_events(ledger, reader, soon)
    assert (young.known, young.checked) == (0, 0)
    later = now() + timedelta(hours=1)
    account.control.switch("klaviyo", event_visible_seconds=3600)
    hidden = read_back_events(ledger, reader, later)
    assert (hidden.known, hidden.checked, len(hidden.missing)) == (7, 7, 7)
    account.control.switch("klaviyo", event_visible_seconds=0)
    assert read_back_events(ledger, reader, later).missing == ()
    assert read_back_events(ledger, reader, later, sample=3).checked == 3
    assert "seen" not in repr(hidden)


def test_an_event_that_the_vendor_dropped_without_a_word_is_named(
    account: KlaviyoAccount, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.klaviyo.events.TEST_DOMAINS", ("dropped.se",))
    rows = [klaviyo_event("kept", "a@kept.se"), klaviyo_event("lost", "a@dropped.se")]
    result = run(publish(tmp_path / "p.duckdb", "klaviyo", rows), ledger, account.destination())
    assert result.total("accepted") == 2
    found = read_back_events(ledger, KlaviyoEventReader(account.api()), now() + timedelta(hours=1))
    assert found.missing == ("lost",)
