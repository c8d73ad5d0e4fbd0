"""Trouble on the way to a vendor: nothing is lost, nothing stays wrong, little is repeated."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import COMMON, NOW, QUICK, assert_tied, member, publish, run, spec, wanted
from reverse_etl_vendors import NAMES, POST, Vendor

from reverse_etl.destinations.klaviyo import KlaviyoProfiles
from reverse_etl.destinations.klaviyo import client as klaviyo_client
from reverse_etl.engine import settle_jobs
from reverse_etl.ledger import Ledger, LedgerBusyError, Scope
from reverse_etl.plan import plan_sync
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import ConfigurationError

IMPATIENT = replace(QUICK, stalled_seconds=0.5, settle_seconds=0.5)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


def _vendor(name: str, sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor(name, sandbox.control, sandbox.environment, [])
    sandbox.control.faults(name)
    sandbox.control.reset_switches(name)
    sandbox.control.reset_limits()
    kind = "profiles" if name == "klaviyo" else "subscribers"
    for record in found.records():
        sandbox.control.call("DELETE", f"/{name}/{kind}/{record['id']}")
    sandbox.control.reset_requests()
    yield found
    sandbox.control.faults(name)
    for client in found.open_clients:
        client.close()


@pytest.fixture(params=NAMES)
def vendor(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor(request.param, sandbox)


@pytest.fixture
def klaviyo(sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor("klaviyo", sandbox)


@pytest.fixture
def rule(sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor("rule", sandbox)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def crowd(count: int, **values: Any) -> list[dict[str, Any]]:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


def shown(name: str, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["email"]: wanted(name, row) for row in rows}


_KILLED = """
import os, sys
sys.path[:0] = {paths!r}
from pathlib import Path
import reverse_etl_models as models
from reverse_etl_vendors import Vendor
from reverse_etl.ledger import Ledger
from sandbox.control_client import ControlClient
from sandbox.credentials import environment

vendor = Vendor({name!r}, ControlClient({base!r}), environment({base!r}), [])
ledger = Ledger(Path({ledger!r}))
calls = {{"n": 0}}
real = getattr(Ledger, {method!r})
def killed(*arguments, **named):
    calls["n"] += 1
    if calls["n"] == {at}:
        os.kill(os.getpid(), 9)
    return real(*arguments, **named)
setattr(Ledger, {method!r}, killed)
models.run(Path({published!r}), ledger, vendor.destination(bulk_rows=2), "killed")
"""


@pytest.mark.parametrize(
    ("method", "at"),
    [("record_sent", 2), ("record_job", 1), ("settle", 1), ("settle", 2), ("finish_run", 1)],
)
def test_kill_minus_nine_loses_nothing_and_repeats_at_most_what_was_open(
    method: str, at: int, vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    if vendor.name == "rule" and method == "record_job":
        method = "settle"  # Rule has no jobs; the same moment is the first answer
    rows = crowd(6)
    published = publish(tmp_path / "p.duckdb", rows)
    script = _KILLED.format(
        paths=[str(Path(__file__).parents[2]), str(Path(__file__).parents[1])],
        name=vendor.name,
        base=vendor.environment["SMILE_BASE_URL"].removesuffix("/smile/v1"),
        ledger=str(ledger.path),
        published=str(published),
        method=method,
        at=at,
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=300)
    assert ended.returncode == -9
    assert_tied(run(published, ledger, vendor.destination(), "after"))
    assert vendor.held() == shown(vendor.name, rows)
    vendor.control.reset_requests()
    run(published, ledger, vendor.destination(), "again")
    assert vendor.writes() == 0
    with ledger.open() as db:
        killed = db.execute("select distinct status from runs where run_id = 'killed'").fetchall()
        counted = db.execute(
            "select planned_count, accepted_count + rejected_count + invalid_count + aborted_count "
            "from runs where run_id = 'killed' and operation = 'add'"
        ).fetchone()
    assert killed == [("failed",)]
    assert counted == (6, 6), "the counters of a killed run add up afterwards"


@pytest.mark.parametrize(
    "fault",
    [
        {"error": {"status": 429, "retry_after": "1", "next": 2}},
        {"error": {"status": 503, "next": 2}},
        {"error": {"status": 500, "next": 1}},
        {"cut_connection": {"next": 2}},
        {"cut_after": {"next": 1}},
        {"truncated_body": {"next": 1}},
        {"not_json": {"next": 1}},
    ],
    ids=lambda fault: "-".join([*fault, str(next(iter(fault.values())).get("status", ""))]),
)
def test_passing_trouble_is_outlived(
    fault: dict[str, Any], vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    if vendor.name == "rule" and "error" in fault:
        fault = {"error": {k: v for k, v in fault["error"].items() if k != "retry_after"}}
        if fault["error"]["status"] == 429:
            fault["error"]["status"] = 502  # Rule's own pause is tried below
    vendor.control.faults(vendor.name, **fault)
    result = run(publish(tmp_path / "p.duckdb", crowd(4)), ledger, vendor.destination(4), "first")
    assert_tied(result)
    assert result.total("accepted") == 4
    assert vendor.held() == shown(vendor.name, crowd(4))


def test_a_vendor_that_stays_away_aborts_the_rest_after_three_batches(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    vendor.control.faults(vendor.name, error={"status": 503})
    destination = vendor.destination(max_attempts=1, bulk_rows=2)
    result = run(publish(tmp_path / "p.duckdb", crowd(20)), ledger, destination, "first")
    assert_tied(result)
    assert (result.status, result.stopped) == ("aborted", "vendor_unavailable")
    assert (result.total("attempted"), result.total("aborted")) == (6, 20)
    assert vendor.writes() == 3
    vendor.control.faults(vendor.name)
    assert run(tmp_path / "p.duckdb", ledger, vendor.destination(), "next").total("accepted") == 20


def test_a_stuck_job_is_reported_unfinished_and_picked_up_without_sending_again(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(4))
    klaviyo.control.faults("klaviyo", stuck_job={})
    first = run(published, ledger, klaviyo.destination(), "first", settings=IMPATIENT)
    assert_tied(first)
    assert first.status == "unfinished"
    assert first.counts["add"].unfinished == 4
    still = run(published, ledger, klaviyo.destination(), "second", settings=IMPATIENT)
    assert (still.waiting, still.total("planned")) == (4, 0)
    klaviyo.control.faults("klaviyo")
    klaviyo.control.reset_requests()
    third = run(published, ledger, klaviyo.destination(), "third")
    assert (third.settled, third.total("planned"), third.unchanged) == (4, 0, 4)
    assert klaviyo.writes() == 0
    with ledger.open() as db:
        row = db.execute(
            "select status, accepted_count from runs where run_id = 'first' and operation = 'add'"
        ).fetchone()
    assert row == ("succeeded", 4)


@pytest.mark.parametrize("fault", ["expired_job", "cancelled_job"])
def test_a_job_without_an_outcome_is_sent_again(
    fault: str, klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(3))
    klaviyo.control.faults("klaviyo", **{fault: {}})
    first = run(published, ledger, klaviyo.destination(), "first")
    assert_tied(first)
    assert first.total("aborted") == 3
    klaviyo.control.faults("klaviyo")
    assert run(published, ledger, klaviyo.destination(), "second").total("accepted") == 3
    assert klaviyo.held() == shown("klaviyo", crowd(3))


def test_a_status_nobody_documented_counts_as_running(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    klaviyo.control.faults("klaviyo", job_status={"value": "resting", "next": 3})
    result = run(publish(tmp_path / "p.duckdb", crowd(3)), ledger, klaviyo.destination(), "first")
    assert result.total("accepted") == 3


def test_import_errors_are_joined_to_their_rows_and_tried_again_next_run(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(250))
    bad = {f"person{index}@shop.se" for index in range(0, 250, 2)}
    klaviyo.control.faults("klaviyo", import_error={"emails": ",".join(bad)})
    first = run(published, ledger, klaviyo.destination(), "first")
    assert_tied(first)
    assert (first.total("accepted"), first.total("rejected")) == (125, 125)
    with ledger.open() as db:
        rejected = db.execute("select email from rejections where state = 'rejected'").fetchall()
    assert {row[0] for row in rejected} == bad
    klaviyo.control.faults("klaviyo")
    second = run(published, ledger, klaviyo.destination(), "second")
    assert (second.total("planned"), second.total("accepted")) == (125, 125)
    with ledger.open() as db:
        tries = db.execute("select attempt_count, count(*) from profiles group by 1 order by 1")
        assert tries.fetchall() == [(1, 125), (2, 125)]


def test_rows_that_a_400_names_are_set_aside_and_the_rest_arrives(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = crowd(4)
    destination = klaviyo.destination()
    bad = "person2@shop.se"

    class Spoiled:
        """The destination, with one row's key spoiled on the way out."""

        def __getattr__(self, name: str) -> Any:
            return getattr(destination, name)

        def deliver(self, batch: Any) -> Any:
            spoiled = tuple(
                row._replace(email="person2@") if row.email == bad else row for row in batch.rows
            )
            for event in destination.deliver(replace(batch, rows=spoiled)):
                if hasattr(event, "outcomes"):
                    fixed = tuple(replace(o, email=bad) for o in event.outcomes)
                    yield replace(event, outcomes=fixed)
                else:
                    yield event

    result = run(publish(tmp_path / "p.duckdb", rows), ledger, Spoiled(), "first")
    assert_tied(result)
    assert (result.total("accepted"), result.total("rejected")) == (3, 1)
    assert klaviyo.control.requests("klaviyo")["operations"][POST["klaviyo"]] == 2
    with ledger.open() as db:
        found = db.execute("select email, reason_code from rejections").fetchall()
    assert found == [(bad, "invalid_email")]


def test_a_bulk_request_that_is_too_large_is_halved(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    too_large = {"status": 413, "next": 1, "operation": POST["klaviyo"]}
    klaviyo.control.faults("klaviyo", error=too_large)
    result = run(publish(tmp_path / "p.duckdb", crowd(5)), ledger, klaviyo.destination(), "first")
    assert_tied(result)
    assert result.total("accepted") == 5
    assert klaviyo.control.requests("klaviyo")["operations"][POST["klaviyo"]] == 3


def test_rule_isolates_a_refused_row_and_never_nears_the_error_breaker(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    # Another tool made the field a date; the row that has a value for it is refused.
    rule.seed(
        email="other@shop.se",
        fields=[{"key": "Loyalty.TierAtRisk", "value": "2026-01-01", "type": "date"}],
    )
    rows = [*crowd(40, at_risk=None), member("bad@shop.se", at_risk=True)]
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, rule.destination(), "first")
    assert_tied(result)
    assert (result.total("accepted"), result.total("rejected")) == (40, 1)
    statuses = rule.control.requests("rule")["statuses"]
    errors = sum(count for status, count in statuses.items() if int(status) >= 400)
    assert errors / sum(statuses.values()) < 0.4


def test_rule_stops_before_the_breaker_when_everything_is_refused(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rule.control.faults("rule", error={"status": 400})
    destination = rule.destination(bulk_rows=10)
    result = run(publish(tmp_path / "p.duckdb", crowd(200)), ledger, destination, "first")
    assert_tied(result)
    assert result.stopped == "error_share"
    assert rule.control.requests("rule")["writes"] <= 12
    rule.control.faults("rule")
    rule.control.reset_limits()
    second = run(tmp_path / "p.duckdb", ledger, rule.destination(), "second")
    assert second.total("accepted") == 200


def test_rules_pause_of_ten_minutes_ends_the_run_and_the_next_goes_on(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(6))
    far = {"status": 429, "retry_after": "2099-01-01 00:00:00", "after": 1}
    rule.control.faults("rule", error=far)
    first = run(published, ledger, rule.destination(bulk_rows=2), "first")
    assert_tied(first)
    assert (first.status, first.stopped) == ("aborted", "rate_limited")
    assert rule.control.requests("rule")["writes"] == 2
    rule.control.faults("rule")
    second = run(published, ledger, rule.destination(), "second")
    assert (second.total("accepted"), first.total("accepted")) == (4, 2)


def test_the_keys_vendor_401_in_the_middle_leaves_the_rest_aborted(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:

    published = publish(tmp_path / "p.duckdb", crowd(6))
    vendor.control.faults(
        vendor.name, error={"status": 401, "after": 1, "operation": POST[vendor.name]}
    )
    with pytest.raises(ConfigurationError):
        run(published, ledger, vendor.destination(bulk_rows=2), "first")
    vendor.control.faults(vendor.name)
    run(published, ledger, vendor.destination(), "second")
    assert vendor.held() == shown(vendor.name, crowd(6))


def test_two_syncs_of_one_destination_do_not_run_side_by_side(
    ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(1))
    with Ledger(ledger.path).exclusive(Scope("klaviyo", "profiles")):
        from reverse_etl_models import ModelVendor

        with pytest.raises(LedgerBusyError, match="another sync"):
            run(published, ledger, ModelVendor(), "first")
        with plan_sync(published, ledger, spec("klaviyo", COMMON), NOW, "dry") as plan:
            assert plan.counts["add"] == 1, "looking at a plan is allowed at any time"
    assert settle_jobs(ModelVendor(), ledger, NOW) == 0


def test_a_person_who_may_not_be_created_is_not_created_by_the_repair_of_a_lost_request(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    vendor.control.faults(vendor.name, cut_connection={"next": 1, "operation": POST[vendor.name]})
    rows = [member("person0@shop.se")]
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(max_attempts=1), "first")
    vendor.control.faults(vendor.name)
    rows = [member("person0@shop.se", may_create_profile=False, tier=None, tags=[])]
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "second")
    assert_tied(result)
    assert vendor.held() == {}
    with ledger.open() as db:
        assert db.execute("select accepted, is_holding from profiles").fetchall() == [("{}", False)]
    again = run(tmp_path / "p.duckdb", ledger, vendor.destination(), "third")
    assert again.total("planned") == 0


def test_a_wrong_address_is_a_setting_to_correct(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    variable = f"{vendor.name.upper()}_BASE_URL"
    address = {**vendor.environment, variable: f"{vendor.environment[variable]}/nowhere"}
    lost = Vendor(vendor.name, vendor.control, address, vendor.open_clients)
    with pytest.raises(ConfigurationError, match=variable):
        run(publish(tmp_path / "p.duckdb", crowd(1)), ledger, lost.destination(), "first")


def test_a_revision_that_klaviyo_does_not_know_is_a_setting_to_correct(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    api = klaviyo_client(
        klaviyo.environment["KLAVIYO_API_KEY"],
        klaviyo.environment["KLAVIYO_BASE_URL"],
        revision="2001-01-15",
    )
    klaviyo.open_clients.append(api)
    with pytest.raises(ConfigurationError, match="KLAVIYO_REVISION"):
        run(publish(tmp_path / "p.duckdb", crowd(1)), ledger, KlaviyoProfiles(api), "first")
