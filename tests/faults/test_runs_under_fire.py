"""Runs that are killed, refused, starved of disk, or fed wrong data: no harm, one line, no hang.

The whole product as a command, against the strangers of `strict_vendors`.
"""

import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from strict_vendors.installation import KEYS, Installation, kill_group, settings_for
from strict_vendors.server import serving
from strict_vendors.shop import NOW, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

QUICK = {"YOTPO_REQUESTS_PER_SECOND": "1000"}
NO_SUCH_KEY = "certainly-not-the-key"


def opened(folder: Path, shop: Shop) -> Installation:
    return Installation(folder, shop, {**settings_for(shop), **QUICK})


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation after one undisturbed run; its destinations are not written to again."""
    shop = open_shop()
    shop.yotpo.requests_per_second = 1_000
    with serving(*shop.strangers):
        installed = opened(tmp_path_factory.mktemp("calm") / "home", shop)
        installed.must("run")
        yield installed


@pytest.fixture
def fresh() -> Iterator[Shop]:
    """The same shop with vendors of its own, nothing delivered yet."""
    shop = open_shop()
    shop.yotpo.requests_per_second = 1_000
    with serving(*shop.strangers):
        yield shop


@pytest.fixture
def copy(calm: Installation, fresh: Shop, tmp_path: Path) -> Installation:
    """The calm home, copied, at vendors who know nobody yet; nothing sent."""
    home = tmp_path / "home"
    shutil.copytree(calm.home, home)
    (home / "ledger.duckdb").unlink()
    return opened(home, fresh)


def assert_one_line(shown: str, *expected: str) -> None:
    """The error is one line that says `expected`; no traceback, nobody's address, no key."""
    errors = [line for line in shown.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, shown
    for text in expected:
        assert text in errors[0]
    assert "Traceback" not in shown
    assert "strict-shop.se" not in shown.lower()
    assert not any(key in shown for key in (*KEYS, NO_SUCH_KEY))


# --- wrong keys


def test_a_wrong_key_of_a_source_is_named_and_the_published_tables_stay(
    copy: Installation,
) -> None:
    before = copy.published.read_bytes()
    code, shown = copy.loyalty("extract", "yotpo", YOTPO_API_KEY=NO_SUCH_KEY)
    assert code == 1
    assert_one_line(shown, "YOTPO_GUID and YOTPO_API_KEY")
    assert copy.published.read_bytes() == before


def test_a_wrong_key_of_one_destination_is_named_and_the_other_is_served(
    copy: Installation,
) -> None:
    code, shown = copy.loyalty("sync", KLAVIYO_API_KEY=NO_SUCH_KEY)
    assert code == 1
    assert_one_line(shown, "KLAVIYO_API_KEY")
    assert copy.shop.rule.people.keys() == copy.shop.balances().keys()
    assert copy.ask("select count(*) from marts.dim_members") != [(0,)]
    assert copy.ask("select distinct destination, status from sync.runs order by all") == [
        ("klaviyo", "failed"),
        ("rule", "succeeded"),
    ]


def test_a_whole_run_with_a_wrong_key_says_once_what_to_correct_and_serves_the_rest(
    copy: Installation,
) -> None:
    code, shown = copy.loyalty("run", SMILE_API_KEY=NO_SUCH_KEY)
    assert code == 1
    assert_one_line(shown, "SMILE_API_KEY")
    assert "Dependencies for step" not in shown
    assert copy.shop.rule.people.keys() == copy.shop.balances().keys()
    assert copy.ask("select distinct status from sync.runs") == [("succeeded",)]


def test_doctor_names_every_wrong_key_at_once(copy: Installation) -> None:
    wrong = ("SMILE_API_KEY", "YOTPO_API_KEY", "KLAVIYO_API_KEY", "RULE_API_KEY")
    code, shown = copy.loyalty("doctor", **dict.fromkeys(wrong, NO_SUCH_KEY))
    assert code == 1
    assert all(variable in shown for variable in wrong)
    assert_one_line(shown)


# --- kill -9


def is_fired(condition: Callable[[], bool], process: Any, seconds: float = 1200) -> bool:
    """Wait until `condition`; False when the command ended first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    raise AssertionError("the moment to kill never came")


def test_a_run_killed_again_and_again_ends_where_an_undisturbed_one_does(
    calm: Installation, fresh: Shop, tmp_path: Path
) -> None:
    victim = opened(tmp_path / "home", fresh)
    output = tmp_path / "killed.out"
    fresh.klaviyo.polls_until_complete = 6
    moments: dict[str, Callable[[], bool]] = {
        "while reading members": lambda: len(fresh.yotpo.calls) > 9,
        "while building": lambda: "Build and test …" in output.read_text(),
        "while a job is under way": lambda: any(
            call.method == "GET" and "/profile-bulk-import-jobs/" in call.path
            for call in fresh.klaviyo.calls
        ),
    }
    for moment, has_come in moments.items():
        process = victim.start("run", output=output)
        try:
            assert is_fired(has_come, process), f"{moment}\n{output.read_text()}"
        finally:
            kill_group(process)
    victim.must("run")
    assert without_time(fresh.klaviyo.profiles) == without_time(calm.shop.klaviyo.profiles)
    assert fresh.rule.people == calm.shop.rule.people
    assert fresh.klaviyo.events.stored.keys() == calm.shop.klaviyo.events.stored.keys() != set()
    assert fresh.klaviyo.violations == fresh.rule.violations == []
    assert differences(victim.published, calm.published) == {}
    fresh.klaviyo.forget_calls()
    fresh.rule.forget_calls()
    victim.must("sync")
    assert fresh.klaviyo.writes() == fresh.rule.writes() == []


def without_time(profiles: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        email: {name: value for name, value in values.items() if name != "Loyalty Synced At"}
        for email, values in profiles.items()
    }


def differences(one: Path, other: Path) -> dict[str, int]:
    """Rows of the marts that are in one file only.

    Not those that count what was tried: they tell of the runs that were cut, too.
    """
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{other}' as other (read_only)")
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_catalog = 'one' and table_schema in ('marts', 'activation') "
            "and not starts_with(table_name, 'kpi_sync_')"
        ).fetchall()
        for (table,) in tables:
            count = connection.execute(
                f"""
                select count(*) from (
                    (from one.{table} except all from other.{table})
                    union all
                    (from other.{table} except all from one.{table})
                )
                """
            ).fetchone()
            if count and count[0]:
                found[table] = int(count[0])
    return found


# --- no room, and data that must not get through


def test_a_full_disk_is_one_line_and_the_published_file_is_whole(
    copy: Installation,
) -> None:
    before = copy.published.read_bytes()
    copy.shop.earn("Ida1@Strict-Shop.se", 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))  # children inherit it
    try:
        code, shown = copy.loyalty("run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert_one_line(shown)
    assert copy.published.read_bytes() == before
    assert not list(copy.published.parent.glob(".*.new"))
    assert copy.shop.klaviyo.writes() == copy.shop.rule.writes() == []


def test_a_build_that_fails_publishes_nothing_and_sends_nothing(copy: Installation) -> None:
    before = copy.published.read_bytes()
    with duckdb.connect(str(copy.home / "warehouse.duckdb")) as connection:
        found = connection.execute(
            "select table_schema from information_schema.tables "
            "where table_name = 'reward_catalogue'"
        ).fetchall()
        connection.execute(f"alter table {found[0][0]}.reward_catalogue drop column reward_id")
    copy.shop.earn("Ida1@Strict-Shop.se", 1)
    code, shown = copy.loyalty("run")
    assert code == 1
    assert_one_line(shown, "tests failed", "Nothing was published")
    assert copy.published.read_bytes() == before
    assert copy.shop.klaviyo.writes() == copy.shop.rule.writes() == []


# --- what is left behind


def test_no_address_and_no_key_is_anywhere_but_in_the_data(calm: Installation) -> None:
    later = (NOW + timedelta(days=1)).isoformat()
    calm.must("plan", LOYALTY_NOW=later)
    addresses = re.compile(rb"[\w.]+@strict-shop\.se", re.IGNORECASE)
    leaks = []
    for file in sorted(path for path in calm.home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        name = str(file.relative_to(calm.home))
        leaks += [f"a key in {name}" for key in KEYS if key.encode() in content]
        is_data = file.suffix == ".duckdb" or name.startswith("dlt/")
        if not is_data and addresses.search(content):
            leaks.append(f"an address in {name}")
    assert leaks == []
