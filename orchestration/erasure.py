"""Erasure of one person from everything under LOYALTY_HOME, after clearing them at the vendors.

Owns the order, which makes a crash at any moment harmless; the same command again finishes:

    vendors      cleared first: if one cannot be reached, nothing here has changed
    note, stone  whom it is about (readable by this user only) and the tombstone, so that from now
                 on no extraction brings the person back
    places       extraction's files, webhooks, warehouse, audited tables, ledger, published file,
                 simulations; each file is replaced whole, so the person is in it or is not
    search       every database under the home; the note goes only when nothing was found

Runs under the run's lock, each programme's extraction lock, each destination's ledger lock and the
writer's slot. The folder of simulated vendors (`sandbox/`) stands for the vendors: none of ours.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from dlt_sources import smile, yotpo
from dlt_sources.erased import normalised
from orchestration import erasure_tables
from orchestration.activate import SYNCS
from orchestration.erasure_files import erase_unloaded
from orchestration.erasure_identity import identify, write_note
from orchestration.erasure_tables import Person
from orchestration.erasure_vendors import AtVendor, clear_at_vendors
from orchestration.home import Home
from orchestration.inbox import erase_from_inbox, exclusive_inbox
from orchestration.programs import programs
from orchestration.publish import STORAGE_VERSION, publish_deliveries
from orchestration.restore import drop_replaced
from orchestration.settings import Settings
from orchestration.slot import exclusive, writer_slot
from orchestration.tombstones import Tombstones
from reverse_etl.file_rewrite import drop_drafts, rewriting
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_erasure import erase as erase_from_ledger
from vendor_http import LoyaltyError

_WAIT_SECONDS = 30 * 60.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Forgotten:
    """What an erasure did.

    Attributes:
        name: short hash that stands for the person.
        vendors: what each vendor accepted.
        places: place -> table or kind of file -> rows that went.
        member_count: memberships that were the person's.
    """

    name: str
    vendors: list[AtVendor]
    places: Mapping[str, Mapping[str, int]]
    member_count: int


def forget(
    email: str,
    settings: Settings,
    home: Home,
    now: datetime,
    say: Say,
    *,
    delete_at_vendors: bool = False,
    leave_at: Collection[str] = (),
) -> Forgotten:
    """Erase everybody who is known by `email`, in every programme.

    Args:
        email: in any spelling.
        say: told what is going on; never an e-mail.
        delete_at_vendors: also ask the vendors to delete their own profiles.
        leave_at: destinations that are not cleared.

    Raises:
        LoyaltyError: a vendor could not be reached (nothing was erased), another run is going on,
            or something was left (names the tables). The same command again goes on.
    """
    home.prepare()
    ledger = Ledger(home.ledger)
    with _alone(home, ledger, say):
        with writer_slot(home, say=say):
            _drop_drafts(home, say)
            person = identify(home, normalised(email), _note(home, Tombstones.read(home), email))
        vendors = clear_at_vendors(
            person.emails,
            settings,
            home,
            ledger,
            now,
            delete=delete_at_vendors,
            leave_at=leave_at,
            say=say,
        )
        with Tombstones.changing(home) as tombstones:
            # The salt is on the disk with the first tombstone; only then do names stay the same.
            name, note = tombstones.name(email), _note(home, tombstones, email)
            tombstones.add(name, person.emails, person.members, now)
            write_note(note, person)
        with writer_slot(home, say=say):
            places = _erase(home, person, say)
            say("searching every database for what may be left")
            _search(home, person)
        with Tombstones.changing(home) as tombstones:
            note.unlink()
            tombstones.finish(name)
    return Forgotten(name, vendors, places, len(person.members))


def _note(home: Home, tombstones: Tombstones, email: str) -> Path:
    return home.erasure / f"{tombstones.name(email)}.json"


@contextmanager
def _alone(home: Home, ledger: Ledger, say: Say) -> Iterator[None]:
    """No run, no extraction and no sync beside this one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(home.lock("run"), blocking=False))
        except Timeout:
            raise LoyaltyError(
                f"Another run is going on in {home.root}; wait for its end and run again"
            ) from None
        for sync in SYNCS:
            scope = Scope(sync.destination, sync.object_name)
            stack.enter_context(ledger.exclusive(scope, _WAIT_SECONDS))
        for program in programs():
            lock, what = f"extract_{program.name}", f"{program.name}'s extraction"
            stack.enter_context(exclusive(home, lock, what, _WAIT_SECONDS, say))
            stack.enter_context(exclusive_inbox(home, program, say))
        yield


def _from_unloaded(home: Home, _person: Person) -> Mapping[str, int]:
    """Chunks and packages that an extraction left, by the tombstones as extraction itself goes."""
    tables = {"smile": smile.TABLES, "yotpo": yotpo.TABLES}
    tombstones = Tombstones.read(home)
    gone: dict[str, int] = {}
    for program in programs():
        erased = tombstones.erased(program.name)
        if erased is not None:
            gone[program.name] = erase_unloaded(home, program, tables[program.source], erased)
    return {name: count for name, count in gone.items() if count}


def _from_inboxes(home: Home, person: Person) -> Mapping[str, int]:
    """Webhooks as they came, waiting and loaded."""
    gone = {each.name: erase_from_inbox(home, each, person.emails) for each in programs()}
    return {name: count for name, count in gone.items() if count}


def _from_file(file: Path, person: Person, storage_version: str | None = None) -> dict[str, int]:
    if not file.exists():
        return {}
    with rewriting(file, storage_version) as db:
        return erasure_tables.erase(db, person)


def _from_simulations(home: Home, person: Person) -> Mapping[str, int]:
    gone = {
        file.name: sum(_from_file(file, person, STORAGE_VERSION).values())
        for file in sorted((home.root / "simulations").glob("*.duckdb"))
    }
    return {name: count for name, count in gone.items() if count}


# In this order; a place that joins is a row here.
_PLACES: Mapping[str, Callable[[Home, Person], Mapping[str, int]]] = {
    "what was extracted and not loaded": _from_unloaded,
    "webhooks": _from_inboxes,
    "warehouse": lambda home, person: _from_file(home.warehouse, person),
    "audited and published tables": lambda home, person: _from_file(
        home.audited, person, STORAGE_VERSION
    ),
    "ledger": lambda home, person: erase_from_ledger(Ledger(home.ledger), person.emails),
    "simulations": _from_simulations,
    "homes that a restore moved aside": lambda home, _person: drop_replaced(home),
}


def _erase(home: Home, person: Person, say: Say) -> dict[str, Mapping[str, int]]:
    places = {}
    for place, erase in _PLACES.items():
        say(f"erasing from {place}")
        if counts := erase(home, person):
            places[place] = counts
    if home.audited.exists():
        publish_deliveries(home)
    return places


def _search(home: Home, person: Person) -> None:
    """Look at every table of every database.

    Raises:
        LoyaltyError: something was left; names the tables.
    """
    left = []
    for file in _databases(home):
        name = file.relative_to(home.root)
        try:
            with duckdb.connect(str(file), read_only=True) as db:
                left += [f"{name}: {table}" for table in erasure_tables.find_left(db, person)]
        except duckdb.IOException:
            raise LoyaltyError(
                f"{name} cannot be searched: another program has it open, or it is no database. "
                "Close or remove it and give the same command again"
            ) from None
    if left:
        raise LoyaltyError(
            f"The erasure is not complete, something is left in {'; '.join(left)}. "
            "Give the same command again; if it says the same, report these tables"
        )


def _databases(home: Home) -> list[Path]:
    return [
        file
        for file in sorted(home.root.rglob("*.duckdb"))
        if home.sandbox not in file.parents and file.is_file()
    ]


def _drop_drafts(home: Home, say: Say) -> None:
    """Remove what killed processes left of files that were about to take another's place."""
    for file in _databases(home):
        drop_drafts(file)
    with exclusive(home, "publish", "the published file", _WAIT_SECONDS, say):
        for folder in (home.root, home.published.parent):
            for leftover in folder.glob(".*.duckdb.*.new*"):
                leftover.unlink()
