"""Commands and options of `loyalty`; what they do lives elsewhere.

Exit codes: 0 done (single rejected rows included, and said so) · 1 something failed, explained in
one line · 2 the command was not understood.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from orchestration.home import Home
from orchestration.settings import Settings, load_settings
from vendor_http import LoyaltyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dagster import AssetKey

app = typer.Typer(
    name="loyalty",
    help="The loyalty warehouse: extract, build, publish, and tell Klaviyo and Rule.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

Full = Annotated[bool, typer.Option("--full", help="read everything from the beginning")]
Quick = Annotated[bool, typer.Option("--quick", help="read only what changed since the last run")]
AllowShrink = Annotated[
    bool, typer.Option("--allow-shrink", help="believe a list that came back implausibly short")
]
Only = Annotated[
    list[str] | None,
    typer.Argument(help="which of them; all when none is named", show_default=False),
]


@app.callback()
def options(
    context: typer.Context,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="use the simulated vendors of the demo")
    ] = False,
) -> None:
    """Options before the command."""
    if sandbox:
        from orchestration.cli import vendors

        home = Home(load_settings().home)
        use = context.with_resource(vendors.sandbox(home))
        os.environ.update(use.environment)
        os.environ.setdefault("LOYALTY_NOW", use.control("GET", "")["now"])


@app.command()
def run(
    full: Full = False,
    quick: Quick = False,
    allow_shrink: AllowShrink = False,
    brief: Annotated[bool, typer.Option("--brief", help="end with what was sent, no more")] = False,
) -> None:
    """Extract, build, publish and sync, as one Dagster run that the UI shows too."""
    how = _extraction(full=full, quick=quick, allow_shrink=allow_shrink)
    _execute(lambda: None, extraction=how, show="deliveries" if brief else "summary")


@app.command()
def extract(
    sources: Only = None,
    full: Full = False,
    quick: Quick = False,
    allow_shrink: AllowShrink = False,
) -> None:
    """Read the programmes (smile, yotpo) into the warehouse."""
    wanted = _known(sources, ("smile", "yotpo"))

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.extraction import keys

        return keys(wanted)

    how = _extraction(full=full, quick=quick, allow_shrink=allow_shrink)
    _execute(selection, extraction=how)


@app.command()
def build() -> None:
    """Build and test all models (dbt)."""

    def selection() -> "Sequence[AssetKey]":
        from orchestration.definitions import model_keys

        return model_keys()

    _execute(selection)


@app.command()
def publish() -> None:
    """Put the tables of the last good build in front of their readers."""

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.publication import KEY

        return [KEY]

    _execute(selection)


@app.command()
def sync(destinations: Only = None) -> None:
    """Push what changed to klaviyo and rule; nothing when nothing changed."""
    wanted = _known(destinations, ("klaviyo", "rule"))

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.syncs import keys

        return keys(wanted)

    _execute(selection, show="deliveries")


@app.command()
def plan(
    destinations: Only = None,
    samples: Annotated[int, typer.Option(help="rows to show per destination", min=0)] = 5,
) -> None:
    """Show what a sync would send now; sends nothing."""
    from orchestration.cli.plans import show_plans

    settings, home = _open()
    show_plans(console, settings, home, _known(destinations, ("klaviyo", "rule")), samples)


@app.command()
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

    settings, home = _open()
    if export is not None:
        simulation.export(console, home, export)
    if catalogue is not None:
        simulation.show(console, settings, home, catalogue)
    if export is None and catalogue is None:
        raise LoyaltyError("Give the edited catalogue; `loyalty simulate --export rewards.csv`")


@app.command()
def docs() -> None:
    """Write dbt's documentation of all models, with their lineage, as one page."""
    from orchestration.dbt_docs import write_docs

    settings, home = _open()
    page = write_docs(home, settings)
    console.print(f"open {page} in a browser", highlight=False, soft_wrap=True)


@app.command()
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
        raise LoyaltyError(f"{failed} of these would stop a run")


@app.command()
def demo(
    customers: Annotated[
        int, typer.Option(help="how many of the shop's 23,570 customers take part", min=100)
    ] = 6000,
    days: Annotated[int, typer.Option(help="days to go on for after the first load", min=0)] = 0,
) -> None:
    """The whole way with simulated vendors: first load, a sync that finds nothing, days passing."""
    from orchestration.cli.demo import run_demo

    run_demo(console, Home(load_settings().home), customers, days)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
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


@app.command()
def dev(port: Annotated[int, typer.Option(help="port of the UI")] = 3000) -> None:
    """Open the Dagster UI; without any key, with the sandbox behind it."""
    from orchestration.cli.dev import serve_ui

    serve_ui(console, load_settings(), port)


def main() -> None:
    """Entry point: errors of ours become one line and exit code 1."""
    try:
        app()
    except LoyaltyError as error:
        errors.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001 - people get one line, developers the file
        from orchestration.cli.unexpected import explain

        errors.print(f"[red]error:[/] {escape(explain(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        errors.print("stopped; what was already done stays done")
        raise SystemExit(130) from None


def _open() -> tuple[Settings, Home]:
    settings = load_settings()
    home = Home(settings.home)
    home.prepare()
    return settings, home


def _known(names: list[str] | None, allowed: tuple[str, ...]) -> list[str]:
    unknown = sorted(set(names or ()) - set(allowed))
    if unknown:
        raise LoyaltyError(f"Unknown: {', '.join(unknown)}. Choose among {', '.join(allowed)}")
    return list(names or allowed)


def _extraction(*, full: bool, quick: bool, allow_shrink: bool) -> dict[str, object]:
    """The extractions' configuration, as the UI would give it."""
    if full and quick:
        raise LoyaltyError("--full and --quick contradict each other; give one of them")
    reach = {"reach": "full" if full else "quick"} if full or quick else {}
    return {**reach, **({"allow_shrink": True} if allow_shrink else {})}


def _execute(
    selection: "Callable[[], Sequence[AssetKey] | None]",
    *,
    extraction: "Mapping[str, object] | None" = None,
    show: "Literal['summary', 'deliveries', None]" = None,
) -> None:
    from orchestration.cli.quiet import output_to
    from orchestration.step_server import start_step_server

    settings, home = _open()
    for line in settings.left_out():
        console.print(f"[yellow]{line}[/]", highlight=False)
    with output_to(home.run_log) as terminal:
        start_step_server()  # before the slow imports, which it does at the same time
        screen = Console(file=terminal)
        with screen.status("starting Dagster"):
            from orchestration.cli.execute import execute

            selected = selection()
        outcome = execute(screen, home, settings.now, selected, extraction=extraction)
    if show:
        from orchestration.cli import summary

        shower = summary.show_summary if show == "summary" else summary.show_deliveries
        shower(console, home.published, outcome.run_id)


if __name__ == "__main__":
    main()
