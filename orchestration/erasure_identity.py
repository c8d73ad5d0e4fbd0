"""Who is meant: all memberships behind an e-mail, in the warehouse, the audited file and a note.

The caller holds the writer's slot. Several members may share the e-mail: all of them are meant.
"""

from pathlib import Path

import duckdb
import orjson

from dlt_sources.erased import normalised
from orchestration.erasure_tables import Person
from orchestration.home import Home
from orchestration.programs import programs
from orchestration.tombstones import write_private

_MEMBERS = (
    ("raw_smile.customers", "program, id, email"),
    ("marts.dim_members", "program, member_id, email"),
)


def identify(home: Home, email: str, note: Path) -> Person:
    """The person's memberships, and e-mails of these memberships that nobody else has.

    Args:
        email: normalised.
        note: of an erasure that did not end, which knows what is gone from the tables already.
    """
    emails, members = {email}, {(p.name, email) for p in programs() if p.source == "yotpo"}
    if note.exists():
        noted_emails, noted_members = orjson.loads(note.read_bytes())
        emails |= set(noted_emails)
        members |= {(program, member) for program, member in noted_members}
    known: set[tuple[str, str, str]] = set()
    for file in (home.warehouse, home.audited):
        if file.exists():
            with duckdb.connect(str(file), read_only=True) as db:
                for relation, columns in _MEMBERS:
                    known |= _rows(db, relation, columns)
    members |= {(program, member) for program, member, each in known if each == email}
    for alias in {each for program, member, each in known if (program, member) in members}:
        holders = {(program, member) for program, member, each in known if each == alias}
        if holders <= members:
            emails.add(alias)
    return Person(frozenset(emails), frozenset(members))


def write_note(note: Path, person: Person) -> None:
    """Keep whom an erasure is about until it ends; readable by this user only."""
    write_private(note, orjson.dumps([sorted(person.emails), sorted(person.members)]))


def _rows(db: duckdb.DuckDBPyConnection, relation: str, columns: str) -> set[tuple[str, str, str]]:
    """(programme, member id, normalised e-mail) of those who have one; none without the table."""
    try:
        found = db.execute(f"select {columns} from {relation} where email is not null").fetchall()
    except duckdb.CatalogException:
        return set()
    return {(program, member, normalised(written)) for program, member, written in found}
