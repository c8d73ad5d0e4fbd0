"""Slack-compatible webhook and e-mail: what they carry, and that their secrets stay secret."""

from collections.abc import Iterator

import pytest

from orchestration.operations.channels import (
    ChannelError,
    MailChannel,
    Message,
    WebhookChannel,
    channels,
    send_test,
)
from orchestration.settings import Settings, load_settings
from tests.alert_servers import Hook, Mailbox, listening_hook, listening_mailbox
from vendor_http import ConfigurationError

MESSAGE = Message("[loyalty] Alert: a check failed", "What: 5 < 6 & 7 > 6\nRun: abc")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening_hook() as opened:
        yield opened


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with listening_mailbox() as opened:
        yield opened


def mail_settings(
    monkeypatch: pytest.MonkeyPatch, box: Mailbox, security: str = "none"
) -> Settings:
    monkeypatch.setenv("LOYALTY_ALERT_EMAIL_TO", "ops@shop.test, night@shop.test")
    monkeypatch.setenv("LOYALTY_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("LOYALTY_SMTP_PORT", str(box.port))
    monkeypatch.setenv("LOYALTY_SMTP_SECURITY", security)
    return load_settings()


def test_the_webhook_gets_one_text_with_slacks_characters_escaped(hook: Hook) -> None:
    WebhookChannel(hook.address).send(MESSAGE)
    assert hook.texts == [
        "*[loyalty] Alert: a check failed*\nWhat: 5 &lt; 6 &amp; 7 &gt; 6\nRun: abc"
    ]


def test_a_webhook_that_fails_says_so_without_its_address(hook: Hook) -> None:
    hook.status = 404
    with pytest.raises(ChannelError, match="404") as answered:
        WebhookChannel(hook.address).send(MESSAGE)
    with pytest.raises(ChannelError, match="not reached") as unreachable:
        WebhookChannel("http://127.0.0.1:9/services/secret-part").send(MESSAGE)
    for error in (answered.value, unreachable.value):
        assert "secret-part" not in str(error)
        assert error.__cause__ is None


def test_a_mail_names_subject_sender_and_all_receivers(
    monkeypatch: pytest.MonkeyPatch, box: Mailbox
) -> None:
    MailChannel(mail_settings(monkeypatch, box)).send(MESSAGE)
    (mail,) = box.mails
    assert "Subject: [loyalty] Alert: a check failed" in mail
    assert "From: ops@shop.test" in mail
    assert "To: ops@shop.test, night@shop.test" in mail
    assert "What: 5 < 6 & 7 > 6" in mail


def test_a_server_without_tls_gets_nothing_unless_told_so(
    monkeypatch: pytest.MonkeyPatch, box: Mailbox
) -> None:
    for security in ("starttls", "tls"):
        with pytest.raises(ChannelError):
            MailChannel(mail_settings(monkeypatch, box, security)).send(MESSAGE)
    assert box.mails == []


def test_a_refused_receiver_is_an_error_that_names_nobody(
    monkeypatch: pytest.MonkeyPatch, box: Mailbox
) -> None:
    box.refuses = True
    with pytest.raises(ChannelError, match="mail server") as caught:
        MailChannel(mail_settings(monkeypatch, box)).send(MESSAGE)
    assert "ops@" not in str(caught.value)


def test_channels_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch, box: Mailbox) -> None:
    assert channels(load_settings()) == []
    monkeypatch.setenv("LOYALTY_ALERT_WEBHOOK", "https://hooks.shop.test/services/secret-part")
    assert [c.name for c in channels(mail_settings(monkeypatch, box))] == ["webhook", "email"]
    assert "secret-part" not in repr(load_settings())


def test_half_a_setting_is_refused_without_showing_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOYALTY_ALERT_EMAIL_TO", "ops@shop.test")
    with pytest.raises(ConfigurationError, match="LOYALTY_SMTP_HOST"):
        load_settings()
    monkeypatch.delenv("LOYALTY_ALERT_EMAIL_TO")
    monkeypatch.setenv("LOYALTY_ALERT_WEBHOOK", "hooks/secret-part")
    with pytest.raises(ConfigurationError, match="LOYALTY_ALERT_WEBHOOK") as caught:
        load_settings()
    assert "secret-part" not in str(caught.value)


def test_a_test_message_goes_to_every_channel_and_says_that_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, hook: Hook, box: Mailbox
) -> None:
    assert send_test(load_settings()) == []
    monkeypatch.setenv("LOYALTY_ALERT_WEBHOOK", hook.address)
    settings = mail_settings(monkeypatch, box)
    assert send_test(settings) == [("webhook", None), ("email", None)]
    assert "Nothing is wrong" in hook.texts[0]
    hook.status = 410
    (webhook, problem), (email, none) = send_test(settings)
    assert (webhook, email, none) == ("webhook", "email", None)
    assert "410" in str(problem)
