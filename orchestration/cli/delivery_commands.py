"""Commands about deliveries: what a sync would send, and what became of what was sent."""

from typing import Annotated

import typer

from orchestration.cli.base import Only, app, console, known, open_home


@app.command(rich_help_panel="Deliveries")
def plan(
    destinations: Only = None,
    samples: Annotated[int, typer.Option(help="rows to show per destination", min=0)] = 5,
) -> None:
    """Show what a sync would send now; sends nothing."""
    from orchestration.cli.plans import show_plans

    settings, home = open_home()
    show_plans(console, settings, home, known(destinations, ("klaviyo", "rule")), samples)
