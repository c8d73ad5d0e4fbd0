"""`loyalty alerts`: what goes on, a test of the channels, and exit codes that tell."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from orchestration.cli.app import app
from orchestration.home import Home
from orchestration.operations.alerts import Trouble
from orchestration.operations.incidents import Book, Incident, write_book
from orchestration.settings import load_settings
from tests.alert_servers import Hook, listening_hook
from vendor_http import ConfigurationError, LoyaltyError


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with listening_hook() as opened:
        monkeypatch.setenv("LOYALTY_ALERT_WEBHOOK", opened.address)
        yield opened


def alerts(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *arguments])


def test_without_any_incident_it_says_so() -> None:
    done = alerts()
    assert done.exit_code == 0
    assert "no incident is open" in done.output


def test_open_incidents_and_dead_channels_are_listed_and_what_is_over_is_not() -> None:
    home = Home(load_settings().home)
    home.prepare()
    at = datetime(2026, 11, 21, 6, tzinfo=UTC).isoformat()
    trouble = Trouble("failed_step:build_models", "failed_step", "a test failed", "analysts")
    over = Incident(Trouble("failed_check:x", "failed_check", "gone", "nobody"), at, over_at=at)
    write_book(
        home.alerts,
        Book({trouble.key: Incident(trouble, at), over.trouble.key: over}, {"email": "no answer"}),
    )
    shown = alerts().output
    for text in ("A step of a run failed", "a test failed", "alert-failed-step.md", "no answer"):
        assert text in shown
    assert "gone" not in shown


@pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
def test_a_look_says_what_it_told_and_fails_while_a_message_waits(hook: Hook) -> None:
    home = Home(load_settings().home)
    home.prepare()
    at = datetime(2026, 11, 21, 6, tzinfo=UTC).isoformat()
    trouble = Trouble("failed_check:x", "failed_check", "it was wrong", "nobody")
    write_book(home.alerts, Book({trouble.key: Incident(trouble, at)}))
    hook.status = 500
    done = alerts("check")
    assert "messages sent: 0" in done.output
    assert isinstance(done.exception, LoyaltyError)
    assert "wait for a channel to take them: 1" in str(done.exception)
    assert "for a channel to take them: 1" in str(alerts("check").exception), "not its own silence"
    hook.status = 200
    done = alerts("check")
    assert done.exit_code == 0
    assert "messages sent: 1" in done.output
    assert "it was wrong" in hook.texts[-1]


def test_a_test_message_reaches_the_channel(hook: Hook) -> None:
    done = alerts("test")
    assert done.exit_code == 0
    assert "✓ webhook" in done.output
    assert "This is a test" in hook.texts[0]


def test_a_test_without_a_channel_or_with_a_dead_one_fails(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.status = 403
    done = alerts("test")
    assert isinstance(done.exception, LoyaltyError)
    assert "403" in done.output
    monkeypatch.delenv("LOYALTY_ALERT_WEBHOOK")
    assert isinstance(alerts("test").exception, ConfigurationError)


def test_doctor_names_the_channels_and_whether_they_work(hook: Hook) -> None:
    from orchestration.cli.doctor import _alerts

    settings = load_settings()
    assert _alerts(settings).good is True
    home = Home(settings.home)
    home.prepare()
    write_book(home.alerts, Book({}, {"webhook": "it answered 404"}))
    assert _alerts(settings).good is False
    assert "404" in _alerts(settings).text
