"""One round of alerting: look at everything, compare with what was known, tell what is new.

What was known lies in `alerts.json` under LOYALTY_HOME and is written after every message, so that
a killed round repeats one message at most. A channel that does not take a message keeps everything
it was not told for the next round, and is itself a trouble that the other channel is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from filelock import FileLock

from orchestration.home import Home
from orchestration.operations.channels import Channel, ChannelError, channels
from orchestration.operations.incidents import (
    Book,
    advance,
    forget_told,
    read_book,
    untold,
    write_book,
)
from orchestration.operations.messages import in_words
from orchestration.operations.watching import View, look
from orchestration.settings import Settings

_LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Round:
    """What came of one round: the book after it, messages delivered, channels that failed."""

    book: Book
    told: int
    problems: tuple[str, ...]


def look_and_tell(
    instance: dg.DagsterInstance,
    home: Home,
    settings: Settings,
    checks: Sequence[dg.AssetCheckKey],
    now: datetime | None = None,
) -> Round:
    """One round.

    Args:
        checks: the asset checks that are watched.
        now: the real time; None = the machine's.
    """
    moment, file, used = now or datetime.now(UTC), home.alerts, channels(settings)
    with FileLock(home.lock("alerts"), timeout=_LOCK_SECONDS):
        before = read_book(file)
        seen = look(View(instance, home, settings, checks, before, moment))
        names = [channel.name for channel in used]
        failing = {n: why for n, why in before.failing_channels.items() if n in names}
        book = replace(
            advance(before, seen.troubles, seen.unknown, names, moment), failing_channels=failing
        )
        write_book(file, book)
        told = 0
        for channel in used:
            book, sent = _tell(book, channel, settings.ui_url, file)
            told += sent
        write_book(file, forget_told(book, names))
    return Round(book, told, tuple(book.failing_channels.values()))


def _tell(book: Book, channel: Channel, ui_url: str | None, file: Path) -> tuple[Book, int]:
    """Tell one channel whatever it awaits, oldest first, until it takes no more."""
    sent = 0
    for key, incident in untold(book, channel.name):
        failing = dict(book.failing_channels)
        try:
            channel.send(in_words(incident, ui_url))
        except ChannelError as error:
            failing[channel.name] = str(error)
            return replace(book, failing_channels=failing), sent
        failing.pop(channel.name, None)
        after = {**book.incidents, key: incident.after_telling(channel.name)}
        book = Book(after, failing)
        write_book(file, book)
        sent += 1
    return book, sent
