"""What every destination must do, tried over real HTTP against the sandbox."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import (
    assert_tied,
    member,
    publish,
    run,
    wanted,
)
from reverse_etl_vendors import NAMES, POST, Vendor

from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import ConfigurationError


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture(params=NAMES)
def vendor(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor(request.param, sandbox.control, sandbox.environment, [])
    sandbox.control.faults(request.param)
    sandbox.control.reset_switches(request.param)
    sandbox.control.reset_limits()
    kind = "profiles" if request.param == "klaviyo" else "subscribers"
    for record in found.records():
        sandbox.control.call("DELETE", f"/{request.param}/{kind}/{record['id']}")
    sandbox.control.reset_requests()
    yield found
    sandbox.control.faults(request.param)
    for client in found.open_clients:
        client.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def crowd(count: int, **values: Any) -> list[dict[str, Any]]:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


def test_what_is_wanted_arrives_and_a_second_run_sends_nothing(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [
        *crowd(30),
        member(
            "full@shop.se",
            amount=0,
            at_risk=False,
            tier="",
            rewards=[],
            expires_at=datetime(2027, 1, 2, 3, 4, 5),  # noqa: DTZ001 - as the model holds it
            birthday=date(1990, 2, 3),
        ),
    ]
    published = publish(tmp_path / "loyalty.duckdb", rows)
    result = run(published, ledger, vendor.destination(), "first")
    assert_tied(result)
    assert (result.status, result.total("accepted")) == ("succeeded", 31)
    shown = vendor.held()
    for row in rows:
        want = wanted(vendor.name, row)
        if vendor.name == "rule":
            want = {name: value for name, value in want.items() if value != ""}
        assert shown[row["email"]] == want
    vendor.control.reset_requests()
    again = run(published, ledger, vendor.destination(), "second")
    assert again.requests == {}
    asked = vendor.control.requests(vendor.name)
    assert (asked["reads"], asked["writes"]) == (0, 0)


def test_only_changed_properties_of_changed_people_are_sent(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "loyalty.duckdb", crowd(5))
    run(published, ledger, vendor.destination(), "first")
    rows = crowd(5)
    rows[2]["points"] = 0
    published = publish(tmp_path / "loyalty.duckdb", rows)
    result = run(published, ledger, vendor.destination(), "second")
    assert result.counts["change"].accepted == 1
    assert result.unchanged == 4
    with ledger.open() as db:
        assert db.execute("select count(*) from profiles where run_id = 'second'").fetchone() == (
            1,
        )


def test_a_value_that_became_null_is_gone_and_foreign_properties_stay(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    if vendor.name == "klaviyo":
        vendor.seed(email="person0@shop.se", first_name="Ada", properties={"Favourite": "blue"})
    else:
        vendor.seed(
            email="person0@shop.se",
            fields=[{"key": "Other.Favourite", "value": "blue"}],
            tags=["newsletter"],
        )
    run(publish(tmp_path / "p.duckdb", crowd(2)), ledger, vendor.destination(), "first")
    rows = [member("person0@shop.se", tier=None, tags=["loyalty-member"])]
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "second")
    assert (result.counts["change"].accepted, result.counts["clear"].accepted) == (1, 1)
    shown = vendor.held()
    foreign = (
        {"Favourite": "blue"}
        if vendor.name == "klaviyo"
        else {"Other.Favourite": "blue", "tag:newsletter": True}
    )
    assert shown["person0@shop.se"] == wanted(vendor.name, rows[0]) | foreign
    assert shown["person1@shop.se"] == {}
    vendor.control.reset_requests()
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "third")
    assert vendor.writes() == 0


def test_nobody_who_may_not_have_a_profile_gets_one(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [member("in@shop.se"), member("out@shop.se", may_create_profile=False)]
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "first")
    assert result.not_known == 1
    assert set(vendor.held()) == {"in@shop.se"}
    rows = [member("in@shop.se", may_create_profile=False, points=None), rows[1]]
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "second")
    assert vendor.held() == {"in@shop.se": wanted(vendor.name, rows[0])}


def test_malformed_and_repeated_keys_are_refused_before_sending(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [
        member("good@shop.se"),
        member("two@@shop.se"),
        member(f"{'x' * 95}@shop.se"),
        member("twice@shop.se"),
        member(" Twice@shop.se", points=1),
    ]
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "first")
    assert_tied(result)
    assert (result.total("accepted"), result.total("invalid")) == (1, 4)
    assert set(vendor.held()) == {"good@shop.se"}
    with ledger.open() as db:
        codes = db.execute("select distinct reason_code from rejections order by 1").fetchall()
    assert codes == [("duplicate_key",), ("email_too_long",), ("malformed_email",)]


def test_a_failed_batch_alone_is_sent_again(vendor: Vendor, ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(6))
    broken = {"status": 503, "after": 1, "next": 1, "operation": POST[vendor.name]}
    vendor.control.faults(vendor.name, error=broken)
    first = run(published, ledger, vendor.destination(max_attempts=1, bulk_rows=2), "first")
    assert_tied(first)
    assert (first.total("accepted"), first.total("aborted")) == (4, 2)
    vendor.control.faults(vendor.name)
    vendor.control.reset_requests()
    second = run(published, ledger, vendor.destination(bulk_rows=2), "second")
    assert (second.total("planned"), second.total("accepted")) == (2, 2)
    assert vendor.writes() == 1
    assert vendor.held() == {row["email"]: wanted(vendor.name, row) for row in crowd(6)}


def test_a_request_that_was_applied_but_not_answered_is_repeated_without_harm(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(3)), ledger, vendor.destination(), "first")
    changed = publish(tmp_path / "p.duckdb", crowd(3, points=999))
    vendor.control.faults(vendor.name, cut_after={"next": 1, "operation": POST[vendor.name]})
    run(changed, ledger, vendor.destination(max_attempts=1), "second")
    vendor.control.faults(vendor.name)
    back = publish(tmp_path / "p.duckdb", crowd(3))
    result = run(back, ledger, vendor.destination(), "third")
    assert result.total("accepted") == 3, "nobody may be left with the value that was never wanted"
    assert vendor.held() == {row["email"]: wanted(vendor.name, row) for row in crowd(3)}


def test_a_wrong_key_names_the_variable_and_everything_is_recorded(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    name = f"{vendor.name.upper()}_API_KEY"
    wrong = Vendor(vendor.name, vendor.control, {**vendor.environment, name: "wrong"}, [])
    destination = wrong.destination()
    vendor.open_clients.extend(wrong.open_clients)
    with pytest.raises(ConfigurationError, match=name):
        run(publish(tmp_path / "p.duckdb", crowd(3)), ledger, destination, "first")
    with ledger.open() as db:
        runs = db.execute(
            "select status, planned_count, aborted_count from runs where operation = 'add'"
        ).fetchall()
    assert runs == [("failed", 3, 3)]


def test_the_published_ledger_tells_what_happened(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    import duckdb

    rows = [*crowd(2), member("two@@shop.se")]
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor.destination(), "first")
    with duckdb.connect(str(tmp_path / "new.duckdb")) as target:
        ledger.export(target)
        states = target.execute(
            "select email, state, reason_code, accepted_at is not null from sync.profiles "
            "order by 1"
        ).fetchall()
        runs = target.execute(
            "select operation, planned_count, accepted_count, invalid_count from sync.runs "
            "order by 1"
        ).fetchall()
        rejections = target.execute(
            "select run_id, destination, email, reason_code, attempt_count from sync.rejections"
        ).fetchall()
    assert states == [
        ("person0@shop.se", "accepted", None, True),
        ("person1@shop.se", "accepted", None, True),
        ("two@@shop.se", "invalid", "malformed_email", False),
    ]
    assert runs == [("add", 3, 2, 1), ("change", 0, 0, 0), ("clear", 0, 0, 0)]
    assert rejections == [("first", vendor.name, "two@@shop.se", "malformed_email", 1)]


def test_no_log_line_or_repr_shows_an_email(
    vendor: Vendor, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="reverse_etl")
    vendor.control.faults(vendor.name, error={"status": 400, "next": 2})
    destination = vendor.destination()
    result = run(publish(tmp_path / "p.duckdb", crowd(2)), ledger, destination, "first")
    said = caplog.text + repr(result) + repr(destination) + repr(ledger)
    assert "shop.se" not in said


def test_people_left_alone_by_consent_stay_as_they_are(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    if vendor.name == "klaviyo":
        vendor.seed(
            email="person0@shop.se",
            consent="UNSUBSCRIBED",
            suppressions=[{"reason": "USER_SUPPRESSED"}],
        )
    else:
        vendor.seed(email="person0@shop.se", status="BLOCKED")
        vendor.seed(email="person1@shop.se", status="PENDING")
    kept = ("consent", "suppressions", "status", "opted_in", "phone_number", "first_name")
    before = [{name: record.get(name) for name in kept} for record in vendor.records()]
    run(publish(tmp_path / "p.duckdb", crowd(2)), ledger, vendor.destination(), "first")
    run(publish(tmp_path / "p.duckdb", []), ledger, vendor.destination(), "second")
    after = [{name: record.get(name) for name in kept} for record in vendor.records()]
    assert after[: len(before)] == before
    if vendor.name == "rule":
        assert vendor.control.call("GET", "/rule/automations") == []
