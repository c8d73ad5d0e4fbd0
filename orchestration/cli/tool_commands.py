"""Commands around the pipeline: examine, simulate, show, document."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from orchestration.cli.base import app, console, open_home
from orchestration.home import Home
from orchestration.settings import load_settings
from vendor_http import LoyaltyError


@app.command(rich_help_panel="Around it")
def simulate(
    catalogue: Annotated[
        Path | None, typer.Argument(help="the edited catalogue", show_default=False)
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="write the present catalogue, to be edited")
    ] = None,
) -> None:
    """Show who gains and who loses rewards under an edited catalogue; changes nothing."""
    from orchestration.cli import simulation

    settings, home = open_home()
    if export is not None:
        simulation.export(console, home, export)
    if catalogue is not None:
        simulation.show(console, settings, home, catalogue)
    if export is None and catalogue is None:
        raise LoyaltyError("Give the edited catalogue; `loyalty simulate --export rewards.csv`")


@app.command(rich_help_panel="Around it")
def docs() -> None:
    """Write dbt's documentation of all models, with their lineage, as one page."""
    from orchestration.dbt_docs import write_docs

    settings, home = open_home()
    page = write_docs(home, settings)
    console.print(f"open {page} in a browser", highlight=False, soft_wrap=True)


@app.command(rich_help_panel="Around it")
def doctor() -> None:
    """Check keys, scopes, versions, disk and clock."""
    from orchestration.cli.doctor import examine

    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]·[/]"}
    failed = 0
    for finding in examine(load_settings()):
        failed += finding.good is False
        console.print(
            f"{marks[finding.good]} {finding.subject:<13} {escape(finding.text)}", highlight=False
        )
    if failed:
        raise LoyaltyError(f"{failed} of these must be put right")


@app.command(rich_help_panel="Around it")
def demo(
    customers: Annotated[
        int, typer.Option(help="how many of the shop's 23,570 customers take part", min=100)
    ] = 6000,
    days: Annotated[int, typer.Option(help="days to go on for after the first load", min=0)] = 0,
) -> None:
    """The whole way with simulated vendors: first load, a sync that finds nothing, days passing."""
    from orchestration.cli.demo import run_demo

    run_demo(console, Home(load_settings().home), customers, days)


@app.command(
    rich_help_panel="Around it",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def sandbox(
    context: typer.Context,
    advance: Annotated[
        int, typer.Option(help="let so many days pass in the shop, then end", min=0)
    ] = 0,
) -> None:
    """Serve the simulated vendors; options of `python -m sandbox` are passed on."""
    from orchestration.cli import vendors

    home = Home(load_settings().home)
    if advance:
        with vendors.sandbox(home) as running:
            answer = running.control("POST", "/clock", {"days": advance})
        console.print(f"the shop's clock: {answer['now']}", highlight=False)
        console.print(vendors.sentence(answer["happened"]), highlight=False)
        return
    raise typer.Exit(vendors.serve(home, context.args))


@app.command(rich_help_panel="Around it")
def dev(port: Annotated[int, typer.Option(help="port of the UI")] = 3000) -> None:
    """Open the Dagster UI; without any key, with the sandbox behind it."""
    from orchestration.cli.dev import serve_ui

    serve_ui(console, load_settings(), port)
