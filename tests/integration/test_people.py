"""One person's path, and one person's erasure: the tests of this module share one shop.

They tell one story in order: looked at, not erased because a vendor is away, erased although the
command is killed again and again, and never brought back.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from orchestration.home import Home
from orchestration.tombstones import Tombstones
from tests.integration.conftest import ROOT, Shop

pytestmark = pytest.mark.slow  # in short: tests/faults/test_delivery_secrets.py

NOBODY_LISTENS = "http://127.0.0.1:9"
# Ends the process without a word when the erasure says, or does, a certain thing.
KILLED = """
import os, signal, sys
from datetime import datetime
import orchestration.erasure as erasure
import reverse_etl.file_rewrite as file_rewrite
from orchestration.home import Home
from orchestration.settings import load_settings

point, email = sys.argv[1:]

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "half of the warehouse":
    file_rewrite._copy = end
settings = load_settings()
erasure.forget(
    email, settings, Home(settings.home), settings.now,
    lambda said: end() if said == point else None,
)
"""
KILL_POINTS = (
    "clearing at rule",
    "erasing from warehouse",
    "half of the warehouse",
    "erasing from ledger",
    "searching every database for what may be left",
)


@pytest.fixture(scope="module")
def both(shop: Shop) -> str:
    """A member of both programmes whom a friend's referral names as well, where there is one."""
    ((email,),) = shop.ask(
        """
        select email from marts.dim_members
        where membership = 'member' and not is_deleted
        group by email having count(distinct program) = 2
        order by email in (select friend_email from marts.fct_referrals) desc, email limit 1
        """
    )
    return str(email)


@pytest.fixture(scope="module")
def shared(shop: Shop) -> str:
    """An e-mail that two members of one programme have."""
    ((email,),) = shop.ask("select email from sync.conflicts order by email limit 1")
    return str(email)


def klaviyo(shop: Shop) -> dict[str, dict[str, Any]]:
    held = shop.sandbox.control.call("GET", "/klaviyo/profiles")
    return {entry["email"]: entry["properties"] for entry in held}


def rule(shop: Shop) -> dict[str, dict[str, Any]]:
    held = shop.sandbox.control.call("GET", "/rule/subscribers")
    return {entry["email"]: entry for entry in held}


def files_with(home: Path, text: str) -> list[str]:
    """Files under the home in whose bytes a text occurs, in any case."""
    return [
        str(file.relative_to(home))
        for file in home.rglob("*")
        if file.is_file() and text.lower().encode() in file.read_bytes().lower()
    ]


def killed_at(shop: Shop, point: str, email: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", KILLED, point, email],
        env={**shop.settings, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=400,
    ).returncode


def test_why_tells_the_path_with_the_numbers_of_the_published_tables(shop: Shop, both: str) -> None:
    shown = shop.loyalty("why", f" {both.upper()} ").stdout
    for part in (
        "raw_smile.customers", "raw_yotpo.customers", "smile member", "yotpo member", "headline:",
        "segments:", "Loyalty Points Balance = ", "Loyalty.PointsBalance = ", "loyalty-member",
        "held:", "last attempt:", "next sync: nothing: the vendor holds what is wanted",
    ):  # fmt: skip
        assert part in shown
    told = json.loads(shop.loyalty("why", both, "--json").stdout)
    for delivery in told["deliveries"]:
        states = {event["state"] for event in delivery["events"]}
        assert states == {"accepted"}, delivery["destination"]
        assert all(event["event"] and event["was_backfill"] for event in delivery["events"])
    assert "as history, which starts nothing" in shown
    (member,) = [m for m in told["memberships"] if m["facts"]["program"] == "smile"]
    expected = shop.ask(
        """
        select r.reward_name, e.is_eligible, e.points_needed
        from marts.fct_reward_eligibility as e
        join marts.dim_rewards as r using (program, reward_id)
        where program = 'smile' and member_id = ?
        """,
        member["facts"]["member_id"],
    )
    rewards = [(r["reward_name"], r["is_eligible"], r["points_needed"]) for r in member["rewards"]]
    assert sorted(rewards) == sorted(expected)
    held = next(d["held"] for d in told["deliveries"] if d["destination"] == "klaviyo")
    assert held["Loyalty Points Balance"] == klaviyo(shop)[both]["Loyalty Points Balance"]


def test_why_says_who_speaks_for_a_shared_e_mail(shop: Shop, shared: str) -> None:
    ((speaker,),) = shop.ask("select speaker_member_id from sync.conflicts where email = ?", shared)
    assert f"member {speaker} has the same e-mail and speaks" in shop.loyalty("why", shared).stdout


def test_why_does_not_wait_for_whoever_writes_the_warehouse(shop: Shop, both: str) -> None:
    with FileLock(Home(shop.home).lock("warehouse")):
        shown = shop.loyalty("why", both).stdout
    assert "left out: the warehouse is being written" in shown
    assert "smile member" in shown


def test_why_of_a_stranger_fails_and_helps(shop: Shop) -> None:
    done = shop.loyalty("why", "nobody@strangers.dev", check=False)
    assert done.returncode == 1
    assert "neither programme has a customer with this e-mail" in done.stderr


def test_why_tells_a_change_that_the_next_sync_would_make(shop: Shop, both: str) -> None:
    with duckdb.connect(str(shop.home / "ledger.duckdb")) as ledger:
        ledger.execute(
            "update profiles set payload_hash = null, "
            "accepted = json_merge_patch(accepted, '{\"Loyalty Points Balance\": -1}') "
            "where email = ? and destination = 'klaviyo'",
            [both],
        )
    shown = shop.loyalty("why", both).stdout
    assert "next sync: change 2 values" in shown  # the other one is when it was synced
    assert "Loyalty Points Balance: -1 → " in shown


def test_a_vendor_that_cannot_be_reached_leaves_everything_as_it_was(shop: Shop, both: str) -> None:
    done = shop.loyalty("forget", both, "--yes", check=False, RULE_BASE_URL=NOBODY_LISTENS)
    assert done.returncode == 1
    assert "Nothing was erased here yet; give the same command again" in done.stderr
    assert both not in done.stderr + done.stdout
    assert shop.ask("select 1 from marts.dim_members where email = ?", both)
    assert not (shop.home / "tombstones.json").exists()


def test_a_destination_without_a_key_stops_the_erasure_unless_it_is_left_out(
    shop: Shop, both: str
) -> None:
    done = shop.loyalty("forget", both, "--yes", check=False, RULE_API_KEY=None)
    assert done.returncode == 1
    assert "--leave-at rule" in done.stderr


def test_without_a_yes_nothing_happens(shop: Shop, both: str) -> None:
    assert shop.loyalty("forget", both, check=False).returncode == 1
    assert shop.ask("select 1 from marts.dim_members where email = ?", both)


@pytest.mark.timeout(900)  # seven erasures in processes of their own
def test_killed_at_any_step_the_same_command_finishes(shop: Shop, both: str) -> None:
    members = shop.ask("select program, member_id from marts.dim_members where email = ?", both)
    others = shop.ask("select count(*) from marts.dim_members where email is distinct from ?", both)
    assert files_with(shop.home, both), "the search finds nothing, so it would prove nothing"
    for point in KILL_POINTS:
        assert killed_at(shop, point, both) == -9, point
        assert shop.ask("select count(*) from marts.dim_members")
    listed = shop.loyalty("forget", "--list").stdout
    assert "1 erased" in listed
    assert "not finished" in listed
    told = shop.loyalty("forget", both.upper(), "--yes").stdout
    assert "keeps the person out" in told
    assert_gone(shop, both, members)
    assert (
        shop.ask("select count(*) from marts.dim_members where email is distinct from ?", both)
        == others
    )
    assert "not finished" not in shop.loyalty("forget", "--list").stdout


def assert_gone(shop: Shop, email: str, members: list[tuple[Any, ...]]) -> None:
    assert files_with(shop.home, email) == []
    assert list((shop.home / "erasure").iterdir()) == []
    with duckdb.connect(str(shop.home / "warehouse.duckdb"), read_only=True) as warehouse:
        for _, member in members:
            for table, column in (
                ("raw_smile.points_transactions", "customer_id"),
                ("raw_yotpo.history_items", "email_key"),
                ("snapshots.member_states", "member_id"),
                ("marts.fct_member_states", "member_id"),
            ):
                found = warehouse.execute(f"select 1 from {table} where {column} = ?", [member])
                assert found.fetchone() is None, table
    assert klaviyo(shop)[email] == {}
    subscriber = rule(shop)[email]
    assert subscriber["tags"] == []
    values = {
        f"{group}.{field}": value
        for group, fields in subscriber["fields"].items()
        for field, value in fields.items()
        if value
    }
    assert {name.partition(".")[0] for name in values} <= {"Subscriber"}


def test_both_members_behind_a_shared_e_mail_are_erased(shop: Shop, shared: str) -> None:
    members = shop.ask("select program, member_id from marts.dim_members where email = ?", shared)
    assert len(members) > 1
    shop.loyalty("forget", shared, "--yes")
    assert_gone(shop, shared, members)
    again = shop.loyalty("forget", shared, "--yes").stdout
    assert "nothing was known of this person here" in again


@pytest.mark.timeout(900)  # a whole run that extracts everything
def test_the_next_runs_bring_nobody_back(shop: Shop, both: str, shared: str) -> None:
    assert len(Tombstones.read(Home(shop.home)).stones) == 2
    shop.day_passes()
    shop.loyalty("run", "--full")
    for email in (both, shared):
        assert files_with(shop.home, email) == []
        assert klaviyo(shop)[email] == {}
        assert rule(shop)[email]["tags"] == []
    assert shop.ask("select count(*) from marts.dim_members")[0][0] > 100
    done = shop.loyalty("why", both, check=False)
    assert done.returncode == 1
    assert "was erased on" in done.stderr
