"""The command that receives webhooks."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.base import app, console, open_home
from orchestration.cli.serving import LOOPBACK, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlt_sources.inbox.receiver import Endpoint
    from orchestration.home import Home
    from orchestration.settings import Settings


@app.command(rich_help_panel="Around it")
def webhooks(
    host: Annotated[str, typer.Option(help="address to listen at")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="port to listen at; 0 = any free one")
    ] = 8770,
) -> None:
    """Receive the webhooks of Yotpo and Smile until stopped; a sensor or a run loads them."""
    from dlt_sources.inbox.receiver import build_app
    from dlt_sources.inbox.service import bind, serve

    settings, home = open_home()
    with bind(host, port) as listener:
        where = place(host, listener.getsockname()[1])
        for line in not_configured(settings):
            console.print(f"[yellow]{line}[/]", highlight=False, soft_wrap=True)
        reach = (
            "only this machine reaches it: put a proxy with TLS in front of it"
            if host in LOOPBACK
            else "others reach it, in plain HTTP: put a proxy with TLS in front of it"
        )
        console.print(
            f"listening at http://{where}/webhooks/yotpo and /webhooks/smile; {reach}",
            highlight=False,
            soft_wrap=True,
        )
        serve(
            build_app(endpoints(settings, home), most_bytes=settings.webhook_bytes, say=_said()),
            listener,
        )
    console.print("stopped; what was answered is on the disk", highlight=False)


def endpoints(settings: "Settings", home: "Home") -> "dict[str, Endpoint]":
    """The receiver's endpoint per source, configured or not."""
    from dlt_sources.inbox.receiver import Endpoint
    from dlt_sources.inbox.senders import SharedSecret, SignedBody
    from dlt_sources.inbox.store import Inbox

    yotpo = smile = None
    if settings.yotpo_webhook_secret is not None:
        yotpo = SharedSecret(
            settings.yotpo_webhook_header, settings.yotpo_webhook_secret.get_secret_value()
        )
    if settings.smile_webhook_secret is not None and settings.smile_webhook_header is not None:
        secrets = (settings.smile_webhook_secret, settings.smile_webhook_old_secret)
        smile = SignedBody(
            settings.smile_webhook_header,
            tuple(each.get_secret_value() for each in secrets if each is not None),
        )

    def inbox(source: str) -> Inbox:
        return Inbox(home.inbox(source), remember_hours=settings.webhook_repeat_hours)

    return {
        "yotpo": Endpoint(yotpo, inbox("yotpo")),
        "smile": Endpoint(smile, inbox("smile"), pings=True),
    }


def takes_webhooks(settings: "Settings") -> bool:
    """Whether at least one source's webhooks can be told from a stranger's."""
    return bool(webhook_sources(settings))


def webhook_sources(settings: "Settings") -> list[str]:
    """Sources whose webhooks can be told from a stranger's."""
    smile = settings.smile_webhook_secret is not None and settings.smile_webhook_header is not None
    known = {"yotpo": settings.yotpo_webhook_secret is not None, "smile": smile}
    return [source for source, is_known in known.items() if is_known]


def not_configured(settings: "Settings") -> list[str]:
    """One line per source whose webhooks are refused, naming the setting that would change it."""
    lines = []
    if settings.yotpo_webhook_secret is None:
        lines.append("webhooks of yotpo are refused: YOTPO_WEBHOOK_SECRET not set")
    absent = [
        name
        for name, value in (
            ("SMILE_WEBHOOK_SECRET", settings.smile_webhook_secret),
            ("SMILE_WEBHOOK_HEADER", settings.smile_webhook_header),
        )
        if value is None
    ]
    if absent:
        lines.append(f"webhooks of smile are refused: {' and '.join(absent)} not set")
    return lines


def _said() -> "Callable[[str], None]":
    from datetime import UTC, datetime

    def say(text: str) -> None:
        console.print(f"{datetime.now(UTC):%H:%M:%S} {text}", highlight=False, soft_wrap=True)

    return say
