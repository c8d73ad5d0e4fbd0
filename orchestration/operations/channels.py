"""Where alerts go: a Slack-compatible incoming webhook, and e-mail.

Slack's incoming webhooks take `{"text": …}` and answer 200 with `ok`
(https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks); Mattermost, Rocket.Chat
and Google Chat take the same. The webhook's address is a secret: no error shows it. E-mail goes by
SMTP with TLS that verifies the server (RFC 3207, RFC 8314), unless a relay needs none.
"""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol

import httpx

from orchestration.masking import masked
from orchestration.settings import Settings
from vendor_http import LoyaltyError

_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class Message:
    """What a channel carries: a subject for e-mail, the first line elsewhere, and lines."""

    subject: str
    text: str


class ChannelError(LoyaltyError):
    """A channel did not take a message; the text names neither address nor password."""


class Channel(Protocol):
    """Takes messages."""

    name: str

    def send(self, message: Message) -> None:
        """Deliver one message.

        Raises:
            ChannelError: it was not taken.
        """


class WebhookChannel:
    """A Slack-compatible incoming webhook."""

    name = "webhook"

    def __init__(self, address: str) -> None:
        self._address = address

    def send(self, message: Message) -> None:
        """See `Channel.send`."""
        try:
            answer = httpx.post(
                self._address,
                json={"text": f"*{message.subject}*\n{_escaped(message.text)}"},
                timeout=_TIMEOUT_SECONDS,
            )
        except httpx.HTTPError as error:
            raise ChannelError(
                f"the webhook of LOYALTY_ALERT_WEBHOOK was not reached ({type(error).__name__})"
            ) from None
        if not answer.is_success:
            raise ChannelError(
                f"the webhook of LOYALTY_ALERT_WEBHOOK answered {answer.status_code}; make a new "
                "one if it was revoked"
            )


class MailChannel:
    """E-mail by a mail server."""

    name = "email"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Message) -> None:
        """See `Channel.send`."""
        settings = self._settings
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = settings.alert_email_from or settings.alert_email_to[0]
        mail["To"] = ", ".join(settings.alert_email_to)
        mail.set_content(message.text)
        try:
            with self._connect() as server:
                if settings.smtp_user is not None and settings.smtp_password is not None:
                    server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            # Servers quote addresses in their answers.
            why = masked(f"{type(error).__name__}: {error}", 200)
            raise ChannelError(
                f"the mail server of LOYALTY_SMTP_HOST did not take the message ({why})"
            ) from None

    def _connect(self) -> smtplib.SMTP:
        settings, host = self._settings, self._settings.smtp_host or ""
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                host,
                settings.smtp_port,
                timeout=_TIMEOUT_SECONDS,
                context=ssl.create_default_context(),
            )
        server = smtplib.SMTP(host, settings.smtp_port, timeout=_TIMEOUT_SECONDS)
        if settings.smtp_security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


def channels(settings: Settings) -> list[Channel]:
    """The channels that are configured."""
    found: list[Channel] = []
    if settings.alert_webhook is not None:
        found.append(WebhookChannel(settings.alert_webhook.get_secret_value()))
    if settings.alert_email_to:
        found.append(MailChannel(settings))
    return found


def send_test(settings: Settings) -> list[tuple[str, str | None]]:
    """Send a message that says it is a test; (channel, why it was not taken or None)."""
    message = Message(
        "[loyalty] Test",
        "This is a test: alerts of the loyalty warehouse reach you here. Nothing is wrong.",
    )
    results: list[tuple[str, str | None]] = []
    for channel in channels(settings):
        try:
            channel.send(message)
        except ChannelError as error:
            results.append((channel.name, str(error)))
        else:
            results.append((channel.name, None))
    return results


def _escaped(text: str) -> str:
    """Slack's three control characters (https://docs.slack.dev/messaging/formatting-message-text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
