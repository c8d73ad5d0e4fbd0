"""Start a run from the command line, follow it, and end honestly."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
from rich.console import Console
from rich.markup import escape

from orchestration.activate import EVENT_SYNCS, SYNCS
from orchestration.assets import syncs
from orchestration.assets.extraction import keys, operation_name
from orchestration.cli.screen import STEP_TITLES, RunScreen
from orchestration.home import Home
from orchestration.programs import programs
from orchestration.runner import RunOutcome, run_assets
from vendor_http import LoyaltyError


def execute(
    console: Console,
    home: Home,
    now: datetime | None,
    selection: Sequence[dg.AssetKey] | None,
    *,
    extraction: Mapping[str, Any] | None = None,
    delivery: Mapping[str, Any] | None = None,
) -> RunOutcome:
    """Run `selection` (None = everything) and show how it goes.

    Args:
        extraction: how the extractions of the selection are configured (`ExtractConfig`).
        delivery: how its syncs are (`SyncConfig`).

    Raises:
        LoyaltyError: a step failed; names the step and its reason.
    """
    wanted = None if selection is None else set(selection)
    ops_config = {
        **_configured(
            {operation_name(p): keys([p.source]) for p in programs()}, wanted, extraction
        ),
        **_configured(
            {s.step: syncs.keys([s.destination]) for s in (*SYNCS, *EVENT_SYNCS)}, wanted, delivery
        ),
    }
    with RunScreen(console) as screen:
        outcome = run_assets(home, screen.report, selection, ops_config, now)
    for warning in outcome.warnings:
        console.print(f"[yellow]{escape(warning)}[/]", highlight=False, soft_wrap=True)
    if not outcome.succeeded:
        reasons = [
            f"{STEP_TITLES.get(step, step)}: {text}" for step, text in outcome.failures.items()
        ]
        raise LoyaltyError("; ".join(reasons) or f"the run failed; see {home.run_log}")
    return outcome


def _configured(
    operations: Mapping[str, Sequence[dg.AssetKey]],
    wanted: set[dg.AssetKey] | None,
    config: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """`config` for each operation that the run includes as a whole."""
    if not config:
        return {}
    return {
        name: {"config": dict(config)}
        for name, made in operations.items()
        if wanted is None or set(made) <= wanted
    }
