"""A backup put back: checked to the last byte before anything here changes, then moved in.

    check     every file against the archive's manifest, every DuckDB file opened
    replace   what lies here goes to `replaced-<time>/`, what was restored takes its place
    complete  what is younger than any backup stays: tombstones, sign-ins, simulated vendors

All of it within the home, by renames: the folder itself may belong to somebody else. While files
are being moved, `restoring.json` lies there and every other command refuses; the same command again
starts afresh.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from orchestration.archive import Contents, Say, check
from orchestration.backup import REPLACED
from orchestration.home import Home
from orchestration.tombstones import Tombstones
from reverse_etl.file_rewrite import to_disk
from vendor_http import LoyaltyError

_DRAFT = ".restore"
# Of this machine or of the vendors: never in an archive, and never moved aside.
_STAYS = frozenset({"locks", "connections", "sandbox"})


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        replaced: where the files lie that were here before; None = there were none.
        newer_tombstones: people who were erased after the backup was made.
        kept_ledger: the ledger is the one that was here.
    """

    contents: Contents
    replaced: Path | None
    newer_tombstones: int
    kept_ledger: bool


def restore(
    archive: Path,
    home: Home,
    say: Say,
    *,
    published_mode: int,
    force: bool = False,
    keep_ledger: bool = False,
) -> Restored:
    """Put a backup in the place of what lies in this home.

    Args:
        published_mode: rights of the published file.
        force: a home that holds something is moved aside; otherwise it is refused.
        keep_ledger: leave the ledger that is here; it knows best what the vendors hold.

    Raises:
        LoyaltyError: the archive is damaged, this home is in use or holds something.
    """
    was_interrupted = home.restoring.exists()
    holds_nothing = not was_interrupted and not _content(home)
    if keep_ledger and not home.ledger.exists():
        raise LoyaltyError("There is no ledger here to keep; leave out --keep-ledger")
    if not force and not was_interrupted and (found := _content(home)):
        raise LoyaltyError(
            f"{home.root} is not empty ({', '.join(found[:3])} …). --force moves what is there to "
            f"{REPLACED}… inside it; or set LOYALTY_HOME to another folder"
        )
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.lock("x").parent.mkdir(exist_ok=True)
    os.umask(0o077)
    draft = home.root / _DRAFT
    with _nobody_else(home):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            contents = check(archive, draft, say)
            if keep_ledger:
                for file in draft.glob(f"{home.ledger.name}*"):
                    file.unlink()
            newer = _complete(home, draft)
            say("moving files into place")
            aside = _replace(home, draft, {home.ledger.name} if keep_ledger else set())
            if home.published.exists():
                home.published.chmod(published_mode)
                home.let_readers_in(published_mode)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    if aside is not None and holds_nothing:  # folders that every command makes
        shutil.rmtree(aside)
        aside = None
    return Restored(contents, aside, newer, keep_ledger)


def drop_replaced(home: Home, before: float | None = None) -> dict[str, int]:
    """Delete what restores moved aside or left half-way; name -> 1 each.

    Args:
        before: only what was moved aside before this moment, in seconds since 1970; None = all.
    """
    gone = {}
    for folder in [*home.root.glob(f"{REPLACED}*"), home.root / _DRAFT]:
        if folder.is_dir() and (before is None or folder.stat().st_mtime < before):
            shutil.rmtree(folder)
            gone[folder.name] = 1
    return gone


def _content(home: Home) -> list[str]:
    """What would be lost; folders and settings that every command makes are nothing."""
    if not home.root.exists():
        return []
    idle = {*_STAYS, "logs", "dbt", _DRAFT}
    found = []
    for top in sorted(home.root.iterdir()):
        if top.name in idle or top.name.startswith(REPLACED) or top.suffix == ".lock":
            continue
        files = top.rglob("*") if top.is_dir() else [top]
        if any(path.is_file() and path.name != "dagster.yaml" for path in files):
            found.append(top.name)
    return found


@contextmanager
def _nobody_else(home: Home) -> Iterator[None]:
    """Hold every lock that lies in this home.

    Raises:
        LoyaltyError: somebody holds one.
    """
    locks = {home.lock(name) for name in ("run", "dev", "warehouse", "publish")}
    locks |= {Path(f"{home.ledger}.lock")} | set(home.root.glob("*.lock"))
    locks |= set(home.lock("x").parent.glob("*.lock")) | set(home.root.glob("inbox/*/*.lock"))
    with ExitStack() as stack:
        for lock in sorted(locks):
            try:
                stack.enter_context(FileLock(lock, blocking=False))
            except Timeout:
                raise LoyaltyError(
                    f"{home.root} is in use ({lock.stem}): end `loyalty serve` and every other "
                    "`loyalty` command, then restore again"
                ) from None
        yield


def _complete(home: Home, draft: Path) -> int:
    """Keep who was erased since the backup; their number."""
    present = _root_before(home).tombstones
    if not present.exists():
        return 0
    old = Tombstones.read(Home(draft))
    now = Tombstones.read(Home(present.parent))
    known = {stone.name for stone in old.stones}
    newer = [stone for stone in now.stones if stone.name not in known]
    # Names are made with the salt: all of the backup's are here, or it is another home's.
    if known <= {stone.name for stone in now.stones}:
        shutil.copyfile(present, draft / present.name)
        return len(newer)
    raise LoyaltyError(
        f"{present} and the backup's own name different people, as of two installations. "
        "Restore into an empty home, or move the one that is wrong away"
    )


def _root_before(home: Home) -> Home:
    """Where the tombstones of before lie: an interrupted restore may have moved them aside."""
    if home.restoring.exists():
        aside = Home(home.root / orjson.loads(home.restoring.read_bytes())["aside"])
        if aside.tombstones.exists():
            return aside
    return home


def _replace(home: Home, draft: Path, keep: set[str]) -> Path | None:
    """Move what is here aside and what was restored in; taken up where it was interrupted."""
    if home.restoring.exists():
        aside = home.root / orjson.loads(home.restoring.read_bytes())["aside"]
    else:
        aside = home.root / f"{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    home.restoring.write_bytes(orjson.dumps({"aside": aside.name}))
    to_disk(home.restoring)
    to_disk(home.root)
    for path in sorted(home.root.iterdir()):
        if _belongs_aside(path, home, keep):
            aside.mkdir(exist_ok=True)
            if (aside / path.name).exists():  # of the interrupted restore
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            else:
                path.rename(aside / path.name)
    for path in sorted(draft.iterdir()):
        path.rename(home.root / path.name)
    to_disk(home.root)
    home.restoring.unlink()
    to_disk(home.root)
    return aside if aside.exists() else None


def _belongs_aside(path: Path, home: Home, keep: set[str]) -> bool:
    if path.name.startswith(REPLACED) or path.suffix == ".lock":
        return False
    return path.name not in {*_STAYS, _DRAFT, home.restoring.name, *keep}
