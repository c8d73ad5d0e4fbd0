"""Who was erased, so that nobody brings them back: hashes only, in `tombstones.json`.

Owns the file (mode 0600: without its salt the hashes say nothing, with it an address can only be
tried) and the answers that extraction asks for. A hash is HMAC-SHA256 of the normalised e-mail, or
of a member id with its programme. Must not know how a person is erased.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson
from filelock import FileLock

from dlt_sources.erased import Erased, normalised
from orchestration.home import Home

_SALT_BYTES = 32
# A person in a log or a list: long enough to tell a shop's erased apart, no way back.
_SHORT = 10


@dataclass(frozen=True)
class Tombstone:
    """One erased person.

    Attributes:
        name: short hash of the e-mail that was typed; how logs and lists call the person.
        erased_at: when the erasure began, ISO 8601.
        is_finished: nothing was left anywhere.
        emails: hashes of the normalised e-mails.
        members: programme -> hashes of the member ids.
    """

    name: str
    erased_at: str
    is_finished: bool
    emails: frozenset[str]
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Tombstones:
    """The erased of one home; written as a whole, and only inside `changing`."""

    def __init__(self, file: Path, salt: bytes, stones: Iterable[Tombstone]) -> None:
        self._file = file
        self._salt = salt
        self.stones = list(stones)

    def __repr__(self) -> str:
        return f"Tombstones({len(self.stones)})"

    @classmethod
    def read(cls, home: Home) -> Self:
        """Those of a home; a new salt, not written yet, where nobody was erased."""
        file = home.tombstones
        if not file.exists():
            return cls(file, secrets.token_bytes(_SALT_BYTES), ())
        stored = orjson.loads(file.read_bytes())
        return cls(file, bytes.fromhex(stored["salt"]), (_stone(each) for each in stored["people"]))

    @classmethod
    @contextmanager
    def changing(cls, home: Home) -> Iterator[Self]:
        """Those of a home for somebody who changes them; nobody else does meanwhile."""
        home.prepare()
        with FileLock(home.lock("tombstones")):
            yield cls.read(home)

    def of_email(self, email: str) -> Tombstone | None:
        """The tombstone of an e-mail."""
        wanted = self._email(email)
        return next((stone for stone in self.stones if wanted in stone.emails), None)

    def name(self, email: str) -> str:
        """The short hash that stands for a person."""
        return self._email(email)[:_SHORT]

    def add(
        self,
        name: str,
        emails: Collection[str],
        members: Collection[tuple[str, str]],
        now: datetime,
    ) -> None:
        """Write a person down as erased, not finished; once more adds what is new.

        Args:
            name: see `name`.
            members: (programme, member id).
        """
        before = next((stone for stone in self.stones if stone.name == name), None)
        hashed = {
            program: frozenset(self._member(*each) for each in members if each[0] == program)
            for program, _ in members
        }
        stone = before or Tombstone(name, now.isoformat(), is_finished=False, emails=frozenset())
        stone = replace(
            stone,
            is_finished=False,
            emails=stone.emails | {self._email(email) for email in emails},
            members={
                program: stone.members.get(program, frozenset()) | hashed.get(program, frozenset())
                for program in {*stone.members, *hashed}
            },
        )
        self._put(stone)

    def finish(self, name: str) -> None:
        """Nothing of this person is left."""
        stone = next(stone for stone in self.stones if stone.name == name)
        self._put(replace(stone, is_finished=True))

    def meet(self, program: str, met: Mapping[str, int]) -> None:
        """Remember new member ids of erased people (`Erased.met`)."""
        for key, number in met.items():
            stone = self.stones[number]
            known = stone.members.get(program, frozenset())
            members = {**stone.members, program: known | {self._member(program, key)}}
            self._put(replace(stone, members=members))

    def erased(self, program: str) -> Erased | None:
        """What an extraction of `program` leaves out; None where nobody was erased."""
        if not self.stones:
            return None
        emails = {each: number for number, stone in enumerate(self.stones) for each in stone.emails}
        members = {
            each: number
            for number, stone in enumerate(self.stones)
            for each in stone.members.get(program, ())
        }
        return Erased(
            lambda email: emails.get(self._email(email)),
            lambda key: members.get(self._member(program, key)) if members else None,
        )

    def _email(self, email: str) -> str:
        return self._hash(f"email:{normalised(email)}")

    def _member(self, program: str, member_id: str) -> str:
        return self._hash(f"member:{program}:{member_id}")

    def _hash(self, text: str) -> str:
        return hmac.digest(self._salt, text.encode(), hashlib.sha256).hex()

    def _put(self, stone: Tombstone) -> None:
        places = [place for place, each in enumerate(self.stones) if each.name == stone.name]
        if places:
            self.stones[places[0]] = stone
        else:
            self.stones.append(stone)
        content = {"salt": self._salt.hex(), "people": [_plain(each) for each in self.stones]}
        write_private(self._file, orjson.dumps(content))


def write_private(file: Path, content: bytes) -> None:
    """Replace a file that only this user may read; whole, and on disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stone(stored: Mapping[str, Any]) -> Tombstone:
    return Tombstone(
        name=stored["name"],
        erased_at=stored["erased_at"],
        is_finished=stored["is_finished"],
        emails=frozenset(stored["emails"]),
        members={program: frozenset(ids) for program, ids in stored["members"].items()},
    )


def _plain(stone: Tombstone) -> dict[str, Any]:
    return {
        "name": stone.name,
        "erased_at": stone.erased_at,
        "is_finished": stone.is_finished,
        "emails": sorted(stone.emails),
        "members": {program: sorted(ids) for program, ids in stone.members.items()},
    }
