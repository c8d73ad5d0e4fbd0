"""Who on this machine may read what, and that an open reader never meets a publication."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.home import Home
from orchestration.publish import publish, publish_deliveries
from orchestration.settings import load_settings
from orchestration.tombstones import Tombstones
from reverse_etl.ledger import Ledger
from vendor_http import ConfigurationError

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PEOPLE = 2_000
PUBLICATIONS = 12
# An analyst's process: one connection that stays open for all questions, or a new one for each.
# (In one process DuckDB would answer both from the file that was opened first.)
READER = """
import duckdb, select, sys
file, keeps, people = sys.argv[1], sys.argv[2] == "keeps", int(sys.argv[3])
def look(connection):
    return connection.execute(
        "select count(*), count(distinct build), min(build) from marts.dim_members").fetchone()
kept, looked, seen = None, 0, set()
while True:
    connection = kept or duckdb.connect(file, read_only=True)
    rows, builds, build = look(connection)
    other = connection.execute("select count(*) from marts.dim_rewards").fetchone()[0]
    assert (rows, builds, other) == (people, 1, 1), ("half a table", rows, builds, other)
    seen.add(build)
    if keeps: kept = connection
    else: connection.close()
    looked += 1
    if looked == 1: print("open", flush=True)
    if select.select([sys.stdin], [], [], 0)[0]: break
print(looked, len(seen), flush=True)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    build(home, 0)
    return home


def build(home: Home, number: int) -> None:
    """A warehouse as a good build leaves it; each row says which build made it."""
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(
            f"create or replace table marts.dim_members as select {number} as build, i::varchar "
            f"|| '@shop.test' as email from range({PEOPLE}) as t (i)"
        )
        connection.execute("create or replace table marts.dim_rewards as select 1 as reward_id")


def test_everything_but_the_published_file_is_this_users_alone(home: Home) -> None:
    publish(home, {})
    with Tombstones.changing(home) as tombstones:
        tombstones.add(tombstones.name("a@shop.test"), ["a@shop.test"], [], NOW)
    Ledger(home.ledger).export(duckdb.connect())
    for path in home.root.iterdir():
        if path != home.published.parent:
            assert mode(path) & 0o077 == 0, path
    assert mode(home.published) == 0o440
    assert mode(home.published.parent) == 0o750
    assert mode(home.root) == 0o710


@pytest.mark.parametrize(
    ("setting", "file", "folder", "root"),
    [("0400", 0o400, 0o700, 0o700), ("0440", 0o440, 0o750, 0o710), ("444", 0o444, 0o755, 0o711)],
)
def test_the_published_file_is_for_whom_the_setting_says(
    home: Home, monkeypatch: pytest.MonkeyPatch, setting: str, file: int, folder: int, root: int
) -> None:
    monkeypatch.setenv("LOYALTY_PUBLISHED_MODE", setting)
    publish(home, {})
    publish_deliveries(home)
    home.prepare()
    assert [mode(p) for p in (home.published, home.published.parent, home.root)] == [
        file, folder, root,
    ]  # fmt: skip


@pytest.mark.parametrize("setting", ["0640", "0777", "rw-r-----"])
def test_a_published_file_that_somebody_could_write_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("LOYALTY_PUBLISHED_MODE", setting)
    with pytest.raises(ConfigurationError, match="LOYALTY_PUBLISHED_MODE"):
        load_settings()


def test_what_an_earlier_release_left_open_is_closed(home: Home) -> None:
    for path in (home.warehouse, home.dlt, home.root):
        path.chmod(0o777)
    home.prepare()
    assert mode(home.warehouse) == 0o700
    assert mode(home.dlt) == 0o700
    assert mode(home.root) == 0o711


def test_the_inbox_and_what_else_is_written_later_are_private_whatever_the_umask(
    home: Home,
) -> None:
    os.umask(0)
    home.prepare()
    home.inbox("yotpo").mkdir(parents=True)
    assert mode(home.inbox("yotpo")) == 0o700


def test_readers_keep_working_through_any_number_of_publications(home: Home) -> None:
    publish(home, {})
    readers = {
        kind: subprocess.Popen(
            [sys.executable, "-c", READER, str(home.published), kind, str(PEOPLE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in ("keeps", "reopens")
    }
    try:
        for reader in readers.values():
            assert reader.stdout is not None
            assert reader.stdout.readline() == "open\n"
        for number in range(1, PUBLICATIONS + 1):
            build(home, number)
            publish(home, {})
    finally:
        ended = {kind: reader.communicate("\n") for kind, reader in readers.items()}
    assert [complained for _, complained in ended.values()] == ["", ""]
    builds = {kind: int(said.split()[1]) for kind, (said, _) in ended.items()}
    assert builds["keeps"] == 1, "an open reader's tables changed under it"
    assert builds["reopens"] > 1, "a reader that opened the file anew still found the old tables"
    with duckdb.connect(str(home.published), read_only=True) as connection:
        found = connection.execute("select max(build) from marts.dim_members").fetchone()
    assert found == (PUBLICATIONS,)
