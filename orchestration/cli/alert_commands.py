"""`loyalty alerts`: what is wrong now, a look at once, a test of the channels."""

from typing import Annotated, Literal

import typer
from rich.markup import escape

from orchestration.cli.base import app, console, open_home
from vendor_http import ConfigurationError, LoyaltyError

Action = Literal["list", "check", "test"]


@app.command(rich_help_panel="Around it")
def alerts(
    action: Annotated[
        Action,
        typer.Argument(
            help="list: incidents that go on; check: look now and tell what is new, as the sensor "
            "does every minute; test: send a test message"
        ),
    ] = "list",
) -> None:
    """Show open incidents; test the channels that alerts go to."""
    from orchestration.operations.channels import send_test
    from orchestration.operations.incidents import read_book, untold
    from orchestration.operations.messages import in_words

    settings, home = open_home()
    if action == "test":
        results = send_test(settings)
        if not results:
            raise ConfigurationError(
                "No channel is set: LOYALTY_ALERT_WEBHOOK, or LOYALTY_ALERT_EMAIL_TO with "
                "LOYALTY_SMTP_HOST"
            )
        for name, problem in results:
            mark = "[red]✗[/]" if problem else "[green]✓[/]"
            console.print(f"{mark} {name:<8} {escape(problem or 'taken')}", highlight=False)
        if any(problem for _, problem in results):
            raise LoyaltyError("a channel does not take alerts")
        return
    told = _look() if action == "check" else None
    book = read_book(home.alerts)
    for incident in book.open:
        message = in_words(incident, settings.ui_url)
        console.print(f"[bold]{escape(message.subject)}[/]", highlight=False)
        console.print(escape(message.text) + "\n", highlight=False, soft_wrap=True)
    if not book.open:
        console.print("no incident is open", highlight=False)
    for name, problem in book.failing_channels.items():
        console.print(f"[red]{name} takes no alerts:[/] {escape(problem)}", highlight=False)
    if told is not None:
        console.print(f"messages sent: {told}", highlight=False)
        if waiting := sum(len(untold(book, name)) for name in book.failing_channels):
            raise LoyaltyError(f"messages that wait for a channel to take them: {waiting}")


def _look() -> int:
    """Look now; the number of messages that were taken."""
    import dagster as dg

    from orchestration.dagster_home import prepare_dagster
    from orchestration.definitions import defs
    from orchestration.operations.alerting import look_and_tell

    settings, home = open_home()
    prepare_dagster(home, settings)
    keys = sorted(defs().resolve_asset_graph().asset_check_keys)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        return look_and_tell(instance, home, settings, keys).told
