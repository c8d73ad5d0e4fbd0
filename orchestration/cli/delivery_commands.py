"""Commands about deliveries: what a sync would send, and what became of what was sent."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.base import Only, app, console, known, open_home
from vendor_http import LoyaltyError


@app.command(rich_help_panel="Deliveries")
def plan(
    destinations: Only = None,
    samples: Annotated[int, typer.Option(help="rows to show per destination", min=0)] = 5,
    save: Annotated[
        Path | None,
        typer.Option(help="keep the plan in a file, for `loyalty sync --plan`"),
    ] = None,
) -> None:
    """Show what a sync would send now; sends nothing."""
    from orchestration.cli.plans import show_plans

    settings, home = open_home()
    wanted = known(destinations, ("klaviyo", "rule"))
    show_plans(console, settings, home, wanted, samples, save)


@app.command(rich_help_panel="Deliveries")
def rejections(
    destinations: Only = None,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="only who is tried no more")
    ] = False,
    emails: Annotated[bool, typer.Option("--emails", help="show e-mails in full")] = False,
    release: Annotated[
        str | None, typer.Option(help="try this e-mail again from the next sync on")
    ] = None,
    release_reason: Annotated[
        str | None, typer.Option(help="the same for all with this reason")
    ] = None,
    release_all: Annotated[bool, typer.Option("--release-all", help="the same for all")] = False,
) -> None:
    """List who was refused and why; release those who are tried no more."""
    from orchestration.cli import rejections as work

    _settings, home = open_home()
    wanted = known(destinations, ("klaviyo", "rule"))
    if sum((release is not None, release_reason is not None, release_all)) > 1:
        raise LoyaltyError("Give one of --release, --release-reason and --release-all")
    if release is not None or release_reason is not None or release_all:
        work.release(console, home, wanted, email=release, reason_code=release_reason)
    else:
        work.show(console, home, wanted, only_quarantined=quarantined, has_emails=emails)
