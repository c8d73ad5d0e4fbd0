"""Reading back and repairing, tried over real HTTP against the sandbox."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import NOW, member, publish, run, spec, wanted
from reverse_etl_vendors import NAMES, POST, Vendor

from reverse_etl.destinations import klaviyo, rule_account
from reverse_etl.destinations.klaviyo_read import KlaviyoReader
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.destinations.rule_read import RuleReader
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_read_back import ReadBack, mark_for_repair
from reverse_etl.read_back import Reader, read_back
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import ConfigurationError

KIND = {"klaviyo": "profiles", "rule": "subscribers"}
NAME = {  # of a text and of a list
    "klaviyo": ("Loyalty Tier Name", "Loyalty Available Rewards"),
    "rule": ("Loyalty.TierName", "Loyalty.AvailableRewards"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


def _vendor(name: str, sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor(name, sandbox.control, sandbox.environment, [])
    sandbox.control.faults(name)
    sandbox.control.reset_switches(name)
    if name == "rule":  # who is written later has a test of his own
        sandbox.control.switch(name, async_seconds=0)
    sandbox.control.reset_limits()
    for record in found.records():
        sandbox.control.call("DELETE", f"/{name}/{KIND[name]}/{record['id']}")
    sandbox.control.reset_requests()
    yield found
    sandbox.control.faults(name)
    for client in found.open_clients:
        client.close()


@pytest.fixture(params=NAMES)
def vendor(request: pytest.FixtureRequest, sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor(request.param, sandbox)


@pytest.fixture
def the_klaviyo(sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor("klaviyo", sandbox)


@pytest.fixture
def the_rule(sandbox: RunningSandbox) -> Iterator[Vendor]:
    yield from _vendor("rule", sandbox)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def reader(vendor: Vendor, key: str | None = None, **options: Any) -> Reader:
    """A reader with a client of its own; closed by the fixture."""
    if vendor.name == "klaviyo":
        api = klaviyo.client(
            key or vendor.environment["KLAVIYO_API_KEY"], vendor.environment["KLAVIYO_BASE_URL"]
        )
        vendor.open_clients.append(api)
        return KlaviyoReader(api, **options)
    watch = AnswerWatch()
    api = rule_account.client(
        key or vendor.environment["RULE_API_KEY"], watch, vendor.environment["RULE_BASE_URL"]
    )
    vendor.open_clients.append(api)
    (limit,) = rule_account.LIMITS["default"]
    return RuleReader(api, watch, limit)


def look(vendor: Vendor, ledger: Ledger, read_back_id: str, **options: Any) -> ReadBack:
    chosen = {"second_look_seconds": 0.05, "sample": None, **options}
    return read_back(
        chosen.pop("reader", None) or reader(vendor),
        ledger,
        spec(vendor.name),
        NOW,
        read_back_id,
        **chosen,
    )


def crowd(count: int, **values: Any) -> list[dict[str, Any]]:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


def edit(vendor: Vendor, email: str, **values: Any) -> None:
    """Somebody changes properties or tags by hand."""
    body: dict[str, Any] = {"properties": values}
    if vendor.name == "rule":
        body = {"fields": [{"key": name, "value": value} for name, value in values.items()]}
    vendor.control.call("PATCH", f"/{vendor.name}/{KIND[vendor.name]}/{email}", body)


def test_what_was_accepted_is_read_back_as_accurate(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [*crowd(120), member("zero+1@shop.se", points=0, at_risk=False, tier="", rewards=[])]
    rows += [member("list@shop.se", rewards=["$15 off", "Free shipping"], amount=12.5)]
    published = publish(tmp_path / "p.duckdb", rows)
    run(published, ledger, vendor.destination(), "first")
    vendor.control.reset_requests()
    result = look(vendor, ledger, "look", reader=reader(vendor, page_size=7))
    assert (result.known, result.checked, result.accurate) == (122, 122, 122)
    assert (result.accuracy, result.is_sample, result.stopped) == (1.0, False, None)
    asked = vendor.control.requests(vendor.name)
    pages = -(-100 // 7) + -(-22 // 7)  # cursors are followed to the end
    assert asked["reads"] == (pages if vendor.name == "klaviyo" else 2 * 122)
    assert asked["writes"] == 0


def test_exactly_what_somebody_changed_is_found_and_repaired(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    text, listed = NAME[vendor.name]
    rows = crowd(12, rewards=["a", "b"])
    rows[4]["tier"] = None  # cleared below
    published = publish(tmp_path / "p.duckdb", crowd(12, rewards=["a", "b"]))
    run(published, ledger, vendor.destination(), "first")
    published = publish(tmp_path / "p.duckdb", rows)
    run(published, ledger, vendor.destination(), "second")
    edit(vendor, "person1@shop.se", **{text: "Diamond"})
    edit(vendor, "person2@shop.se", **{listed: ["b", "a"]})
    edit(vendor, "person4@shop.se", **{text: "Gold"})
    vendor.control.call("DELETE", f"/{vendor.name}/{KIND[vendor.name]}/person3@shop.se")
    expected = {("", "missing", 1), (text, "different", 1), (listed, "different", 1)}
    expected |= {(text, "unexpected", 1)}
    touched = 4
    if vendor.name == "rule":
        tags = {"tags": ["loyalty-member", "newsletter"]}
        vendor.control.call("PATCH", "/rule/subscribers/person5@shop.se", tags)
        expected |= {("tag:loyalty-tier-gold", "missing", 1)}
        touched = 5
    result = look(vendor, ledger, "look")
    assert set(result.by_property) == expected
    assert (result.checked, result.missing, result.drifted) == (12, 1, touched - 1)

    assert mark_for_repair(ledger, Scope(vendor.name, KIND[vendor.name]), "look") == touched
    vendor.control.reset_requests()
    repaired = run(published, ledger, vendor.destination(), "repair")
    assert (repaired.total("planned"), repaired.total("accepted")) == (touched, touched)
    # Klaviyo: one job, and the clear alone. Rule: one upsert, and the tag that not all get.
    assert vendor.writes() <= 3
    shown = vendor.held()
    for row in rows:
        mine = {name: value for name, value in shown[row["email"]].items() if "news" not in name}
        assert mine == wanted(vendor.name, row)
    again = look(vendor, ledger, "again")
    assert (again.checked, again.accuracy, again.by_property) == (12, 1.0, ())
    vendor.control.reset_requests()
    run(published, ledger, vendor.destination(), "quiet")
    assert vendor.writes() == 0


def test_a_repair_makes_no_profile_for_somebody_who_may_not_have_one(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(3)), ledger, vendor.destination(), "first")
    rows = crowd(3)
    rows[0] = {"email": "person0@shop.se", "may_create_profile": False, "state": "candidate"}
    published = publish(tmp_path / "p.duckdb", rows)
    run(published, ledger, vendor.destination(), "left")
    vendor.control.call("DELETE", f"/{vendor.name}/{KIND[vendor.name]}/person0@shop.se")
    assert look(vendor, ledger, "look").by_property == (("", "missing", 1),)
    mark_for_repair(ledger, Scope(vendor.name, KIND[vendor.name]), "look")
    run(published, ledger, vendor.destination(), "repair")
    assert "person0@shop.se" not in vendor.held()
    again = look(vendor, ledger, "again")
    assert (again.known, again.accuracy) == (2, 1.0)


def test_passing_trouble_while_reading_changes_nothing(
    vendor: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(30)), ledger, vendor.destination(), "first")
    # Klaviyo asks for a second of silence; Rule's 429 would ask for minutes.
    status = {"klaviyo": 429, "rule": 503}[vendor.name]
    orders: dict[str, Any] = {"error": {"status": status, "next": 2}, "cut_body": {"next": 1}}
    if status == 429:
        orders["error"]["retry_after"] = "1"
    vendor.control.faults(vendor.name, **orders)
    result = look(vendor, ledger, "look")
    assert (result.checked, result.accuracy, result.stopped) == (30, 1.0, None)


def test_a_wrong_key_stops_at_once(vendor: Vendor, ledger: Ledger, tmp_path: Path) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(3)), ledger, vendor.destination(), "first")
    with pytest.raises(ConfigurationError, match=f"{vendor.name.upper()}_API_KEY"):
        look(vendor, ledger, "look", reader=reader(vendor, "pk_wrong"))


def test_a_storm_of_people_who_are_gone_ends_before_rule_would_block(
    the_rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(40)), ledger, the_rule.destination(), "first")
    for record in the_rule.records():
        the_rule.control.call("DELETE", f"/rule/subscribers/{record['id']}")
    the_rule.control.reset_requests()
    result = look(the_rule, ledger, "look")
    assert result.stopped == "error_share"
    assert 0 < result.checked == result.missing < 20
    asked = the_rule.control.requests("rule")
    assert asked["statuses"] == {"404": result.checked}


def test_a_rule_that_asks_for_minutes_of_silence_ends_the_reading(
    the_rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(4)), ledger, the_rule.destination(), "first")
    late = {"status": 429, "after": 4, "next": 1, "retry_after": "600"}
    the_rule.control.faults("rule", error=late)
    result = look(the_rule, ledger, "look")
    assert (result.stopped, result.checked, result.accurate) == ("vendor_unavailable", 2, 2)


def test_people_whom_rule_writes_later_are_looked_at_again(
    the_rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(10)), ledger, the_rule.destination(), "first")
    the_rule.control.switch("rule", multi_async_from=1, async_seconds=1.5)
    rows = [*crowd(10, points=0), member("new@shop.se")]
    run(publish(tmp_path / "p.duckdb", rows), ledger, the_rule.destination(), "second")
    the_rule.control.reset_requests()
    result = look(the_rule, ledger, "look", second_look_seconds=2.0)
    assert (result.checked, result.accuracy) == (11, 1.0)
    assert the_rule.control.requests("rule")["reads"] > 2 * 11


def test_lists_that_rule_shows_joined_are_the_same_lists(
    the_rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    the_rule.control.switch("rule", multiple_read_back="joined")
    rows = [*crowd(2, rewards=["a", "b"]), member("none@shop.se", rewards=[])]
    run(publish(tmp_path / "p.duckdb", rows), ledger, the_rule.destination(), "first")
    assert look(the_rule, ledger, "look").accuracy == 1.0


def test_a_sample_asks_klaviyo_once_for_a_hundred_people(
    the_klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", crowd(150)), ledger, the_klaviyo.destination(), "first")
    the_klaviyo.control.reset_requests()
    result = look(the_klaviyo, ledger, "look", sample=100)
    assert (result.is_sample, result.known, result.checked) == (True, 150, 100)
    assert the_klaviyo.control.requests("klaviyo")["operations"] == {"GET /api/profiles": 1}
    assert POST["klaviyo"] not in the_klaviyo.control.requests("klaviyo")["operations"]
