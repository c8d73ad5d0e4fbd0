"""The pictures of the UI: of the published rows, and words where there is nothing to draw."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration import plots

PNG = b"\x89PNG\r\n\x1a\n"
STATES = ("planned", "accepted", "rejected", "invalid", "aborted", "waiting")
Draw = Callable[[Path], str]
DRAWINGS: dict[str, Draw] = {
    "points": plots.points_by_day,
    "rewards": plots.rewards_in_reach,
    "profiles": lambda file: plots.profiles_by_day(file, "klaviyo"),
}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The three tables that are drawn, without a row."""
    file = tmp_path / "loyalty.duckdb"
    counts = ", ".join(f"{state}_count bigint" for state in STATES)
    with duckdb.connect(str(file)) as db:
        db.execute("create schema marts")
        db.execute(
            "create table marts.kpi_points_daily (program varchar, day_on date, "
            "earned_points bigint, redeemed_points bigint, expired_points bigint)"
        )
        db.execute(
            "create table marts.fct_member_rewards (program varchar, eligible_reward_count bigint)"
        )
        db.execute(
            "create table marts.kpi_sync_profiles_daily "
            f"(day_on date, destination varchar, {counts})"
        )
    return file


def fill(file: Path, rejected: int = 0) -> None:
    with duckdb.connect(str(file)) as db:
        db.execute(
            "insert into marts.kpi_points_daily "
            "select 'smile', date '2026-08-01' + range::integer, 100 + range, range, 0 "
            "from range(112)"
        )
        db.execute(
            "insert into marts.fct_member_rewards "
            "select program, range % 12 from range(60), (values ('smile'), ('yotpo')) as _(program)"
        )
        db.execute(
            "insert into marts.kpi_sync_profiles_daily values "
            f"('2026-11-20', 'klaviyo', 10, 10, 0, 0, 0, 0), "
            f"('2026-11-21', 'klaviyo', 12, {12 - rejected}, {rejected}, 0, 0, 0), "
            "('2026-11-21', 'rule', 5, 5, 0, 0, 0, 0)"
        )


def picture(markdown: str) -> bytes:
    found = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found, markdown[:80]
    return base64.b64decode(found[1])


@pytest.mark.parametrize("name", DRAWINGS)
def test_rows_become_a_picture_that_fits_into_an_event(name: str, published: Path) -> None:
    fill(published)
    drawn = picture(DRAWINGS[name](published))
    assert drawn.startswith(PNG)
    assert 2_000 < len(drawn) < 100_000


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_row_becomes_words(name: str, published: Path) -> None:
    assert DRAWINGS[name](published).endswith(": nothing yet.")


def test_refused_people_change_the_picture_and_other_destinations_do_not(
    published: Path, tmp_path: Path
) -> None:
    fill(published)
    calm = plots.profiles_by_day(published, "klaviyo")
    with duckdb.connect(str(published)) as db:
        db.execute("delete from marts.kpi_sync_profiles_daily where destination = 'rule'")
    assert plots.profiles_by_day(published, "klaviyo") == calm
    with duckdb.connect(str(published)) as db:
        db.execute("truncate marts.kpi_sync_profiles_daily")
    fill(published, rejected=4)
    assert plots.profiles_by_day(published, "klaviyo") != calm
