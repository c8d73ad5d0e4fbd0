"""Write, audit, publish: whole or not at all, and never in anybody's way."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.dictionary import Entry
from orchestration.home import Home
from orchestration.publish import DeliveryModel, Described, publish, publish_deliveries
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.results import OPERATIONS, OperationCounts
from vendor_http import LoyaltyError

DESCRIBED = {
    ("marts", "dim_members"): Described(
        "One row per member.", {"first_name": "It's the given name.", "gone": "No such column."}
    )
}
# As dbt compiles them: tables carry the warehouse's name, the second reads the first.
DELIVERIES = (
    DeliveryModel(
        "marts",
        "kpi_runs",
        """
with runs as (
    select destination, count(*) as run_count
    from "warehouse"."sync"."runs"
    group by destination
)

select run_count, destination from runs
""",
    ),
    DeliveryModel(
        "marts", "kpi_total", 'select sum(run_count) as total from "warehouse"."marts"."kpi_runs"'
    ),
)
OLDEST_CLIENT = Path(sys.prefix) / "oldest_client"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    build(home, "first")
    return home


def build(home: Home, name: str) -> None:
    """A warehouse as a good build leaves it."""
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(
            f"""
            create schema marts;
            create schema activation;
            create schema staging;
            create table marts.dim_members as
                select 'smile' as program, '1' as member_id, '{name}' as first_name,
                    1.5::decimal(5, 4) as ratio, ['a'] as names, '{{}}'::json as thresholds;
            create table activation.sync_klaviyo__profiles as select 'a@mail.dev' as email;
            create table staging.stg_smile__customers as select 1 as secret;
            """
        )


def ask(home: Home, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.published), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_readers_find_the_audited_schemas_and_nothing_else(home: Home) -> None:
    published = publish(home, DESCRIBED)
    assert published.rows["marts.dim_members"] == 1
    schemas = {
        schema for (schema,) in ask(home, "select distinct schema_name from duckdb_tables()")
    }
    assert schemas == {"marts", "activation", "sync"}


def test_what_is_said_to_be_published_is_what_a_reader_counts(home: Home) -> None:
    published = publish(home, DESCRIBED)
    tables = ask(home, "select schema_name || '.' || table_name from duckdb_tables()")
    assert set(published.rows) == {str(name) for (name,) in tables}
    assert published.rows["sync.runs"] == 0


def test_the_record_of_deliveries_is_there_before_anything_was_sent(home: Home) -> None:
    publish(home, DESCRIBED)
    for table in ("runs", "profiles", "rejections"):
        assert ask(home, f"select count(*) from sync.{table}") == [(0,)]


def test_models_over_the_deliveries_are_of_this_sync_and_not_of_the_build(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as connection:
        Ledger(home.ledger).export(connection)  # as before each build: what dbt read is not copied
        connection.execute(
            "create table marts.kpi_runs (destination varchar, run_count smallint);"
            "create table marts.kpi_total (total bigint);"
            "insert into marts.kpi_runs values ('old', 9)"
        )
    words = {("marts", "kpi_runs"): Described("One row per destination.", {})}
    publish(home, words, DELIVERIES)
    with duckdb.connect(str(home.audited), read_only=True) as audited:
        copied = audited.execute(
            "select table_name from duckdb_tables() where schema_name = 'sync'"
        )
        assert copied.fetchall() == []
    assert ask(home, "from marts.kpi_runs") == []

    counts = {name: OperationCounts() for name in OPERATIONS}
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    Ledger(home.ledger).start_run(Scope("rule", "subscribers"), "r1", moment, counts)
    publish_deliveries(home)
    assert ask(home, "from marts.kpi_runs") == [("rule", 3)]
    assert ask(home, "from marts.kpi_total") == [(3,)]
    assert ask(home, "select comment from duckdb_tables() where table_name = 'kpi_runs'") == [
        ("One row per destination.",)
    ]
    kept = "select data_type from duckdb_columns() where column_name = 'run_count'"
    assert ask(home, kept) == [("SMALLINT",)]
    assert ask(home, "select table_name from duckdb_tables() where schema_name = 'main'") == []


def test_a_model_that_was_never_built_is_left_out(home: Home) -> None:
    publish(home, {}, DELIVERIES)
    assert ask(home, "select 1 from duckdb_tables() where table_name = 'kpi_runs'") == []


def test_the_dictionary_can_be_queried_where_the_properties_are(home: Home) -> None:
    entry = Entry(
        *("klaviyo", "profiles", "Loyalty Tier Name", "loyalty_tier_name", "string", "common"),
        meaning="Present tier; it's none without one.",
        example="Gold",
        changes="when a tier is reached",
    )
    published = publish(home, {}, dictionary=[entry])
    assert published.rows["activation.dictionary"] == 1
    publish_deliveries(home)
    rows = ask(home, "select property, example from activation.dictionary")
    assert rows == [("Loyalty Tier Name", "Gold")]
    silent = "select 1 from duckdb_columns() where table_name = 'dictionary' and comment is null"
    assert ask(home, silent) == []


def test_descriptions_travel_with_the_tables(home: Home) -> None:
    publish(home, DESCRIBED)
    assert ask(home, "select comment from duckdb_tables() where table_name = 'dim_members'") == [
        ("One row per member.",)
    ]
    assert ask(home, "select comment from duckdb_columns() where column_name = 'first_name'") == [
        ("It's the given name.",)
    ]


def test_a_reader_keeps_the_old_tables_until_it_connects_again(home: Home) -> None:
    publish(home, DESCRIBED)
    with duckdb.connect(str(home.published), read_only=True) as reader:
        build(home, "second")
        publish(home, DESCRIBED)
        assert reader.execute("select first_name from marts.dim_members").fetchall() == [("first",)]
    assert ask(home, "select first_name from marts.dim_members") == [("second",)]


def test_somebodys_writing_shell_on_the_published_file_stops_nothing(home: Home) -> None:
    publish(home, DESCRIBED)
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.published)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "open\n"
        build(home, "second")
        publish(home, DESCRIBED)
        publish_deliveries(home)
        shell.communicate("\n", timeout=30)
    assert ask(home, "select first_name from marts.dim_members") == [("second",)]


def test_a_publication_that_fails_leaves_the_old_file_and_no_litter(home: Home) -> None:
    publish(home, DESCRIBED)
    home.warehouse.unlink()
    with pytest.raises(LoyaltyError, match="run `loyalty build` first"):
        publish(home, DESCRIBED)
    assert ask(home, "select first_name from marts.dim_members") == [("first",)]
    assert [file.name for file in home.published.parent.iterdir()] == ["loyalty.duckdb"]
    assert not list(home.root.glob(".*.new*"))


def test_a_warehouse_without_marts_is_not_published(home: Home) -> None:
    publish(home, DESCRIBED)
    home.warehouse.unlink()
    duckdb.connect(str(home.warehouse)).close()
    with pytest.raises(LoyaltyError, match="no marts yet"):
        publish(home, DESCRIBED)
    assert ask(home, "select first_name from marts.dim_members") == [("first",)]


def test_nothing_published_yet_names_the_command_that_does(home: Home) -> None:
    with pytest.raises(LoyaltyError, match="loyalty publish"):
        publish_deliveries(home)


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="DuckDB 1.3 was never built for this Python"
)
def test_the_oldest_promised_client_reads_the_published_file(home: Home) -> None:
    assert OLDEST_CLIENT.exists(), "DuckDB 1.3 is missing; `make test` installs it"
    publish(home, DESCRIBED)
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(duckdb.__version__, c.execute('select first_name, ratio, names from"
        " marts.dim_members').fetchone(), c.execute('select count(*) from sync.runs').fetchone())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(home.published)],
        env={"PYTHONPATH": str(OLDEST_CLIENT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1.3.2 ('first', Decimal('1.5000'), ['a']) (0,)")
