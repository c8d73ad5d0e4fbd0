"""The same rows give the same tables, in whatever order they lie; a later clock moves the calendar.

What a later clock may change is declared here, with the reason. Anything else that differs reads a
clock that it should not read. Three builds in all: usual, shuffled, later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest

from tests.dbt.deliveries import fill_deliveries
from tests.dbt.shop import fill_shop
from tests.dbt.warehouse import NOW, Warehouse

pytestmark = pytest.mark.timeout(900)  # whoever asks first waits for two builds
LATER = "2026-12-31 06:00:00"
COUPON = {
    "loyalty_unused_coupons_count",
    "loyalty_unused_coupon_code",
    "loyalty_unused_coupon_expires_at",
}
# A coupon expires, a tier or a lot is some days from its end, a segment is left: columns that count
# from today. All others are the same.
TODAY = {
    "activation.sync_klaviyo__profiles": {*COUPON, "loyalty_segments", "loyalty_synced_at"},
    "activation.sync_rule__subscribers": {*COUPON, "loyalty_segments", "loyalty_synced_at", "tags"},
    "marts.fct_coupons": {"status"},
    "marts.fct_member_tiers": {"days_to_tier_end"},
    "marts.fct_points_expirations": {"days_to_expiry"},
    "marts.fct_points_lots": {"age_days"},
    "marts.hub_cards": {"coupon_count", "coupons"},
}
# Tables by day or month run until today: periods that were over at the earlier clock stay as they
# were. The share of one-and-done is told only when a month is some time past.
PERIODS = {
    "activation.sync_klaviyo__events": "occurred_at",
    "activation.sync_rule__events": "occurred_at",
    "marts.fct_loyalty_events": "occurred_at",
    "marts.kpi_cohort_retention_monthly": "month_on",
    "marts.kpi_coupons_daily": "day_on",
    "marts.kpi_members_monthly": "month_on",
    "marts.kpi_points_daily": "day_on",
    "marts.kpi_points_liability_daily": "day_on",
    "marts.kpi_points_monthly": "month_on",
    "marts.kpi_tier_migration_monthly": "month_on",
    "marts.kpi_tiers_daily": "day_on",
}
LATE_TRUTHS = {"marts.kpi_members_monthly": {"one_and_done_count", "one_and_done_rate"}}
# Where only the id tells two records apart, a model that sorts by less than the id goes by luck.
TIES = {
    **dict.fromkeys(
        (
            "raw_smile.customers",
            "raw_smile.earning_rules",
            "raw_smile.points_products",
            "raw_smile.points_transactions",
            "raw_smile.reward_fulfillments",
            "raw_smile.vip_tiers",
            "raw_yotpo.campaigns",
            "raw_yotpo.redemption_options",
        ),
        "id",
    ),
    "raw_yotpo.history_items": "history_item_id",
}
# A window that begins today, segments, whose history begins with the first build, and nudges, which
# are watched until today.
WHOLLY = {
    "marts.fct_nudges",
    "marts.kpi_nudge_effects_monthly",
    "marts.kpi_points_expiring_daily",
    "marts.fct_member_segments",
    "marts.kpi_segment_sizes_daily",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Warehouse]:
    made: dict[str, Warehouse] = {}

    def get(name: str) -> Warehouse:
        if name not in made:
            warehouse = Warehouse(tmp_path_factory.mktemp(name))
            fill_shop(warehouse)
            fill_deliveries(warehouse)
            add_ties(warehouse)
            if name == "shuffled":
                shuffle(warehouse)
            warehouse.build(now=LATER if name == "later" else NOW)
            made[name] = warehouse
        return made[name]

    return get


def add_ties(warehouse: Warehouse) -> None:
    """Each record once more under another id: same e-mail, balance, price, moment and expiry."""
    for table, key in TIES.items():
        warehouse.execute(
            f"insert into {table} select * replace ({key} || '0' as {key}) from {table} "
            f"where {key} is not null"
        )


def shuffle(warehouse: Warehouse) -> None:
    """Every table that dbt reads, in another order of rows."""
    for row in warehouse.rows("select schema_name, table_name from duckdb_tables()"):
        table = f'{row["schema_name"]}."{row["table_name"]}"'
        warehouse.execute(
            f"create or replace table {table} as select * from {table} order by hash(rowid) desc"
        )


@pytest.fixture
def compare(
    built: Callable[[str], Warehouse],
) -> Iterator[Callable[[str], duckdb.DuckDBPyConnection]]:
    """A connection with the usual build as `one` and the named build as `other`."""
    with duckdb.connect() as connection:

        def attach(name: str) -> duckdb.DuckDBPyConnection:
            for alias, each in (("one", "usual"), ("other", name)):
                connection.execute(f"attach '{built(each).path}' as {alias} (read_only)")
            return connection

        yield attach


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What readers see."""
    found = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'one' "
        "and schema_name in ('marts', 'activation', 'sync') order by all"
    ).fetchall()
    assert len(found) > 40
    return [table for (table,) in found]


def differs(connection: duckdb.DuckDBPyConnection, table: str, rows: str = "select *") -> bool:
    """Whether the two builds have other rows; `rows` says which part of each is meant."""
    query, _, where = rows.partition(" where ")
    one, other = (
        f"({query} from {name}.{table} {f'where {where}' if where else ''})"
        for name in ("one", "other")
    )
    found = connection.execute(
        f"({one} except all {other}) union all ({other} except all {one}) limit 1"
    )
    return bool(found.fetchall())


def but(columns: set[str]) -> str:
    """All columns without these."""
    return f"select * exclude ({', '.join(sorted(columns))})" if columns else "select *"


@pytest.mark.slow
def test_the_order_of_rows_changes_nothing(
    compare: Callable[[str], duckdb.DuckDBPyConnection],
) -> None:
    connection = compare("shuffled")
    assert [table for table in tables(connection) if differs(connection, table)] == []


@pytest.mark.slow
def test_another_day_changes_what_the_calendar_changes_and_nothing_else(
    compare: Callable[[str], duckdb.DuckDBPyConnection],
) -> None:
    connection = compare("later")
    changed = {table for table in tables(connection) if differs(connection, table)}
    assert changed == {*TODAY, *PERIODS, *WHOLLY}


@pytest.mark.slow
@pytest.mark.parametrize("table", TODAY)
def test_another_day_changes_only_the_columns_that_count_from_today(
    table: str, compare: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    connection = compare("later")
    assert not differs(connection, table, but(TODAY[table]))
    silent = {each for each in TODAY[table] if not differs(connection, table, f"select {each}")}
    assert silent == set(), "no longer of the calendar: take it off the list"


@pytest.mark.slow
@pytest.mark.parametrize("table", PERIODS)
def test_another_day_leaves_the_past_as_it_was(
    table: str, compare: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    connection = compare("later")
    column = PERIODS[table]
    over = "date '2026-11-01'" if column == "month_on" else f"cast('{NOW}' as date)"
    columns = but(LATE_TRUTHS.get(table, set()))
    assert not differs(connection, table, f"{columns} where {column} < {over}")
