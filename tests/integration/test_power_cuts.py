"""Power cuts: kill -9 of everything at twenty random moments of a refresh.

After each, the published file is whole: yesterday's tables or today's, never a mixture. After the
last, one run without a cut ends where a shop that had light all the time does. `make soak` runs it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from sandbox.config import SandboxConfig
from sandbox.server import running
from tests.integration.conftest import ROOT, VENDOR_PREFIXES, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(5_400)]

CUTS = 20
CUSTOMERS = 1_000  # so many that something happens every day
SEED = 20261122


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop after its first run."""
    with running(SandboxConfig(customers=CUSTOMERS, limits_scale=200)) as sandbox:
        opened = open_shop(tmp_path_factory.mktemp("cuts") / "home", sandbox)
        opened.loyalty("run")
        yield opened


def start(shop: Shop, output: Path) -> "subprocess.Popen[bytes]":
    """`loyalty run` in a group of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(VENDOR_PREFIXES)}
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.app", "run"],
            env={**clean, **shop.settings},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def cut(process: "subprocess.Popen[bytes]", home: Path) -> None:
    """kill -9 of the command and of every process that works on this home."""
    with_home = [process.pid]
    for each in psutil.process_iter():
        try:
            if each.environ().get("LOYALTY_HOME") == str(home) and each.pid != os.getpid():
                with_home.append(each.pid)
        except psutil.Error:
            continue
    for pid in with_home:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(60)


def published(shop: Shop) -> tuple[Any, ...]:
    """The day that the published tables are of; every table is read to its end."""
    file = shop.home / "published" / "loyalty.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        assert len(tables) > 40
        for schema, table in tables:
            connection.execute(f'from "{schema}"."{table}"').fetchall()
        points = "select program, sum(points_balance), count(*) from marts.dim_members group by all"
        summary = (
            "select m.program, count(*), sum(r.points_balance) from marts.fct_member_rewards as r "
            "join marts.dim_members as m using (program, member_id) "
            "where r.points_balance is distinct from m.points_balance group by all"
        )
        assert connection.execute(summary).fetchall() == []  # all tables are of one build
        return tuple(sorted(connection.execute(points).fetchall()))


def held(shop: Shop) -> dict[str, dict[str, Any]]:
    entries = shop.sandbox.control.call("GET", "/klaviyo/profiles")
    return {entry["email"]: entry["properties"] for entry in entries}


def test_twenty_power_cuts_leave_whole_tables_and_the_next_start_repairs_the_rest(
    shop: Shop, tmp_path: Path
) -> None:
    dice = random.Random(SEED)  # noqa: S311 -- moments to cut at
    shop.day_passes()
    began = time.monotonic()
    shop.loyalty("run")
    usual = time.monotonic() - began
    seen = {published(shop)}
    cuts = 0
    for turn in range(2 * CUTS):
        if turn % 4 == 0:
            assert any(shop.day_passes().values())
        process = start(shop, tmp_path / "cut.out")
        began = time.monotonic()
        try:
            process.wait(dice.uniform(0.05, 1.0) * usual)
            usual = time.monotonic() - began  # the machine has less to do than before
        except subprocess.TimeoutExpired:
            cuts += 1
        cut(process, shop.home)
        seen.add(published(shop))
        if cuts == CUTS:
            break
    assert cuts == CUTS, f"only {cuts} runs were still going on at their cut"
    shop.loyalty("run")
    assert len(seen | {published(shop)}) > 1, "no day's tables ever arrived"

    wanted = dict(
        shop.ask(
            "select email, loyalty_points_balance from activation.sync_klaviyo__profiles "
            "where may_create_profile"
        )
    )
    profiles = held(shop)
    assert wanted
    assert {email: profiles[email].get("Loyalty Points Balance") for email in wanted} == wanted
    states = shop.ask("select distinct state from sync.profiles where state <> 'accepted'")
    assert states == []
    shop.sandbox.control.reset_requests()
    shop.loyalty("run")
    assert shop.writes() == 0


def test_a_shop_that_had_light_all_the_time_has_the_same_tables(shop: Shop, tmp_path: Path) -> None:
    calm = Shop(
        home=tmp_path / "calm",
        sandbox=shop.sandbox,
        settings={**shop.settings, "LOYALTY_HOME": str(tmp_path / "calm")},
    )
    for command in ("extract", "build", "publish"):
        calm.loyalty(command)
    for table, columns in {
        "marts.dim_members": "program, member_id, membership, points_balance, tier_name, email",
        "marts.fct_reward_eligibility": "program, member_id, reward_id, is_eligible, points_needed",
        "marts.fct_points_transactions": "program, transaction_id, points_change",
        "activation.sync_klaviyo__profiles": "email, loyalty_points_balance, loyalty_tier_name",
    }.items():
        query = f"select {columns} from {table} order by all"
        assert calm.ask(query) == shop.ask(query), table
