"""Tables that lost rows are not published; small and gone are told apart."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.assets.publication import KEY, ROWS_KEPT, publication_asset
from orchestration.context import LoyaltyResource
from orchestration.home import Home
from orchestration.operations.disk import too_full
from orchestration.operations.row_counts import COUNTED, in_words, losses
from orchestration.settings import load_settings

# Dagster reads pydantic's old attribute.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")


@pytest.fixture
def home() -> Home:
    home = Home(load_settings().home)
    home.prepare()
    return home


def fill(file: Path, members: Mapping[str, int], rewards: int = 5) -> None:
    """A file with the counted tables; `members`: programme → members who are there."""
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as db:
        db.execute("create schema marts")
        for table in COUNTED:
            db.execute(
                f"create table marts.{table} "
                "(program varchar, membership varchar, is_deleted boolean)"
            )
        for program, count in members.items():
            db.execute(
                "insert into marts.dim_members select ?, 'member', false from range(?)",
                [program, count],
            )
        db.execute("insert into marts.dim_members select 'smile', 'member', true from range(500)")
        db.execute(
            "insert into marts.dim_rewards select 'smile', null, null from range(?)", [rewards]
        )


def test_nothing_is_lost_before_the_first_publication_and_by_the_same_again(home: Home) -> None:
    fill(home.warehouse, {"smile": 100})
    assert losses(home, 0.3) == []
    fill(home.audited, {"smile": 100})
    assert losses(home, 0.0) == []


def test_a_programme_that_lost_members_is_named_with_both_counts(home: Home) -> None:
    fill(home.audited, {"smile": 100, "yotpo": 100})
    fill(home.warehouse, {"smile": 100, "yotpo": 69})
    (lost,) = losses(home, 0.3)
    assert (lost.table, lost.program, lost.before, lost.after) == ("dim_members", "yotpo", 100, 69)
    assert "marts.dim_members of yotpo has 69 rows, 100 are published" in str(in_words([lost]))
    fill(home.warehouse, {"smile": 100, "yotpo": 70})
    assert losses(home, 0.3) == [], "the limit itself is allowed"
    assert in_words([]) is None


def test_of_a_few_rows_only_the_loss_of_all_counts(home: Home) -> None:
    fill(home.audited, {"smile": 100}, rewards=5)
    fill(home.warehouse, {"smile": 100}, rewards=1)
    assert losses(home, 0.3) == []
    fill(home.warehouse, {"smile": 100}, rewards=0)
    assert [(lost.table, lost.after) for lost in losses(home, 0.3)] == [("dim_rewards", 0)]
    assert losses(home, 1.0) == [], "1 = never mind"


def test_a_red_check_leaves_the_published_file_as_it_was(home: Home) -> None:
    fill(home.audited, {"smile": 100})
    fill(home.warehouse, {"smile": 1})
    home.published.write_bytes(b"yesterday's tables")
    done = dg.materialize(
        [publication_asset([])], resources={"loyalty": LoyaltyResource()}, raise_on_error=False
    )
    assert not done.success
    assert home.published.read_bytes() == b"yesterday's tables"
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.asset_key, check.passed) == (ROWS_KEPT, KEY, False)
    assert not done.get_asset_materialization_events()


def test_a_disk_is_full_below_the_least_and_not_at_it(home: Home) -> None:
    assert too_full(home, 0) is None
    assert "LOYALTY_LEAST_DISK_GIB" in str(too_full(home, 1e9))
