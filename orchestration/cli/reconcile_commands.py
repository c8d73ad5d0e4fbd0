"""`loyalty reconcile`: read people back from the vendors, compare, and repair what drifted.

Told events are looked for, too, where a vendor shows them.
"""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.base import Only, app, console, known, open_home, start_run
from vendor_http import LoyaltyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import AssetKey

    from orchestration.home import Home
    from orchestration.settings import Settings


@app.command(rich_help_panel="Deliveries")
def reconcile(
    destinations: Only = None,
    sample: Annotated[int, typer.Option(help="people to read per destination", min=1)] = 500,
    everybody: Annotated[bool, typer.Option("--all", help="read everybody")] = False,
    events: Annotated[
        int, typer.Option(help="told events to look for at Klaviyo; 0 = none", min=0)
    ] = 200,
    repair: Annotated[
        bool, typer.Option("--repair", help="then write again what drifted, by a sync")
    ] = False,
) -> None:
    """Read people and told events back and compare them with what was accepted."""
    from orchestration.activate import declared
    from orchestration.cli.read_backs import read_one
    from orchestration.programs import clock
    from orchestration.reconcile import mark_drifted, too_inaccurate

    settings, home = open_home()
    wanted = known(destinations, ("klaviyo", "rule"))
    now = clock(settings, datetime.now(UTC))()
    problems: list[str] = []
    for name in wanted:
        result = read_one(
            console,
            declared(name),
            settings,
            home,
            now,
            uuid.uuid4().hex,
            None if everybody else sample,
        )
        if result is None:
            continue
        if repair and (marked := mark_drifted(home, result)):
            console.print(f"{name}: {marked:,} people are written again now", highlight=False)
            _sync([name])  # before the next vendor is read, which may take long
        elif problem := too_inaccurate(result, settings.least_accuracy):
            problems.append(problem)
        if events and (problem := _look_for_events(name, settings, home, now, events)):
            problems.append(problem)
    if problems:
        raise LoyaltyError("; ".join(problems))


def _look_for_events(
    name: str, settings: "Settings", home: "Home", now: datetime, sample: int
) -> str | None:
    """What is wrong with the told events of one destination; None when nothing is."""
    from orchestration import event_reconcile as work

    if name != work.DESTINATION:
        console.print(work.UNREADABLE, highlight=False, soft_wrap=True)
        return None
    found = work.reconcile_events(settings, home, now, uuid.uuid4().hex, sample)
    if found is None:
        return None
    console.print(work.in_words(found), highlight=False, soft_wrap=True)
    return work.too_many_missing(found, settings.least_accuracy)


def _sync(destinations: list[str]) -> None:
    def selection() -> "Sequence[AssetKey]":
        from orchestration.assets.syncs import people_keys

        return people_keys(destinations)

    start_run(selection, show="deliveries")
