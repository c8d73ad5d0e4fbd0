"""A backup is whole or absent, a restore puts back every byte, and a kill leaves neither half."""

import json
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from dlt_sources.inbox.segments import OPEN, Delivery, SegmentLog
from orchestration import archive as archiving
from orchestration.archive import check
from orchestration.backup import NAME, archives, back_up
from orchestration.home import Home
from orchestration.restore import restore
from orchestration.slot import writer_slot
from orchestration.tombstones import Tombstones
from reverse_etl.ledger import Ledger
from vendor_http import ConfigurationError, LoyaltyError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODE = 0o440
ROWS = 300_000  # some megabytes: several writes of the archive
PUT = """
import os, sys
from pathlib import Path
from orchestration.home import Home
from orchestration.restore import restore
left = int(sys.argv[3])
rename = Path.rename
def counted(self, target):
    global left
    if left == 0: os._exit(9)
    left -= 1
    return rename(self, target)
Path.rename = counted
restore(Path(sys.argv[1]), Home(Path(sys.argv[2])), lambda line: None, published_mode=0o440,
        force=True)
"""
BACK_UP = """
import os, sys
from pathlib import Path
from orchestration.backup import back_up
from orchestration.home import Home
left = int(sys.argv[3])
fsync = os.fsync
def say(line):
    global left
    if left == 0: os.kill(os.getpid(), 9)
    left -= 1
os.fsync = lambda descriptor: (say(""), fsync(descriptor))
back_up(Home(Path(sys.argv[1])), Path(sys.argv[2]), say)
"""


def quiet(_line: str) -> None:
    """Nobody listens."""


def fill(home: Home, name: str, rows: int = 10) -> None:
    """A home after runs; every database says `name`."""
    home.prepare()
    for file in (home.warehouse, home.audited, home.published):
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema marts")
            connection.execute(
                f"create table marts.dim_members as select '{name}' as name, "
                f"md5(i::varchar) as email from range({rows}) as t (i)"
            )
    with Ledger(home.ledger).open() as connection:
        connection.execute("create or replace table said (name varchar)")
        connection.execute("insert into said values (?)", [name])
    runs = home.dagster / "history" / "runs.db"
    runs.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(runs)) as books:
        books.execute("create table if not exists runs (name text)")
        books.execute("delete from runs")
        books.execute("insert into runs values (?)", [name])
        books.commit()
    (home.root / "vendors.json").write_text(json.dumps({"smile": name}))
    (home.dlt / "smile" / "load" / "normalized").mkdir(parents=True, exist_ok=True)
    (home.dlt / "smile" / ".version").write_text("1")  # what dlt cannot do without
    home.sandbox.mkdir(exist_ok=True)
    (home.sandbox / "klaviyo.json").write_text(name)
    (home.root / "connections").mkdir(exist_ok=True)
    (home.root / "connections" / "klaviyo.tokens").write_text(f"secret of {name}")


def names(home: Home) -> set[str]:
    """What the databases of a home say."""
    found = set()
    for file, query in (
        (home.warehouse, "select any_value(name) from marts.dim_members"),
        (home.audited, "select any_value(name) from marts.dim_members"),
        (home.published, "select any_value(name) from marts.dim_members"),
        (home.ledger, "select name from said"),
    ):
        with duckdb.connect(str(file), read_only=True) as connection:
            found |= {str(name) for (name,) in connection.execute(query).fetchall()}
    with closing(sqlite3.connect(home.dagster / "history" / "runs.db")) as books:
        found |= {name for (name,) in books.execute("select name from runs")}
    return found | set(json.loads((home.root / "vendors.json").read_bytes()).values())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    fill(home, "old")
    return home


def put_back(archive: Path, home: Home, **how: bool) -> Path | None:
    return restore(archive, home, quiet, published_mode=MODE, **how).replaced


def test_folders_that_every_command_makes_are_nothing_that_was_here_before(
    home: Home, tmp_path: Path
) -> None:
    done = back_up(home, tmp_path / "backups", quiet)
    other = Home(tmp_path / "other")
    other.prepare()
    other.dagster.mkdir(exist_ok=True)
    (other.dagster / "dagster.yaml").write_text("{}")
    assert put_back(done.path, other) is None
    assert not list(other.root.glob("replaced-*"))
    assert names(other) == {"old"}


def test_what_was_backed_up_comes_back_on_another_machine(home: Home, tmp_path: Path) -> None:
    done = back_up(home, tmp_path / "backups", quiet)
    assert NAME.fullmatch(done.path.name)
    assert done.path.stat().st_mode & 0o777 == 0o600
    other = Home(tmp_path / "other")
    assert put_back(done.path, other) is None
    other.prepare()
    assert names(other) == {"old"}
    assert other.published.stat().st_mode & 0o777 == MODE
    assert other.ledger.stat().st_mode & 0o777 == 0o600
    assert (other.dlt / "smile" / "load" / "normalized").is_dir()
    assert (other.dlt / "smile" / ".version").exists()


def test_keys_and_simulated_vendors_are_not_in_it_and_stay_where_they_are(
    home: Home, tmp_path: Path
) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    fill(home, "new")
    aside = put_back(archive, home, force=True)
    assert names(home) == {"old"}
    assert (home.sandbox / "klaviyo.json").read_text() == "new"
    assert (home.root / "connections" / "klaviyo.tokens").read_text() == "secret of new"
    assert aside is not None
    assert names(Home(aside)) == {"new"}
    check(archive, tmp_path / "unpacked", quiet)
    assert not list((tmp_path / "unpacked").rglob("*klaviyo*"))


def test_a_home_that_holds_something_is_refused_and_untouched(home: Home, tmp_path: Path) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    fill(home, "new")
    with pytest.raises(LoyaltyError, match=r"not empty .*--force"):
        put_back(archive, home)
    assert names(home) == {"new"}


def test_a_home_that_was_only_prepared_counts_as_empty(home: Home, tmp_path: Path) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    fresh = Home(tmp_path / "fresh")
    fresh.prepare()
    (fresh.dagster / "dagster.yaml").write_text("telemetry: {enabled: false}")
    put_back(archive, fresh)
    assert names(fresh) == {"old"}


@pytest.mark.parametrize("lock", ["run", "dev", "warehouse"])
def test_a_home_in_use_is_refused(home: Home, tmp_path: Path, lock: str) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    with FileLock(home.lock(lock)), pytest.raises(LoyaltyError, match="in use"):
        put_back(archive, home, force=True)
    assert names(home) == {"old"}


def test_the_present_ledger_can_be_kept(home: Home, tmp_path: Path) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    fill(home, "new")
    put_back(archive, home, force=True, keep_ledger=True)
    assert names(home) == {"old", "new"}
    with duckdb.connect(str(home.ledger), read_only=True) as connection:
        assert connection.execute("select name from said").fetchall() == [("new",)]
    empty = Home(tmp_path / "empty")
    with pytest.raises(LoyaltyError, match="no ledger here"):
        put_back(archive, empty, keep_ledger=True)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_a_damaged_archive_changes_nothing(home: Home, tmp_path: Path, damage: str) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        content = content[: len(content) * 2 // 3]
    elif damage == "bit":
        content[len(content) // 2] ^= 0x10
    else:
        content = bytearray()
    archive.write_bytes(content)
    fill(home, "new")
    with pytest.raises(LoyaltyError, match="damaged"):
        put_back(archive, home, force=True)
    assert names(home) == {"new"}
    assert not list(home.root.glob(".restore*"))


def test_an_archive_of_a_newer_release_is_refused(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(archiving, "FORMAT", archiving.FORMAT + 1)
        archive = back_up(home, tmp_path / "backups", quiet).path
    with pytest.raises(LoyaltyError, match="newer"):
        check(archive, tmp_path / "unpacked", quiet)


def test_only_the_newest_archives_are_kept_and_nothing_else_is_deleted(
    home: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in ("20260101", "20260102", "20260103"):
        (folder / f"loyalty-{day}T000000Z.tar.zst").touch()
    (folder / "loyalty-notes.txt").touch()
    done = back_up(home, folder, quiet, keep=2)
    assert [path.name[8:16] for path in done.deleted] == ["20260101", "20260102"]
    assert len(archives(folder)) == 2
    assert (folder / "loyalty-notes.txt").exists()


def test_a_backup_waits_for_whoever_writes_the_warehouse(home: Home, tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def say(line: str) -> None:
        if line == "waiting for the warehouse":
            waiting.set()

    def work() -> None:
        back_up(home, tmp_path / "backups", say)
        order.append("backed up")

    with writer_slot(home):
        thread = threading.Thread(target=work)
        thread.start()
        assert waiting.wait(60)
        order.append("built")
    thread.join()
    assert order == ["built", "backed up"]


def test_webhooks_that_wait_are_in_it_while_their_receiver_goes_on(
    home: Home, tmp_path: Path
) -> None:
    inbox = home.inbox("yotpo")
    log = SegmentLog(inbox, seal_bytes=1, seal_seconds=600)

    def put(number: int) -> None:
        log.append(Delivery(f"id-{number}", "k", number, "t", None, "{}").line(), number)

    put(1)  # sealed by the next one
    put(2)
    archive = back_up(home, tmp_path / "backups", quiet).path
    put(3)
    log.close()
    other = Home(tmp_path / "other")
    put_back(archive, other)
    found = b"".join(path.read_bytes() for path in other.inbox("yotpo").rglob("*.jsonl"))
    assert [f"id-{number}".encode() in found for number in (1, 2, 3)] == [True, True, False]
    assert (other.inbox("yotpo") / OPEN).exists()


def test_who_was_erased_after_the_backup_stays_erased(home: Home, tmp_path: Path) -> None:
    def erase(email: str) -> None:
        with Tombstones.changing(home) as tombstones:
            tombstones.add(tombstones.name(email), [email], [], NOW)

    erase("first@shop.test")
    archive = back_up(home, tmp_path / "backups", quiet).path
    erase("second@shop.test")
    done = restore(archive, home, quiet, published_mode=MODE, force=True)
    assert done.newer_tombstones == 1
    stones = Tombstones.read(home)
    assert stones.of_email("first@shop.test")
    assert stones.of_email("second@shop.test")


def test_tombstones_of_another_installation_are_not_thrown_away(home: Home, tmp_path: Path) -> None:
    with Tombstones.changing(home) as tombstones:
        tombstones.add(tombstones.name("a@shop.test"), ["a@shop.test"], [], NOW)
    archive = back_up(home, tmp_path / "backups", quiet).path
    other = Home(tmp_path / "other")
    fill(other, "new")
    with Tombstones.changing(other) as tombstones:
        tombstones.add(tombstones.name("b@shop.test"), ["b@shop.test"], [], NOW)
    with pytest.raises(LoyaltyError, match="two installations"):
        put_back(archive, other, force=True)
    assert names(other) == {"new"}


def test_a_full_disk_is_told_and_leaves_nothing(home: Home, tmp_path: Path) -> None:
    fill(home, "old", ROWS)
    folder = tmp_path / "backups"
    earlier = back_up(home, folder, quiet).path
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(LoyaltyError, match="does not take the backup"):
            back_up(home, folder, quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in folder.iterdir()] == [earlier.name]


def test_a_backup_inside_the_home_or_of_nothing_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(LoyaltyError, match="another disk"):
        back_up(home, home.root / "backups", quiet)
    empty = Home(tmp_path / "empty")
    empty.prepare()
    with pytest.raises(LoyaltyError, match="nothing to back up"):
        back_up(empty, tmp_path / "backups", quiet)


def child(script: str, *arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 9, -signal.SIGKILL), done.stderr
    return done.returncode


def test_a_backup_killed_at_any_moment_leaves_no_half_archive(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for moment in range(0, 60, 7):
        code = child(BACK_UP, home.root, folder, moment)
        for archive in archives(folder):  # also one that got its name just before the kill
            check(archive, tmp_path / f"unpacked-{moment}", quiet)
            archive.unlink()
        if code == 0:
            break
    else:
        pytest.fail("no backup came to its end")
    back_up(home, folder, quiet)
    assert [path for path in folder.iterdir() if not NAME.fullmatch(path.name)] == []


def test_a_restore_killed_at_any_rename_is_refused_by_others_and_repeated(
    home: Home, tmp_path: Path
) -> None:
    archive = back_up(home, tmp_path / "backups", quiet).path
    for moment in range(0, 100, 4):
        fill(home, "new")
        with Tombstones.changing(home) as tombstones:
            tombstones.add(tombstones.name("a@shop.test"), ["a@shop.test"], [], NOW)
        code = child(PUT, archive, home.root, moment)
        if code == 0:
            break
        with pytest.raises(ConfigurationError, match="loyalty restore"):
            home.prepare()
        aside = put_back(archive, home)
        assert names(home) == {"old"}
        assert Tombstones.read(home).of_email("a@shop.test"), "an erasure was forgotten"
        assert aside is not None
        assert names(Home(aside)) == {"new"}
        for leftover in home.root.glob("replaced-*"):
            leftover.rename(tmp_path / f"{leftover.name}-{moment}")
    else:
        pytest.fail("no restore came to its end")
    assert moment > 8, "the restore was never interrupted"
