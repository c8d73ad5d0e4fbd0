"""What a run looks like on a terminal: one line per step, live; plain lines where there is none."""

import re
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from orchestration.slot import WAITING

STEP_TITLES = {
    "extract_smile": "Extract Smile.io",
    "extract_yotpo": "Extract Yotpo",
    "examine_smile": "Smile.io was read",
    "examine_yotpo": "Yotpo was read",
    "load_inbox": "Load webhooks",
    "build_models": "Build and test",
    "published__loyalty": "Publish",
    "klaviyo__profiles": "Sync Klaviyo",
    "rule__subscribers": "Sync Rule",
    "klaviyo__events": "Tell Klaviyo",
    "rule__events": "Tell Rule",
}
# Where lines stay (a log, a pipe), progress is worth one so often.
_LINE_EVERY_SECONDS = 20.0
# Steps that know how far they are begin their report with it; the others' bars only pulse.
_FAR = re.compile(r"([\d,]+) of ([\d,]+) ")
_MARKS = {
    "succeeded": "[green]✓[/]",
    "warned": "[yellow]![/]",
    "failed": "[red]✗[/]",
    "skipped": "[yellow]–[/]",
}


class RunScreen:
    """Shows steps as they start, say something and end; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[mark]} {task.description:<18}"),
            BarColumn(bar_width=14, table_column=Column(min_width=14)),
            TimeElapsedColumn(table_column=Column(min_width=7)),
            TextColumn(
                "[dim]{task.fields[text]}[/]",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=console,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._last_text: dict[str, str] = {}
        self._printed: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def report(self, step: str, state: str, text: str) -> None:
        """Take one report of `orchestration.runner`.

        Why a step failed is said once, by the error that ends the command.
        """
        if state == "failed":
            text = "failed"
        if text:
            self._last_text[step] = text
        if self._console.is_terminal:
            self._show(step, state, text)
        else:
            self._print(step, state, text)

    def _show(self, step: str, state: str, text: str) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(
                STEP_TITLES.get(step, step), total=None, mark=" ", text=""
            )
        task = self._tasks[step]
        self._progress.update(task, text=escape(self._last_text.get(step, "")))
        if far := _FAR.match(text):
            done, total = (int(number.replace(",", "")) for number in far.groups())
            self._progress.update(task, completed=done, total=total)
        if state in _MARKS:
            self._progress.update(task, mark=_MARKS[state], completed=1, total=1)

    def _print(self, step: str, state: str, text: str) -> None:
        title = STEP_TITLES.get(step, step)
        if state == "started":
            self._started[step] = time.monotonic()
            self._console.print(f"  {title} …", highlight=False)
            self._printed[step] = time.monotonic()
        elif state == "progress" and (text.startswith(WAITING) or self._is_due(step)):
            self._console.print(f"  {title:<18} {escape(text)}", highlight=False, soft_wrap=True)
        elif state in _MARKS:
            now = time.monotonic()
            seconds = now - self._started.get(step, now)
            said = text or self._last_text.get(step, "")
            self._console.print(
                f"{_MARKS[state]} {title:<18} {seconds:6.1f} s  {escape(said)}",
                highlight=False,
                soft_wrap=True,
            )

    def _is_due(self, step: str) -> bool:
        now = time.monotonic()
        if now - self._printed.get(step, now) < _LINE_EVERY_SECONDS:
            return False
        self._printed[step] = now
        return True
