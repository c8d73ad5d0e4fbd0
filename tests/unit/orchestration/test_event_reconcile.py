"""Told events are looked for at Klaviyo: on the command line and as a check; no e-mails."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner, Result

from orchestration.activate import event_sync
from orchestration.assets.checks import read_back_checks, read_back_job
from orchestration.assets.syncs import sync_assets
from orchestration.cli.app import app
from orchestration.context import LoyaltyResource
from orchestration.event_syncs import run_events
from orchestration.home import Home
from orchestration.settings import load_settings
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.event_models import klaviyo_event, now, publish
from vendor_http import LoyaltyError

pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def home(sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Four events were told an hour ago, one of them to an address that Klaviyo drops."""
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sandbox.klaviyo.events.TEST_DOMAINS", ("dropped.se",))
    home = Home(tmp_path / "home")
    home.prepare()
    rows = [klaviyo_event(f"told{n}", f"somebody{n}@kept.se") for n in range(3)]
    publish(home.audited, "klaviyo", [*rows, klaviyo_event("lost", "somebody@dropped.se")])
    told = run_events(
        event_sync("klaviyo"), load_settings(), home, now(), "run", lambda _text: None
    )
    assert told is not None
    assert told.total("accepted") == 4
    monkeypatch.setenv("LOYALTY_NOW", (now() + timedelta(hours=1)).isoformat())
    return home


def command(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["reconcile", "klaviyo", *arguments])


def recorded(home: Home) -> list[Any]:
    with duckdb.connect(str(home.published), read_only=True) as db:
        return db.execute(
            "select object, known_count, checked_count, missing_count from sync.read_backs "
            "where object = 'events'"
        ).fetchall()


def test_what_klaviyo_dropped_is_named_by_its_id_and_fails(home: Home) -> None:
    done = command()
    words = "klaviyo: 4 of 4 told events looked for, 3 found, 1 missing (event_id lost)"
    assert words in done.output
    assert isinstance(done.exception, LoyaltyError)
    assert "99.00 % is the least" in str(done.exception)
    assert "@" not in done.output + str(done.exception)
    assert recorded(home) == [("events", 4, 4, 1)]


def test_nothing_is_looked_for_where_nobody_wants_it_or_nothing_can_be_visible(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "events" not in command("--events", "0").output
    monkeypatch.setenv("LOYALTY_NOW", now().isoformat())
    done = command()
    assert done.exit_code == 0, done.output
    words = "klaviyo: no events to look for; 4 of the last 15 minutes may not be"
    assert words in done.output
    assert recorded(home) == []


def test_old_and_fresh_events_together_are_all_that_were_told(home: Home) -> None:
    later = now() + timedelta(hours=1)
    publish(home.audited, "klaviyo", [klaviyo_event("new", "somebody@kept.se")])
    told = run_events(event_sync("klaviyo"), load_settings(), home, later, "run2", lambda _: None)
    assert told is not None
    assert told.total("accepted") == 1
    done = command()
    assert "4 of 4 told events looked for" in done.output
    assert "; 1 of the last 15 minutes may not be visible yet" in done.output


def test_the_check_in_the_ui_is_red_while_more_is_missing_than_tolerated(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = dg.Definitions(
        assets=sync_assets(),
        asset_checks=read_back_checks(),
        jobs=[read_back_job(dg.in_process_executor)],
        resources={"loyalty": LoyaltyResource()},
    )
    job = definitions.resolve_job_def("read_back_job")
    severities = []
    for least in ("0.99", "0.5"):
        monkeypatch.setenv("LOYALTY_LEAST_ACCURACY", least)
        (found,) = [
            each
            for each in job.execute_in_process().get_asset_check_evaluations()
            if each.asset_key == dg.AssetKey(["klaviyo", "events"])
        ]
        assert not found.passed
        assert (found.metadata["checked"].value, found.metadata["missing"].value) == (4, 1)
        assert "@" not in repr(found)
        severities.append(found.severity)
    assert severities == [dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN]
