"""Tombstones: hashes in a private file, and an extraction that brings nobody back."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from loyalty_fakes import NOW, FakeVendors, running_fake

from orchestration.assets.extraction import summary
from orchestration.extract import Extracted, extract
from orchestration.home import Home
from orchestration.programs import Program
from orchestration.settings import load_settings
from orchestration.tombstones import Tombstones

SMILE = Program("smile", "smile")
GONE = "ada@shop.dev"


def customer(number: int, email: str) -> dict[str, Any]:
    return {"id": number, "email": email, "updated_at": "2026-11-01T00:00:00.000Z"}


def earned(number: int, member: int) -> dict[str, Any]:
    return {"id": number, "customer_id": member, "updated_at": "2026-11-01T00:00:00.000Z"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, home: Home) -> Iterator[FakeVendors]:
    with running_fake() as server:
        monkeypatch.setenv("LOYALTY_HOME", str(home.root))
        monkeypatch.setenv("SMILE_API_KEY", "api_secret")
        monkeypatch.setenv("SMILE_BASE_URL", f"{server.base_url}/smile")
        monkeypatch.setenv("SMILE_REQUESTS_PER_SECOND", "100000")
        server.records["/smile/customers"] = [customer(1, "bo@shop.dev"), customer(2, GONE)]
        server.records["/smile/points_transactions"] = [earned(1, 1), earned(2, 2)]
        yield server


def run(home: Home) -> Extracted:
    return extract(SMILE, load_settings(), home, NOW, lambda _: None, reach="full")


def members(home: Home) -> set[str]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        found = connection.execute(
            "select id from raw_smile.customers union "
            "select customer_id from raw_smile.points_transactions"
        ).fetchall()
    return {member for (member,) in found}


def erase(home: Home, email: str, *members: tuple[str, str]) -> None:
    with Tombstones.changing(home) as tombstones:
        tombstones.add(tombstones.name(email), [email], members, NOW)


def test_the_file_is_private_and_holds_no_address(home: Home) -> None:
    erase(home, GONE, ("smile", "4711"))
    file = home.root / "tombstones.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ada@" not in file.read_bytes()
    assert b"4711" not in file.read_bytes()
    assert Tombstones.read(home).of_email(" ADA@shop.dev") is not None
    assert Tombstones.read(home).of_email("bo@shop.dev") is None


def test_another_home_hashes_the_same_address_otherwise(tmp_path: Path) -> None:
    names = {Tombstones.read(Home(tmp_path / name)).name(GONE) for name in "ab"}
    assert len(names) == 2


def test_writing_down_again_adds_and_finishing_lasts(home: Home) -> None:
    erase(home, GONE, ("smile", "1"))
    erase(home, GONE, ("smile", "2"), ("yotpo", GONE))
    with Tombstones.changing(home) as tombstones:
        tombstones.finish(tombstones.name(GONE))
    (stone,) = Tombstones.read(home).stones
    assert stone.is_finished
    assert {program: len(ids) for program, ids in stone.members.items()} == {"smile": 2, "yotpo": 1}


def test_the_next_extraction_leaves_the_erased_out_and_says_so(
    home: Home, fake: FakeVendors
) -> None:
    erase(home, GONE, ("smile", "2"))
    done = run(home)
    assert members(home) == {"1"}
    assert "; 1 erased person left out" in summary(done, "raw_smile")


def test_a_person_who_comes_back_under_a_new_id_stays_out_with_all_that_belongs_to_it(
    home: Home, fake: FakeVendors
) -> None:
    erase(home, GONE, ("smile", "99"))
    assert run(home).erased_people == 1
    assert members(home) == {"1"}
    (stone,) = Tombstones.read(home).stones
    assert len(stone.members["smile"]) == 2
