"""`loyalty reconcile` and the check in the UI: what they say, how they end, and no e-mails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from orchestration import activate, reconcile
from orchestration.accounts import rule_client
from orchestration.assets.checks import read_back_checks, read_back_job
from orchestration.assets.syncs import sync_assets
from orchestration.cli import reconcile_commands
from orchestration.cli.app import app
from orchestration.context import LoyaltyResource
from orchestration.home import Home
from orchestration.settings import load_settings
from reverse_etl.destinations import rule_account
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.destinations.rule_read import READ_SHARE
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.reverse_etl_models import NOW, manifest, member, publish
from vendor_http import LoyaltyError

pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
PEOPLE = [member(f"somebody.number{n}@shop.test", points=n) for n in range(20)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def home(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """Twenty people whom both vendors have accepted."""
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOYALTY_NOW", NOW.isoformat())
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(activate, "read_manifest", lambda _home: manifest())
    monkeypatch.setattr(reconcile, "SECOND_LOOK_SECONDS", 0.0)
    found = Home(tmp_path / "home")
    found.prepare()
    publish(found.audited, PEOPLE)
    sync(found, "klaviyo")
    sync(found, "rule")
    yield found
    for vendor, kind in (("klaviyo", "profiles"), ("rule", "subscribers")):
        for record in sandbox.control.call("GET", f"/{vendor}/{kind}"):
            sandbox.control.call("DELETE", f"/{vendor}/{kind}/{record['id']}")


def sync(home: Home, name: str) -> None:
    settings = load_settings()
    done = activate.run_sync(activate.declared(name), settings, home, NOW, name, lambda _text: None)
    assert done is not None
    assert done.status == "succeeded"


def spoil(sandbox: RunningSandbox, count: int) -> None:
    """Somebody edits Klaviyo by hand, and deletes one subscriber in Rule."""
    for person in PEOPLE[:count]:
        values = {"properties": {"Loyalty Tier Name": "Diamond"}}
        sandbox.control.call("PATCH", f"/klaviyo/profiles/{person['email']}", values)
    if count:
        sandbox.control.call("DELETE", f"/rule/subscribers/{PEOPLE[0]['email']}")


def command(*arguments: str) -> Result:
    # Wide enough that no line is broken.
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["reconcile", *arguments])


def published(home: Home, query: str) -> list[Any]:
    with duckdb.connect(str(home.published), read_only=True) as db:
        return db.execute(query).fetchall()


def test_what_is_accurate_ends_well_says_its_cost_before_and_is_published(
    home: Home, sandbox: RunningSandbox
) -> None:
    done = command("--sample", "10")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line.strip()]
    assert "klaviyo: reading 10 of 20 people takes 1 requests" in lines[0]
    assert "klaviyo: 10 of 20 people read back, 100.00 % as accepted" in lines[1]
    assert "klaviyo: no events to look for" in lines[2]
    assert "rule: reading 10 of 20 people takes 20 requests" in lines[3]
    assert "rule: events cannot be read back" in lines[5]
    rows = published(home, "select destination, checked_count, accuracy from sync.read_backs")
    assert [(name, count, float(share)) for name, count, share in rows] == [
        ("klaviyo", 10, 1.0),
        ("rule", 10, 1.0),
    ]
    assert published(home, "select * from sync.drift") == []


def test_too_much_drift_is_shown_by_property_and_fails_without_a_name(
    home: Home, sandbox: RunningSandbox
) -> None:
    spoil(sandbox, 3)
    done = command("klaviyo", "--all")
    assert done.exit_code == 1
    assert isinstance(done.exception, LoyaltyError)
    assert "85.00 % of 20 people" in str(done.exception)
    assert "--repair" in str(done.exception)
    assert "Loyalty Tier Name" in done.output
    assert "different" in done.output
    assert "@" not in done.output + str(done.exception)


def test_a_lower_threshold_tolerates_what_it_says(
    home: Home, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(sandbox, 3)
    monkeypatch.setenv("LOYALTY_LEAST_ACCURACY", "0.85")
    assert command("klaviyo", "--all").exit_code == 0


def test_repair_marks_the_drifted_and_syncs_those_destinations(
    home: Home, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(sandbox, 2)
    synced: list[list[str]] = []
    monkeypatch.setattr(reconcile_commands, "_sync", synced.append)
    done = command("--all", "--repair")
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert synced == [["klaviyo"], ["rule"]]  # each before the next is read
    assert "klaviyo: 2 people are written again now" in done.output
    assert "rule: 1 people are written again now" in done.output
    assert published(home, "select destination, repaired_count from sync.read_backs") == [
        ("klaviyo", 2),
        ("rule", 1),
    ]
    sync(home, "klaviyo")
    sync(home, "rule")
    done = command("--all", "--repair")
    assert done.exit_code == 0, done.output
    assert done.output.count("100.00 % as accepted") == 2
    assert len(synced) == 2, "nothing drifted, so nothing is synced"


def test_a_destination_without_a_key_is_left_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RULE_API_KEY")
    done = command("rule")
    assert done.exit_code == 0
    assert "RULE_API_KEY not set" in done.output


@pytest.mark.parametrize(
    ("spoilt", "passed", "severity"), [(0, True, "WARN"), (1, False, "WARN"), (20, False, "ERROR")]
)
def test_the_check_warns_of_drift_and_fails_below_the_threshold(
    spoilt: int,
    passed: bool,
    severity: str,
    home: Home,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOYALTY_LEAST_ACCURACY", "0.9")
    spoil(sandbox, spoilt)
    definitions = dg.Definitions(
        assets=sync_assets(),
        asset_checks=read_back_checks(),
        jobs=[read_back_job(dg.in_process_executor)],
        resources={"loyalty": LoyaltyResource()},
    )
    done = definitions.resolve_job_def("read_back_job").execute_in_process()
    assert not done.get_asset_materialization_events(), "a read-back makes nothing"
    found = {
        each.asset_key.path[0]: each
        for each in done.get_asset_check_evaluations()
        if each.asset_key.path[1] != "events"
    }
    klaviyo = found["klaviyo"]
    assert (klaviyo.passed, klaviyo.severity.name) == (passed, severity)
    assert klaviyo.metadata["checked"].value == 20
    assert "@" not in repr(klaviyo)
    if spoilt:
        (record,) = klaviyo.metadata["drift"].records
        assert record.data == {
            "property": "Loyalty Tier Name", "kind": "different", "people": spoilt
        }  # fmt: skip
        (record,) = found["rule"].metadata["drift"].records
        assert record.data["property"] == "(whole person)"


@pytest.mark.parametrize(("allowed", "seconds"), [("", 600), ("4000", 0), ("200000", 0)])
def test_rule_is_read_at_the_rate_that_the_account_has(
    monkeypatch: pytest.MonkeyPatch, allowed: str, seconds: float
) -> None:
    """A thousand requests: at the usual rate the half that is read with is used up by 950."""
    monkeypatch.setenv("RULE_API_KEY", "key")
    monkeypatch.setenv("RULE_REQUESTS_PER_TEN_MINUTES", allowed)
    connected = reconcile.connect_reader("rule", load_settings())
    assert connected is not None
    client, reader = connected
    with client:
        assert reader.estimate(500) == (1_000, seconds)


def test_the_rate_of_the_account_is_that_of_syncs_and_of_read_backs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[Any] = []
    monkeypatch.setattr(rule_account, "client", lambda *arguments: found.append(arguments[-1]))
    key = SecretStr("key")
    for allowed in ("2000", "200000"):
        monkeypatch.setenv("RULE_REQUESTS_PER_TEN_MINUTES", allowed)
        for share in (1.0, READ_SHARE):
            rule_client(key, load_settings(), AnswerWatch(), share)
    requests = [each["default"][0].requests for each in found]
    assert requests == [1_980, 950, 198_000, 95_040]
