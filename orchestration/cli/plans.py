"""`loyalty plan`: what a sync would send, counted, with samples; e-mails are masked.

Events are told beside people, so each destination's plan of events follows (`event_plans`).
"""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from orchestration.accounts import rule_limits
from orchestration.activate import declared, guard_limits, plan
from orchestration.cli.event_plans import cost_in_words, show_event_plan
from orchestration.home import Home
from orchestration.programs import clock
from orchestration.settings import Settings
from reverse_etl import saved_plan
from reverse_etl.effort import effort
from reverse_etl.guards import Finding, judge
from reverse_etl.ledger import Ledger
from reverse_etl.planned import Plan
from reverse_etl.results import OPERATIONS
from vendor_http import LoyaltyError

_VALUES_SHOWN = 6
_NOT_SENT = {
    # Those too of whom the vendor need hold nothing: at a first load nobody is unchanged.
    "unchanged": "with nothing to send",
    "not_known": "no members, left alone",
    "invalid": "invalid, never sent",
    "waiting": "waiting for an earlier job",
    "quarantined": "in quarantine",
    "held_back": "held back, for their programme was last read too long ago",
}


def show_plans(
    console: Console,
    settings: Settings,
    home: Home,
    destinations: list[str],
    samples: int,
    save: Path | None,
) -> None:
    """Print one plan per destination; keep them all in file `save` if one is named."""
    if save is not None and not save.absolute().parent.is_dir():
        raise LoyaltyError(f"There is no folder {save.absolute().parent} to save the plan in")
    now = clock(settings, datetime.now(UTC))()
    allowed = rule_limits(settings)["default"]
    with ExitStack() as open_plans:
        kept: dict[str, tuple[Plan, tuple[Finding, ...]]] = {}
        for name in destinations:
            planned = plan(declared(name), settings, home, now, is_kept=save is not None)
            open_plans.enter_context(planned)
            findings = judge(planned, Ledger(home.ledger), guard_limits(settings))
            kept[name] = planned, findings
            console.print(_counts(name, planned.counts), highlight=False, soft_wrap=True)
            if not planned.is_empty:
                console.print(cost_in_words(effort(planned, allowed)), highlight=False)
            else:
                console.print("  nothing to send", highlight=False)
            for finding in findings:
                console.print(f"  [yellow]held until approved:[/] {finding}", highlight=False)
            for sample in planned.samples(samples):
                console.print(_sample(sample), highlight=False, markup=False)
            show_event_plan(console, settings, home, name, now)
            console.print()
        if save is not None:
            saved_plan.save(save, kept)
            console.print(
                f"saved; send exactly this: loyalty sync --plan {save}\n"
                "The file holds people only: a sync with --plan tells no events.",
                highlight=False,
                soft_wrap=True,
            )


def _counts(destination: str, counts: dict[str, int]) -> str:
    """What would be sent, and what not and why; nothing that is zero, but for the three."""
    sent = ", ".join(f"{counts[name]:,} {name}" for name in OPERATIONS)
    rest = ", ".join(
        f"{counts[name]:,} {words}" for name, words in _NOT_SENT.items() if counts[name]
    )
    return f"[bold]{destination}[/]  {sent}" + (f"; {rest}" if rest else "")


def _sample(sample: dict[str, Any]) -> str:
    if sample["reason_code"]:
        return f"  refused {mask(sample['email'])}: {sample['reason_code']}"
    values = list(orjson.loads(sample["patch"]).items())
    shown = ", ".join(f"{name} = {_word(value)}" for name, value in values[:_VALUES_SHOWN])
    more = f", and {len(values) - _VALUES_SHOWN} more" if len(values) > _VALUES_SHOWN else ""
    return f"  {sample['operation']:<7}{mask(sample['email'])}: {shown}{more}"


def _word(value: Any) -> str:
    """A value as JSON has it; null is a value that ends."""
    return "cleared" if value is None else orjson.dumps(value).decode()


def mask(email: str) -> str:
    """An e-mail that the person behind the screen can recognise and nobody else can use."""
    local, at, domain = email.rpartition("@")
    shown = local[:2] if len(local) > len("name") else ""
    return f"{shown}***@{domain}" if at else "***"
