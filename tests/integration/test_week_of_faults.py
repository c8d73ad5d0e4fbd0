"""Seven days in the sandbox, a fault each night by plan, and nobody there to help.

Ends with the right tables, the right profiles at both vendors, and one alert per incident with its
recovery. No step is done by hand: each night is `loyalty run` and `loyalty alerts check`, as the
schedule and the sensor do them.
"""

import os
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
from tests.alert_servers import Hook, listening_hook
from tests.integration.conftest import ROOT, VENDOR_PREFIXES, Shop, open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
CUSTOMERS = 1_000  # so many that something happens every day
# Night → (vendor, trouble ordered for all of it, steps that fail).
NIGHTS: dict[int, tuple[str, dict[str, Any], list[str]]] = {
    1: ("smile", {"error": {"status": 503}}, ["examine_smile"]),
    2: ("yotpo", {"error": {"status": 502, "every": 7}}, []),
    # A refused key: nothing is delivered until somebody corrects it.
    3: ("klaviyo", {"error": {"status": 401}}, ["klaviyo__profiles"]),
    4: ("rule", {"error": {"status": 429, "retry_after": "1", "next": 3}}, []),
    5: ("yotpo", {"error": {"status": 500}}, ["examine_yotpo"]),
    6: ("smile", {}, ["run_of_refresh_loyalty_job"]),  # the whole run is killed
    7: ("klaviyo", {"error": {"status": 503, "every": 6}}, []),
}
SHOWN = "program, member_id, email, membership, points_balance, tier_name, is_deleted"


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with listening_hook() as opened:
        yield opened


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[Shop]:
    """The shop after its week."""
    with running(SandboxConfig(customers=CUSTOMERS, limits_scale=200)) as sandbox:
        shop = open_shop(tmp_path_factory.mktemp("week") / "home", sandbox)
        shop.settings["LOYALTY_ALERT_WEBHOOK"] = hook.address
        shop.settings["LOYALTY_LEAST_DISK_GIB"] = "0"
        shop.loyalty("run")
        shop.loyalty("alerts", "check")
        for night, (vendor, trouble, fails) in NIGHTS.items():
            assert any(shop.day_passes().values()), f"nothing to tell on day {night}"
            sandbox.control.faults(vendor, **trouble)
            told = len(hook.texts)
            if night == 6:
                kill_in_the_middle(shop)
            else:
                done = shop.loyalty("run", check=False)
                assert bool(done.returncode) == bool(fails), f"night {night}: {done.stderr}"
            sandbox.control.faults(vendor)
            shop.loyalty("alerts", "check")
            shop.loyalty("alerts", "check")
            began = [text for text in hook.texts[told:] if "Alert:" in text.splitlines()[0]]
            assert len(began) == len(fails), f"night {night}: {began}"
        yield shop


def kill_in_the_middle(shop: Shop) -> None:
    """kill -9 of the command and of all its children once the build has begun."""
    log = shop.home / "out.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.app", "run"],
            env={**clean_environment(), **shop.settings},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + 1200
    while "Build and test …" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the build never began"
        time.sleep(0.05)
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.send_signal(signal.SIGKILL)
    process.wait()


def what(text: str) -> str:
    """What a message is about."""
    return text.splitlines()[1].partition(": ")[2]


def clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(VENDOR_PREFIXES)}


def test_one_alert_per_incident_and_its_recovery(week: Shop, hook: Hook) -> None:
    began = [what(text) for text in hook.texts if "Alert:" in text]
    over = [what(text) for text in hook.texts if "Over:" in text]
    assert len(began) == sum(len(fails) for *_, fails in NIGHTS.values())
    assert sorted(began) == sorted(over)
    assert "no incident is open" in week.loyalty("alerts").stdout
    people = {email for (email,) in week.ask("select email from marts.dim_members") if email}
    assert not [text for text in hook.texts for email in people if email in text]


def test_the_tables_are_those_of_an_installation_that_had_no_week(
    week: Shop, tmp_path: Path
) -> None:
    fresh = Shop(tmp_path / "home", week.sandbox, {**week.settings})
    fresh.settings["LOYALTY_HOME"] = str(fresh.home)
    for part in ("extract", "build", "publish"):
        fresh.loyalty(part)
    with duckdb.connect() as db:
        for name, shop in (("week", week), ("fresh", fresh)):
            db.execute(f"attach '{shop.home}/published/loyalty.duckdb' as {name} (read_only)")
        for table, columns in {
            "dim_members": SHOWN,
            "fct_points_transactions": "program, transaction_id, member_id, points_change",
            "fct_member_rewards": "program, member_id, eligible_reward_count, best_reward_id",
        }.items():
            query = f"select {columns} from {{}}.marts.{table}"
            one, other = query.format("week"), query.format("fresh")
            found = db.execute(f"({one} except {other}) union all ({other} except {one})")
            assert found.fetchall() == [], table


def test_both_vendors_hold_what_the_tables_say_and_nothing_is_left_to_send(week: Shop) -> None:
    control = week.sandbox.control
    wanted = dict(
        week.ask(
            "select email, loyalty_points_balance from activation.sync_klaviyo__profiles "
            "where may_create_profile"
        )
    )
    held = {
        entry["email"]: entry["properties"].get("Loyalty Points Balance")
        for entry in control.call("GET", "/klaviyo/profiles")
    }
    assert {email: held.get(email) for email in wanted} == wanted
    fields = {
        entry["email"]: entry["fields"]["Loyalty"]["PointsBalance"]
        for entry in control.call("GET", "/rule/subscribers")
    }
    assert {email: fields.get(email) for email in wanted} == {
        email: str(balance) for email, balance in wanted.items()
    }
    control.reset_requests()
    week.loyalty("sync")
    assert week.writes() == 0
