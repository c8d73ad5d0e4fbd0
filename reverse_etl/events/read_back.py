"""Did accepted events become visible? A sample is read from the vendor and compared by id.

202 says that a vendor queued an event, not that it keeps it: events of test addresses vanish
without a word, and visibility takes minutes. Reads only; nothing is sent again, because an accepted
event never is: what is missing is for a person to look at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from reverse_etl.ledger_file import LedgerFile, utc

SAMPLE = 200
# "Up to a few minutes": https://developers.klaviyo.com/en/reference/events_api_overview
VISIBLE_AFTER = timedelta(minutes=15)


class EventReader(Protocol):
    """Reads the events that a vendor shows."""

    @property
    def name(self) -> str:
        """`klaviyo`."""

    def read(self, emails: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
        """E-mail and the ids of its visible events, for each of `emails` (normalised)."""


@dataclass(frozen=True, repr=False)
class EventReadBack:
    """What a read-back of events found.

    Attributes:
        known: accepted events that are old enough to be visible.
        checked: of these, looked for.
        missing: ids of those that the vendor does not show.
        fresh: accepted events beside the known, too young to be sure that they are visible.
    """

    known: int
    checked: int
    missing: tuple[str, ...]
    fresh: int = 0

    @property
    def share(self) -> float:
        """Share of the looked for that are there; 1 when there was nothing to look for."""
        return 1 - len(self.missing) / self.checked if self.checked else 1.0

    def __repr__(self) -> str:
        return f"EventReadBack({self.checked} of {self.known}, {len(self.missing)} missing)"


def read_back_events(
    ledger: LedgerFile,
    reader: EventReader,
    now: datetime,
    sample: int | None = SAMPLE,
    visible_after: timedelta = VISIBLE_AFTER,
) -> EventReadBack:
    """Look for a sample of the accepted events; another one each day.

    Args:
        now: the moment to reckon with; events accepted since `now - visible_after` are left out.
        sample: events to look for; None = all.

    Raises:
        ConfigurationError: the key or a scope is missing.
        VendorUnavailableError: passing trouble outlived the tries.
    """
    known, fresh, chosen = _choose(ledger, reader.name, now, sample, visible_after)
    missing: list[str] = []
    for email, shown in reader.read(sorted(chosen)):
        missing += [event_id for event_id in chosen[email] if event_id not in shown]
    return EventReadBack(known, sum(map(len, chosen.values())), tuple(sorted(missing)), fresh)


def _choose(
    ledger: LedgerFile,
    destination: str,
    now: datetime,
    sample: int | None,
    visible_after: timedelta,
) -> tuple[int, int, Mapping[str, list[str]]]:
    """Events that could be looked for, younger ones, and e-mail -> ids of those to look for now."""
    accepted = "from events where destination = ? and state = 'accepted'"
    visible = utc(now - visible_after)
    with ledger.open() as db:
        told, known = db.execute(
            f"select count(*), count(*) filter (accepted_at <= ?) {accepted}",
            [visible, destination],
        ).fetchall()[0]
        rows = db.execute(
            f"""
            select email, event_id {accepted} and accepted_at <= ?
            order by md5(event_id || ?), event_id limit ?
            """,
            [destination, visible, f"{now:%Y-%m-%d}", sample],
        ).fetchall()
    chosen: dict[str, list[str]] = {}
    for email, event_id in rows:
        chosen.setdefault(email, []).append(event_id)
    return known, told - known, chosen
