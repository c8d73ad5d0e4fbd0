"""Start a run from the command line, follow it, and end honestly."""

from collections.abc import Sequence

import dagster as dg
from rich.console import Console

from orchestration.assets.extraction import keys, operation_name
from orchestration.cli.quiet import output_to
from orchestration.cli.screen import STEP_TITLES, RunScreen
from orchestration.cli.summary import show_summary
from orchestration.home import Home
from orchestration.programs import programs
from orchestration.runner import run_assets
from orchestration.settings import Settings
from vendor_http import LoyaltyError


def execute(
    console: Console,
    settings: Settings,
    home: Home,
    selection: Sequence[dg.AssetKey] | None,
    *,
    full: bool = False,
    summary: bool = False,
) -> None:
    """Run `selection` (None = everything) and show it.

    Raises:
        LoyaltyError: a step failed; names the step and its reason.
    """
    ops_config = {
        operation_name(program): {"config": {"full": True}}
        for program in programs()
        if full and (selection is None or set(keys([program.source])) <= set(selection))
    }
    with (
        output_to(home.run_log) as terminal,
        RunScreen(Console(file=terminal)) as screen,
    ):
        outcome = run_assets(home, screen.report, selection, ops_config)
    for warning in outcome.warnings:
        console.print(f"[yellow]{warning}[/]", highlight=False)
    if not outcome.succeeded:
        reasons = [
            f"{STEP_TITLES.get(step, step)}: {text}" for step, text in outcome.failures.items()
        ]
        raise LoyaltyError("; ".join(reasons) or f"the run failed; see {home.run_log}")
    if summary:
        show_summary(console, home.published, settings, outcome.run_id)
