"""Troubles over time: an incident opens, is told once to each channel, and once that it is over.

Pure: from the incidents so far and the troubles of this moment to the incidents after it. The file
is written whole or not at all, so that a restart neither forgets nor repeats an incident.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import orjson

from orchestration.operations.alerts import CHANNEL_FAILING, Trouble


@dataclass(frozen=True)
class Incident:
    """One trouble from the first time it was seen until everybody knows that it is over.

    Attributes:
        opened_at: when it began, or was first seen where that is not known: the real time, ISO
            8601.
        over_at: when it was first seen no more; None = it goes on.
        told: channels that know of it.
        told_over: channels that know that it is over.
    """

    trouble: Trouble
    opened_at: str
    over_at: str | None = None
    told: tuple[str, ...] = ()
    told_over: tuple[str, ...] = ()

    def awaits(self, channel: str) -> bool:
        """Whether a channel has yet to hear of it, or of its end."""
        return channel not in (self.told if self.over_at is None else self.told_over)

    def after_telling(self, channel: str) -> "Incident":
        """The same, once `channel` was told how it stands."""
        if self.over_at is None:
            return replace(self, told=(*self.told, channel))
        return replace(self, told_over=(*self.told_over, channel))


@dataclass(frozen=True)
class Book:
    """All incidents by key, and the channels that do not take messages (name → why)."""

    incidents: Mapping[str, Incident] = field(default_factory=dict)
    failing_channels: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> list[Incident]:
        """What goes on, oldest first."""
        going_on = [each for each in self.incidents.values() if each.over_at is None]
        return sorted(going_on, key=lambda each: each.opened_at)


def advance(
    book: Book,
    troubles: Iterable[Trouble],
    unknown: Collection[str],
    channels: Collection[str],
    now: datetime,
) -> Book:
    """The book after a look at everything.

    Args:
        troubles: what is wrong now.
        unknown: keys of which nothing can be told now (a run is going on): they stay as they are.
        channels: names of those in use; whatever they have all heard of is forgotten.
    """
    seen = {trouble.key: trouble for trouble in troubles}
    after: dict[str, Incident] = {}
    for key, incident in book.incidents.items():
        if key in seen:
            after[key] = _again(incident)
        elif key in unknown or incident.over_at is not None:
            after[key] = incident
        else:
            after[key] = replace(incident, over_at=now.isoformat())
    for key, trouble in seen.items():
        if key not in after:
            after[key] = Incident(trouble, trouble.since or now.isoformat())
    return forget_told(replace(book, incidents=after), channels)


def _again(incident: Incident) -> Incident:
    """It goes on, or is back; whoever has heard that it was over hears of it anew."""
    if incident.over_at is None:
        return incident
    told = tuple(channel for channel in incident.told if channel not in incident.told_over)
    return replace(incident, over_at=None, told=told, told_over=())


def forget_told(book: Book, channels: Collection[str]) -> Book:
    """The book without incidents that are over and that no channel awaits to hear of."""
    kept = {
        key: each
        for key, each in book.incidents.items()
        if each.over_at is None or any(each.awaits(channel) for channel in channels)
    }
    return replace(book, incidents=kept)


def untold(book: Book, channel: str) -> list[tuple[str, Incident]]:
    """What a channel has yet to hear, oldest first: key and incident.

    Of its own silence it hears when that is over.
    """
    own = f"{CHANNEL_FAILING.name}:{channel}"
    awaited = [
        (key, incident)
        for key, incident in book.incidents.items()
        if incident.awaits(channel) and (key != own or incident.over_at is not None)
    ]
    return sorted(awaited, key=lambda item: item[1].opened_at)


def read_book(file: Path) -> Book:
    """What was known at the last look; empty before the first."""
    if not file.exists():
        return Book()
    kept = orjson.loads(file.read_bytes())
    return Book(
        {
            key: Incident(
                Trouble(**entry["trouble"]),
                entry["opened_at"],
                entry["over_at"],
                tuple(entry["told"]),
                tuple(entry["told_over"]),
            )
            for key, entry in kept["incidents"].items()
        },
        kept["failing_channels"],
    )


def write_book(file: Path, book: Book) -> None:
    """Keep it, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(book), option=orjson.OPT_INDENT_2))
    new.replace(file)
