"""People of a programme whose data are too old stay as the vendor has them; all others flow."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from reverse_etl_models import NOW, QUICK, ModelVendor, member, publish, spec

from reverse_etl.declarations import SyncSpec
from reverse_etl.engine import sync
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.quarantine import count_set_aside
from reverse_etl.results import SyncResult
from vendor_http import ConfigurationError

SMILE, YOTPO, BOTH = "smile@shop.dev", "yotpo@shop.dev", "both@shop.dev"
PROGRAMS = {SMILE: ["smile"], YOTPO: ["yotpo"], BOTH: ["smile", "yotpo"]}


def put(path: Path, points: int, people: list[str]) -> Path:
    """Publish `people` with a balance, and who is in which programme."""
    publish(path, [member(email, points=points) for email in people])
    with duckdb.connect(str(path)) as db:
        db.execute("create schema marts")
        db.execute(
            "create table marts.dim_members "
            "(program varchar, email varchar, membership varchar, is_deleted boolean)"
        )
        for email in people:
            for program in PROGRAMS[email]:
                db.execute(
                    "insert into marts.dim_members values (?, ?, 'member', false)", [program, email]
                )
    return path


def send(path: Path, ledger: Ledger, vendor: ModelVendor, run_id: str, *held: str) -> SyncResult:
    return sync(path, held_spec(*held), vendor, ledger, NOW, run_id)


def held_spec(*held: str) -> SyncSpec:
    return replace(spec("klaviyo"), people="dim_members", held_programs=frozenset(held))


def balances(vendor: ModelVendor) -> dict[str, int]:
    return {email: held["Loyalty Points Balance"] for email, held in vendor.profiles.items()}


def test_only_people_without_a_row_in_a_stale_programme_are_written(tmp_path: Path) -> None:
    ledger, vendor, everybody = Ledger(tmp_path / "ledger.duckdb"), ModelVendor(), list(PROGRAMS)
    send(put(tmp_path / "first.duckdb", 100, everybody), ledger, vendor, "first")
    second = put(tmp_path / "second.duckdb", 200, everybody)
    result = send(second, ledger, vendor, "second", "smile")
    assert balances(vendor) == {SMILE: 100, YOTPO: 200, BOTH: 100}
    assert result.held_back == 2
    assert result.total("planned") == 1
    assert result.unchanged == 0
    result = send(second, ledger, vendor, "third")
    assert balances(vendor) == {SMILE: 200, YOTPO: 200, BOTH: 200}, "what was held is made up for"
    assert result.held_back == 0


def test_nobody_is_created_or_cleared_while_held_back(tmp_path: Path) -> None:
    ledger, vendor = Ledger(tmp_path / "ledger.duckdb"), ModelVendor()
    send(put(tmp_path / "first.duckdb", 100, [YOTPO]), ledger, vendor, "first", "smile")
    newcomer = put(tmp_path / "second.duckdb", 100, [YOTPO, SMILE])
    assert send(newcomer, ledger, vendor, "second", "smile").held_back == 1
    assert list(vendor.profiles) == [YOTPO]


def test_people_set_aside_are_counted_among_all_that_are_known(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    scope = Scope("klaviyo", "profiles")
    assert count_set_aside(ledger, scope) == (0, 0)
    vendor = ModelVendor(fate=lambda _, row: "refused" if row.email == SMILE else "applied")
    path = put(tmp_path / "file.duckdb", 100, [SMILE, YOTPO])
    settings = replace(QUICK, attempts=1)
    sync(path, held_spec(), vendor, ledger, NOW, "first", settings=settings)
    assert count_set_aside(ledger, scope) == (2, 1)
    assert count_set_aside(ledger, Scope("rule", "subscribers")) == (0, 0)
    result = send(path, ledger, vendor, "second", "smile")
    assert result.held_back == 0, "who is set aside is counted there, and only there"


def test_a_declaration_that_names_no_people_cannot_hold_anybody_back() -> None:
    with pytest.raises(ConfigurationError, match="people"):
        replace(spec("klaviyo"), held_programs=frozenset({"smile"}))
