"""What every command shares: the application, its consoles, and how a run is started."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

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
# In a file or a pipe there is no edge to cut a table at; rich would take 80 columns.
_WIDE = 200

Only = Annotated[
    list[str] | None,
    typer.Argument(help="which of them; all when none is named", show_default=False),
]


def widen() -> None:
    """Give tables the room they need where no terminal shows them; COLUMNS wins."""
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE


def open_home() -> tuple[Settings, Home]:
    """Settings, and the home with its folders made."""
    settings = load_settings()
    home = Home(settings.home)
    home.prepare()
    return settings, home


def known(names: list[str] | None, allowed: tuple[str, ...]) -> list[str]:
    """`names`, all of `allowed` when there are none.

    Raises:
        LoyaltyError: one of them is not allowed.
    """
    unknown = sorted(set(names or ()) - set(allowed))
    if unknown:
        raise LoyaltyError(f"Unknown: {', '.join(unknown)}. Choose among {', '.join(allowed)}")
    return list(names or allowed)


def start_run(
    selection: "Callable[[], Sequence[AssetKey] | None]",
    *,
    extraction: "Mapping[str, object] | None" = None,
    delivery: "Mapping[str, object] | None" = None,
    show: "Literal['summary', 'deliveries', None]" = None,
) -> None:
    """Run what `selection` names as one Dagster run, show how it goes, and what it delivered.

    Args:
        extraction, delivery: how the extractions and the syncs are configured, as in the UI.

    Raises:
        LoyaltyError: a step failed; names the step and its reason.
    """
    from orchestration.cli.quiet import output_to
    from orchestration.dagster_home import prepare_dagster
    from orchestration.step_server import start_step_server

    settings, home = open_home()
    prepare_dagster(home, settings)  # before steps inherit the environment
    for line in settings.left_out():
        console.print(f"[yellow]{line}[/]", highlight=False)
    with output_to(home.run_log) as terminal:
        start_step_server()  # before the slow imports, which it does at the same time
        screen = Console(file=terminal)
        with screen.status("starting Dagster"):
            from orchestration.cli.execute import execute

            selected = selection()
        outcome = execute(
            screen, home, settings.now, selected, extraction=extraction, delivery=delivery
        )
    if show:
        from orchestration.cli import summary

        shower = summary.show_summary if show == "summary" else summary.show_deliveries
        shower(console, home.published, outcome.run_id)
