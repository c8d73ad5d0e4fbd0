"""A read-back on screen: what it will cost, how far it is, what it found. No e-mails."""

from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from orchestration.activate import DeclaredSync
from orchestration.home import Home
from orchestration.reconcile import cost_in_words, in_words, reconcile, require_known
from orchestration.settings import Settings, missing
from reverse_etl.ledger_read_back import ReadBack
from reverse_etl.read_back import ReadProgress

_PROPERTIES_SHOWN = 20


def read_one(
    console: Console,
    sync: DeclaredSync,
    settings: Settings,
    home: Home,
    now: datetime,
    read_back_id: str,
    sample: int | None,
) -> ReadBack | None:
    """Read one destination back and print the result; None when it is left out.

    Raises:
        LoyaltyError: nobody could be read.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f"Read back {sync.destination}", total=None)

        def report(done: ReadProgress) -> None:
            if not done.checked and done.chosen:
                console.print(
                    cost_in_words(sync.destination, done), highlight=False, soft_wrap=True
                )
            progress.update(task, completed=done.checked, total=done.chosen)

        result = reconcile(sync, settings, home, now, read_back_id, sample=sample, report=report)
    if result is None:
        console.print(
            f"[yellow]{sync.destination} is left out: {missing(sync.destination)}[/]",
            highlight=False,
        )
        return None
    require_known(result)
    console.print(in_words(result), highlight=False, soft_wrap=True)
    if result.by_property:
        console.print(_drift(result))
    return result


def _drift(result: ReadBack) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("property")
    table.add_column("kind")
    table.add_column("people", justify="right")
    for name, kind, people in result.by_property[:_PROPERTIES_SHOWN]:
        table.add_row(name or "(whole person)", kind, f"{people:,}")
    more = len(result.by_property) - _PROPERTIES_SHOWN
    if more > 0:
        table.add_row(f"and {more:,} more in sync.drift", "", "")
    return table
