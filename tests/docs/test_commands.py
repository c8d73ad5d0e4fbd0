"""Every command line that operators copy is understood by the product as it stands there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from orchestration.cli.app import app
from orchestration.operations.runbooks import FOLDER

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / FOLDER).glob("*.md")),
    ROOT / "docs/production.md",
    ROOT / "docs/personal_data.md",
]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
TASKS = {
    *("rotate-a-key", "reauthorise-klaviyo", "add-a-property", "add-a-programme"),
    *("vendor-changed-its-schema", "restore", "erase-a-person", "connect-a-live-shop"),
    *("upgrade", "move-machines"),
}
PREFIX = re.compile(r"[A-Z][A-Z0-9_]*=.*|sudo|env|-u")
# What prose may leave out: the arguments of a command, the value of an option.
WITHOUT_ARGUMENTS = ("MissingParameter", "BadOptionUsage")
PROGRAM = typer.main.get_command(app)


def blocks(page: Path) -> Iterator[str]:
    """Commands of the page's sh blocks."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        yield from (part for line in block.splitlines() for part in line.split("&&"))


def spans(page: Path) -> Iterator[str]:
    """Calls of ours in the page's prose, often without their arguments."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    yield from (span for span in re.findall(r"`([^`\n]+)`", prose) if span.startswith("loyalty "))


def call(line: str) -> list[str] | None:
    """Arguments of a call of ours; None where another program is called."""
    words = shlex.split(line, comments=True)
    while words and PREFIX.fullmatch(words[0]):
        words = words[2 if words[0] == "-u" else 1 :]
    return words[1:] if words and Path(words[0]).name == "loyalty" else None


def understand(arguments: list[str]) -> None:
    """Parse as the command line does, without doing it.

    Raises:
        click.UsageError: there is no such command, option or number of arguments.
    """
    command: object = PROGRAM
    while hasattr(command, "commands"):
        while arguments and arguments[0] in ("--sandbox",):
            arguments = arguments[1:]
        if not arguments:
            return  # the program's or the group's name alone
        known = command.commands
        if arguments[0] not in known:
            if getattr(command, "invoke_without_command", False):
                break
            raise click.UsageError(f"no command {arguments[0]}")
        command, arguments = known[arguments[0]], arguments[1:]
    command.make_context("loyalty", list(arguments), resilient_parsing=False)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_an_operator_copies_is_understood(page: Path) -> None:
    problems = []
    for line, is_whole in [
        *((line, True) for line in blocks(page)),
        *((line, False) for line in spans(page)),
    ]:
        arguments = call(line)
        try:
            if arguments is not None:
                understand(arguments)
        except Exception as error:  # noqa: BLE001 - typer brings a click of its own
            if is_whole or type(error).__name__ not in WITHOUT_ARGUMENTS:
                problems.append(f"{line}: {error!r} {getattr(error, 'message', '')}")
    assert problems == []


def test_the_test_would_notice() -> None:
    for wrong in ("loyalty syncs", "loyalty restore a.tar.zst --forced", "loyalty backup"):
        arguments = call(f"sudo -u loyalty env LOYALTY_HOME=/x {wrong}")
        assert arguments is not None
        with pytest.raises(Exception, match=r"(?i)no such|no command|missing"):
            understand(arguments)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_service_starts_a_command_that_is_there(unit: Path) -> None:
    [started] = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    arguments = call(started)
    assert arguments
    understand(arguments)


def test_every_task_has_its_page_that_says_how_to_verify() -> None:
    pages = {path.stem.removeprefix("task-"): path for path in (ROOT / FOLDER).glob("task-*.md")}
    assert set(pages) == TASKS
    for path in pages.values():
        text = path.read_text()
        assert re.search(r"^## Verify$", text, re.MULTILINE), path
        assert re.search(r"^## .*\bDo\b|^## Do$|^## The other vendor", text, re.MULTILINE), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_make_target_in_a_block_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in blocks(page):
        words = shlex.split(line, comments=True)
        if words and words[0] == "make":
            assert words[-1] in targets, line
