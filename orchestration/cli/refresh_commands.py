"""Commands that run the pipeline or a part of it, through Dagster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.base import Only, app, known, start_run
from orchestration.settings import DESTINATIONS, SOURCES, load_settings, missing
from vendor_http import LoyaltyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import AssetKey

Full = Annotated[bool, typer.Option("--full", help="read everything from the beginning")]
Quick = Annotated[bool, typer.Option("--quick", help="read only what changed since the last run")]
AllowShrink = Annotated[
    bool, typer.Option("--allow-shrink", help="believe a list that came back implausibly short")
]
Approve = Annotated[
    bool, typer.Option("--approve", help="send even where a guard objects; see `loyalty plan`")
]


@app.command(rich_help_panel="Refresh")
def run(
    full: Full = False,
    quick: Quick = False,
    allow_shrink: AllowShrink = False,
    approve: Approve = False,
    brief: Annotated[bool, typer.Option("--brief", help="end with what was sent, no more")] = False,
) -> None:
    """Extract, build, publish and sync, as one Dagster run that the UI shows too."""
    _require_programmes()
    how = _extraction(full=full, quick=quick, allow_shrink=allow_shrink)
    agreed = {"approve": True} if approve else {}
    start_run(
        lambda: None, extraction=how, delivery=agreed, show="deliveries" if brief else "summary"
    )


@app.command(rich_help_panel="Refresh")
def extract(
    sources: Only = None,
    full: Full = False,
    quick: Quick = False,
    allow_shrink: AllowShrink = False,
) -> None:
    """Read the programmes (smile, yotpo) into the warehouse."""
    wanted = known(sources, SOURCES)
    _require_programmes(sources)

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets import extraction, inbox

        return [*extraction.keys(wanted), *inbox.keys(wanted)]

    how = _extraction(full=full, quick=quick, allow_shrink=allow_shrink)
    start_run(selection, extraction=how)


@app.command(rich_help_panel="Refresh")
def build() -> None:
    """Build and test all models (dbt)."""

    def selection() -> "Sequence[AssetKey]":
        from orchestration.definitions import model_keys

        return model_keys()

    start_run(selection)


@app.command(rich_help_panel="Refresh")
def publish() -> None:
    """Put the tables of the last good build in front of their readers."""

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.publication import KEY

        return [KEY]

    start_run(selection)


@app.command(rich_help_panel="Refresh")
def sync(
    destinations: Only = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="send of each destination exactly what `plan --save` wrote, or nothing"),
    ] = None,
    approve: Approve = False,
) -> None:
    """Push what changed to klaviyo and rule; nothing when nothing changed."""
    agreed: dict[str, object] = {"approve": True} if approve else {}
    if plan is not None:
        from reverse_etl.saved_plan import load

        destinations = destinations or list(load(plan))
        agreed["plan_file"] = str(plan.absolute())
    wanted = known(destinations, DESTINATIONS)
    _require_keys(destinations)

    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.syncs import keys

        return keys(wanted)

    start_run(selection, delivery=agreed, show="deliveries")


def _require_programmes(named: list[str] | None = None) -> None:
    """Refuse to read where there is nothing to read; without a source a destination gets nothing.

    Raises:
        LoyaltyError: no programme has a key, or one that was named has none.
    """
    if nothing := load_settings().nothing_to_read():
        raise LoyaltyError(nothing)
    _require_keys(named)


def _require_keys(named: list[str] | None) -> None:
    """Refuse vendors that were named, so nobody expects them to be left out, and have no key."""
    settings = load_settings()
    if absent := [missing(name) for name in named or () if not settings.has_key(name)]:
        raise LoyaltyError("; ".join(absent))


def _extraction(*, full: bool, quick: bool, allow_shrink: bool) -> dict[str, object]:
    """The extractions' configuration, as the UI would give it."""
    if full and quick:
        raise LoyaltyError("--full and --quick contradict each other; give one of them")
    reach = {"reach": "full" if full else "quick"} if full or quick else {}
    return {**reach, **({"allow_shrink": True} if allow_shrink else {})}
