"""Erasing one person from a DuckDB file: by key, by way of others, by mention; and nothing more."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.erasure_tables import Person, erase, find_left
from reverse_etl.file_rewrite import rewriting

GONE = "ada@shop.dev"
PERSON = Person(frozenset({GONE}), frozenset({("smile", "7"), ("yotpo", GONE)}))
TABLES = """
    create schema raw_smile; create schema raw_smile_staging; create schema marts;
    create schema snapshots; create schema sync;
    create table raw_smile.customers as from (values
        ('smile', '7', ' ADA@shop.dev'), ('smile', '8', 'bo@shop.dev')) as t(program, id, email);
    create table raw_smile_staging.customers as from raw_smile.customers;
    create table raw_smile.points_transactions as from (values
        ('smile', '7', '8', 'thanks, Ada@shop.dev'), ('smile', '9', '7', 'hers'),
        ('smile', '10', '8', 'nada@shop.dev')) as t(program, id, customer_id, description);
    create table raw_smile.quarantine as select col0 as program, col1 as resource,
        col2 as record_id, col3::json as payload from (values
        ('smile', 'customers', '7', '{}'), ('smile', 'points_products', '7', '{}'),
        ('smile', 'points_transactions', '1', '{"customer_id": 7}'),
        ('smile', 'customers', '8', '{"friend": "ADA@shop.dev"}'));
    create table marts.fct_referrals as from (values
        ('yotpo', 'r1', 'bo@shop.dev', 'ada@shop.dev'),
        ('yotpo', 'r2', 'bo@shop.dev', 'cy@shop.dev'))
        as t(program, referral_id, referrer_member_id, friend_email);
    create table snapshots.yotpo_referrals as from (values
        ('yotpo', 'r1'), ('yotpo', 'r2')) as t(program, referral_id);
    create table marts.details as select 'yotpo' as program, 'bo@shop.dev' as member_id,
        '{"friends": [{"email": "ada@shop.dev", "name": "Ada"}, {"email": "cy@shop.dev"}]}'::json
        as link;
    create table sync.conflicts as from (values
        ('smile', 'bo@shop.dev', '8', '7'), ('smile', 'bo@shop.dev', '8', '9'))
        as t(program, email, member_id, speaker_member_id);
    create table marts.other_program as from (values
        ('other', '7')) as t(program, member_id);
    create view marts.everybody as select * from raw_smile.customers;
"""


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection


def test_the_search_names_every_table_before_and_none_after(
    db: duckdb.DuckDBPyConnection,
) -> None:
    assert set(find_left(db, PERSON)) == {
        "marts.details",
        "marts.fct_referrals",
        "raw_smile.customers",
        "raw_smile.points_transactions",
        "raw_smile.quarantine",
        "raw_smile_staging.customers",
        "sync.conflicts",
    }
    erase(db, PERSON)
    assert find_left(db, PERSON) == []


def test_rows_of_others_stay_without_the_mention(db: duckdb.DuckDBPyConnection) -> None:
    gone = erase(db, PERSON)
    assert gone["raw_smile.points_transactions"] == 2
    assert db.execute("select id, description from raw_smile.points_transactions").fetchall() == [
        ("7", "thanks, (erased)"),
        ("10", "nada@shop.dev"),
    ]
    assert db.execute("select link from marts.details").fetchall() == [
        ('{"friends":[{"email":"cy@shop.dev"}]}',)
    ]
    assert db.execute("select resource from raw_smile.quarantine").fetchall() == [
        ("points_products",)
    ]
    assert db.execute("select speaker_member_id from sync.conflicts").fetchall() == [("9",)]


def test_history_that_knows_a_referral_by_its_id_alone_loses_it(
    db: duckdb.DuckDBPyConnection,
) -> None:
    erase(db, PERSON)
    assert db.execute("select referral_id from snapshots.yotpo_referrals").fetchall() == [("r2",)]


def test_the_same_id_in_another_programme_is_somebody_else(db: duckdb.DuckDBPyConnection) -> None:
    assert "marts.other_program" not in erase(db, PERSON)


def test_a_text_in_a_list_is_found_though_it_cannot_be_repaired(
    db: duckdb.DuckDBPyConnection,
) -> None:
    db.execute("create table marts.lists as select ['x', 'to ada@shop.dev'] as texts")
    erase(db, PERSON)
    assert find_left(db, PERSON) == ["marts.lists"]


def test_a_rewritten_file_holds_no_byte_of_the_deleted_and_all_else(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(TABLES)
        connection.execute("comment on table marts.details is 'What it is.'")
    assert GONE.encode() in file.read_bytes().lower()
    with rewriting(file) as connection:
        erase(connection, PERSON)
    content = file.read_bytes().lower().replace(b"nada@shop.dev", b"")
    assert GONE.encode() not in content
    assert [each.name for each in tmp_path.iterdir()] == ["w.duckdb"]
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("select id from marts.everybody").fetchall() == [("8",)]
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = 'details'"
        ).fetchall() == [("What it is.",)]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "w.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table t as select 1 as n")
    before = file.read_bytes()
    with pytest.raises(duckdb.CatalogException), rewriting(file) as connection:
        connection.execute("delete from t; delete from nowhere")
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["w.duckdb"]
