"""The command that keeps the product running: `loyalty serve`."""

from typing import Annotated

import typer

from orchestration.cli.base import app, console
from orchestration.settings import load_settings

_PORT = {"min": 1, "max": 65535, "show_default": False}


@app.command(rich_help_panel="Around it")
def serve(
    host: Annotated[
        str | None,
        typer.Option(help="address of the Dagster UI; LOYALTY_UI_HOST", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="port of the Dagster UI; LOYALTY_UI_PORT", **_PORT)
    ] = None,
    webhook_host: Annotated[
        str | None,
        typer.Option(help="address of the receiver; LOYALTY_WEBHOOK_HOST", show_default=False),
    ] = None,
    webhook_port: Annotated[
        int | None, typer.Option(help="port of the receiver; LOYALTY_WEBHOOK_PORT", **_PORT)
    ] = None,
) -> None:
    """Keep the Dagster UI, its daemon and the webhook receiver running until stopped."""
    from orchestration.cli.serve import Addresses
    from orchestration.cli.serve import serve as serve_all

    settings = load_settings()
    addresses = Addresses(
        ui_host=host or settings.ui_host,
        ui_port=port or settings.ui_port,
        webhook_host=webhook_host or settings.webhook_host,
        webhook_port=webhook_port or settings.webhook_port,
    )
    serve_all(console, settings, addresses)
