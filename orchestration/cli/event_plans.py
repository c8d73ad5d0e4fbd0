"""The events part of `loyalty plan`: what would be told, as what, and what is held back and why."""

from datetime import datetime

from rich.console import Console
from rich.table import Table

from orchestration.accounts import rule_limits
from orchestration.activate import event_sync
from orchestration.event_syncs import guard, plan_of_events, why_left_out
from orchestration.home import Home
from orchestration.settings import Settings
from reverse_etl.effort import Effort
from reverse_etl.events.effort import event_effort
from reverse_etl.events.guards import objection
from reverse_etl.events.plan import EventPlan
from reverse_etl.ledger import Ledger
from vendor_http import ConfigurationError

_HELD = {
    "not_known": "of people without a profile of ours",
    "friend_events_off": "about friends of members (LOYALTY_FRIEND_EVENTS is off)",
    "missing_email": "of nobody: without an e-mail",
    "nothing_to_tell": "with neither a tag nor a field to write",
}


def show_event_plan(
    console: Console, settings: Settings, home: Home, destination: str, now: datetime
) -> None:
    """Print what a sync would tell one destination."""
    sync = event_sync(destination)
    if not settings.vendor_events:
        console.print(f"  events: none, {why_left_out(sync, settings)}", highlight=False)
        return
    try:
        found = plan_of_events(sync, settings, home, now)
    except ConfigurationError as error:  # published by an earlier release; people can be planned
        console.print(f"  [yellow]events: {error}[/]", highlight=False, soft_wrap=True)
        return
    with found as planned:
        console.print(_counts(planned), highlight=False, soft_wrap=True)
        if planned.sendable:
            cost = event_effort(planned, rule_limits(settings)["default"])
            console.print(cost_in_words(cost), highlight=False)
        if held := objection(planned, Ledger(home.ledger), guard(settings)):
            console.print(f"  [yellow]held until approved:[/] {held}", highlight=False)
        for reason, count in planned.reasons().items():
            words = _HELD.get(reason, reason.replace("_", " "))
            console.print(f"  held back: {count:,} {words}", highlight=False, soft_wrap=True)
        if planned.counts["rows"]:
            console.print(_by_kind(planned))


def cost_in_words(cost: Effort) -> str:
    """Requests, bytes, and the time that the vendor's limits ask for at least."""
    minutes = cost.seconds / 60
    time = f"at least {minutes:,.0f} minutes" if minutes >= 1 else "less than a minute"
    return f"  {cost.requests:,} requests, {cost.payload_bytes:,} bytes, {time} of the limits"


def _counts(planned: EventPlan) -> str:
    counts = planned.counts
    sync = planned.sync
    live = f"{counts['live']:,} of now"
    if sync.destination == "rule" and not sync.is_triggering:
        live += " (RULE_EVENTS is off: no automations)"
    text = (
        f"  events: {live}, {counts['backfill']:,} of history, which start nothing; "
        f"{_told(planned)}"
    )
    return f"{text}, {counts['quarantined']:,} in quarantine" if counts["quarantined"] else text


def _told(planned: EventPlan) -> str:
    """Events told so far: those that the table below counts, and those older than it."""
    shown = sum(told for _kind, _now, _history, told, _held in planned.kinds())
    older = planned.counts["accepted"] - shown
    text = f"{shown:,} told already"
    return f"{text}, and {older:,} that the tables no longer show" if older > 0 else text


def _by_kind(planned: EventPlan) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("  event")
    for column in ("now", "history", "told already", "held back"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind, *counts in planned.kinds():
        table.add_row(f"  {kind}", *(f"{count:,}" for count in counts))
    return table
