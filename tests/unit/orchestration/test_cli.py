"""The `loyalty` command: what it accepts, how it refuses, and that no secret or person leaks."""

import io
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from orchestration import activate
from orchestration.cli import base
from orchestration.cli.plans import mask, show_plans
from orchestration.cli.screen import RunScreen
from orchestration.home import Home
from orchestration.settings import load_settings
from orchestration.slot import WAITING
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.reverse_etl_models import manifest, member, publish

ROOT = Path(__file__).parents[3]
KEYS = ("SMILE_API_KEY", "YOTPO_API_KEY", "KLAVIYO_API_KEY", "RULE_API_KEY")
COMMANDS = (
    *("run", "extract", "build", "publish", "sync", "plan", "doctor", "demo", "sandbox", "dev"),
    *("rejections", "reconcile", "why", "forget", "connect", "disconnect", "simulate", "docs"),
    *("webhooks", "serve", "backup", "restore", "retention"),
)


def loyalty(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Type a command, with the environment of the test and `settings`."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli.app", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def assert_one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as people like it: one line, no traceback, exit 1."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=100, limits_scale=200)) as server:
        yield server


def test_help_names_every_command_with_what_it_does() -> None:
    done = loyalty("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}\s+\w+", done.stdout, re.MULTILINE), command


def test_a_command_that_does_not_exist_ends_with_2() -> None:
    done = loyalty("harvest")
    assert done.returncode == 2
    assert "harvest" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_option_that_does_not_exist_ends_with_2() -> None:
    assert loyalty("plan", "--everything").returncode == 2


@pytest.mark.parametrize(
    ("command", "choices"), [("extract", "smile, yotpo"), ("sync", "klaviyo, rule")]
)
def test_an_unknown_vendor_is_refused_with_those_that_exist(command: str, choices: str) -> None:
    error = assert_one_line_error(loyalty(command, "shopify"))
    assert "shopify" in error
    assert choices in error


def test_an_unusable_setting_is_named_in_one_line() -> None:
    error = assert_one_line_error(loyalty("plan", LOYALTY_NOW="yesterday", RULE_EVENTS="perhaps"))
    assert "LOYALTY_NOW" in error
    assert "RULE_EVENTS" in error


def test_plan_before_the_first_publication_says_what_to_run() -> None:
    assert "loyalty run" in assert_one_line_error(loyalty("plan"))


def test_the_ui_says_at_once_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = assert_one_line_error(loyalty("dev", "--port", port))
    assert f"Port {port}" in error
    assert "--port" in error


@pytest.mark.parametrize("command", ["run", "extract", "doctor"])
def test_without_a_programme_the_variables_to_set_are_named(command: str) -> None:
    done = loyalty(command, RULE_API_KEY="", LOYALTY_ENV_FILE="mine.env")
    shown = assert_one_line_error(done) + done.stdout
    for variable in ("SMILE_API_KEY", "YOTPO_GUID", "YOTPO_API_KEY", "mine.env"):
        assert variable in shown


def test_a_programme_that_was_named_and_has_no_key_is_refused() -> None:
    error = assert_one_line_error(loyalty("extract", "yotpo", SMILE_API_KEY="key"))
    assert "YOTPO_GUID and YOTPO_API_KEY not set" in error
    assert "SMILE" not in error


def test_who_is_asked_about_in_an_empty_home_is_answered_with_a_sentence() -> None:
    error = assert_one_line_error(loyalty("why", "ava@shop.test"))
    assert "ava@shop.test is not known here, for nothing is published yet" in error


def test_doctor_without_any_key_judges_the_machine_and_leaves_the_vendors_out() -> None:
    done = loyalty("doctor")
    assert done.returncode == 1
    assert done.stdout.count("✗") == 1, done.stdout
    for variable in KEYS:
        assert f"{variable} not set" in done.stdout


def test_doctor_is_content_with_keys_that_work(sandbox: RunningSandbox) -> None:
    sandbox.control.reset_requests()
    done = loyalty("doctor", **sandbox.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    for vendor in ("smile", "yotpo", "klaviyo", "rule"):
        counted = sandbox.control.requests(vendor)
        assert counted["reads"] > 0, vendor
        assert counted["writes"] == 0, f"doctor may write nothing at {vendor}"


@pytest.mark.parametrize("variable", KEYS)
def test_doctor_names_the_variable_whose_key_is_wrong_and_never_the_key(
    sandbox: RunningSandbox, variable: str
) -> None:
    done = loyalty("doctor", **{**sandbox.environment, variable: "wrong-but-secret"})
    assert_one_line_error(done)
    judged = [line for line in done.stdout.splitlines() if "✗" in line]
    assert judged
    assert all(variable in line for line in judged), judged
    assert "wrong-but-secret" not in done.stdout + done.stderr


def test_a_masked_address_is_recognisable_and_useless() -> None:
    assert mask("annika.berg@shop.test") == "an***@shop.test"
    assert mask("a@shop.test") == "***@shop.test"


def test_plans_show_samples_without_any_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    people = [member(f"somebody.number{n}@shop.test", points=n) for n in range(3)]
    publish(home.audited, [*people, member("not an address")])
    monkeypatch.setattr(activate, "read_manifest", lambda _home: manifest())
    screen = io.StringIO()
    console = Console(file=screen, width=200)
    monkeypatch.setenv("LOYALTY_NOW", datetime(2026, 11, 21, tzinfo=UTC).isoformat())
    saved = tmp_path / "plan.json"
    show_plans(console, load_settings(), home, ["klaviyo", "rule"], samples=5, save=saved)
    shown = screen.getvalue()
    assert "1 requests" in shown
    assert "less than a minute" in shown
    assert f"loyalty sync --plan {saved}" in shown
    assert "The file holds people only: a sync with --plan tells no events." in shown
    assert "events: the published file has no activation.sync_klaviyo__events" in shown
    assert "@" not in saved.read_text()
    assert "so***@shop.test" in shown
    assert "refused" in shown
    for person in people:
        assert str(person["email"]) not in shown
    assert "not an address" not in shown


def test_the_published_record_of_deliveries_is_described_to_the_last_column(
    tmp_path: Path,
) -> None:
    import duckdb

    from reverse_etl.ledger import Ledger

    with duckdb.connect() as connection:
        Ledger(tmp_path / "ledger.duckdb").export(connection)
        silent = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where schema_name = 'sync' and comment is null"
        ).fetchall()
    assert silent == []


def test_what_a_step_waits_for_is_shown_at_once_and_why_it_failed_is_left_to_the_error() -> None:
    shown = io.StringIO()
    screen = RunScreen(Console(file=shown, width=200))
    screen.report("build_models", "started", "")
    screen.report("build_models", "progress", "3 of 400 models and tests")
    screen.report("build_models", "progress", f"{WAITING}warehouse.duckdb")
    screen.report("build_models", "failed", "it is open in process 7")
    assert "3 of 400" not in shown.getvalue()
    assert f"{WAITING}warehouse.duckdb" in shown.getvalue()
    assert "process 7" not in shown.getvalue()
    assert "failed" in shown.getvalue()


def test_a_table_is_whole_where_no_terminal_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    piped = Console(file=io.StringIO())
    monkeypatch.setattr(base, "console", piped)
    base.widen()
    assert piped.width == 200
    monkeypatch.setenv("COLUMNS", "90")
    chosen = Console(file=io.StringIO())
    monkeypatch.setattr(base, "console", chosen)
    base.widen()
    assert chosen.width == 90
