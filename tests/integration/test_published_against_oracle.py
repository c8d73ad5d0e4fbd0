"""Every row of the published tables against an independent calculation from the raw tables.

One small shop with people and rewards made to be difficult, extracted twice with a day between
(so that somebody can vanish and an address can change), published twice: as usual, and 45 days
later with the other programme first and tiers by amount. The sandbox stands still in between:
what differs is the calendar and the settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.dbt import PROJECT_FOLDER, variables
from orchestration.dbt_build import load_deliveries
from orchestration.extract import extract
from orchestration.home import Home
from orchestration.inbox import load_inbox
from orchestration.programs import programs
from orchestration.publish import publish
from orchestration.settings import load_settings
from sandbox.config import SandboxConfig
from sandbox.core.errors import SandboxError
from sandbox.server import RunningSandbox, running
from tests.integration.conftest import FAST, VENDOR_PREFIXES
from tests.integration.published_oracle import Key, Oracle, Row, differences, read_raw

MAIL = "oracle.loyalty-sandbox.dev"
PROGRAM_MEMBER = ("program", "member_id")
LATER = timedelta(days=45)
CUSTOMERS = 350


class Published:
    """A published file and what the oracle says it must hold."""

    def __init__(self, home: Home, now: datetime, **rules: Any) -> None:
        self.file = home.published
        changes = self._read("marts.fct_tier_changes", (*PROGRAM_MEMBER, "changed_at"))
        self.oracle = Oracle(read_raw(home.warehouse), now, tier_changes=changes, **rules)
        self._tables: dict[tuple[str, tuple[str, ...]], dict[Key, Row]] = {}
        for table, keys in (
            ("marts.dim_members", PROGRAM_MEMBER),
            ("marts.dim_rewards", ("program", "reward_id")),
            ("marts.dim_tiers", ("program", "tier_id")),
            ("marts.fct_points_transactions", ("program", "transaction_id")),
            ("marts.fct_coupons", ("program", "coupon_id")),
            ("marts.fct_reward_eligibility", (*PROGRAM_MEMBER, "reward_id")),
            ("marts.fct_member_rewards", PROGRAM_MEMBER),
            ("marts.fct_member_tiers", PROGRAM_MEMBER),
            ("marts.audit_points_ledger", PROGRAM_MEMBER),
            ("marts.fct_member_segments", (*PROGRAM_MEMBER, "segment")),
            ("sync.conflicts", PROGRAM_MEMBER),
            ("activation.sync_klaviyo__profiles", ("email",)),
            ("activation.sync_rule__subscribers", ("email",)),
        ):
            self._tables[table, keys] = self._read(table, keys)
        self.tables = {table: rows for (table, _), rows in self._tables.items()}

    def _read(self, table: str, keys: tuple[str, ...]) -> dict[Key, Row]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            result = connection.execute(f"select * from {table}")
            names = [column[0] for column in result.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        found = {tuple(row[key] for key in keys): row for row in rows}
        assert len(found) == len(rows), f"{table} has more than one row for {keys}"
        return found

    def profile(self, local: str) -> Row:
        return self.tables["activation.sync_klaviyo__profiles"][f"{local}@{MAIL}",]

    def subscriber(self, local: str) -> Row:
        return self.tables["activation.sync_rule__subscribers"][f"{local}@{MAIL}",]


def difficult_rewards(shop: Installation) -> None:
    """Prices that rules are tested with, in place of the usual ones."""
    call = shop.control.call
    smile = {
        132456911: {"points_price": 750},  # the price of another reward
        132456921: {"variable_points_min": 250, "variable_points_max": 5050},  # no whole steps
        132456924: {"points_price": 0},
        132456931: {"points_price": None},
    }
    for product, change in smile.items():
        call("PATCH", f"/smile/points_products/{product}", change)
    options = call_options(shop)
    changes: list[Row] = [
        {"discount_rate_cents": 0.333333, "discount_type": "variable", "amount": None},
        {"amount": 0},
        {"discount_type": "percentage", "discount_percentage": 12.5},
        {"discount_type": "gift_of_the_gods"},
    ]
    for option, change in zip(options, changes, strict=False):
        call("PATCH", f"/yotpo/redemption_options/{option}", change)


def call_options(shop: Installation) -> list[str]:
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        rows = connection.execute("select id from raw_yotpo.redemption_options order by id")
        return [identifier for (identifier,) in rows.fetchall()]


def add_smile(shop: Installation, local: str | None, **fields: Any) -> str:
    """A customer of Smile; returns the id."""
    email = None if local is None else local if "@" in local else f"{local}@{MAIL}"
    answer = shop.control.call("POST", "/smile/customers", {"email": email, **fields})
    return str(answer["id"])


def add_yotpo(shop: Installation, local: str, **fields: Any) -> None:
    shop.control.call("POST", f"/yotpo/customers/{local}@{MAIL}", fields)


def give_coupon(shop: Installation, customer: str, code: str, **fields: Any) -> None:
    body = {"code": code, "name": "$5 off coupon", "fulfillment_status": "issued"}
    body |= {"usage_status": "unused", "expires_at": None, **fields}
    shop.control.call("POST", f"/smile/customers/{customer}/coupons", body)


def difficult_people(shop: Installation) -> dict[str, str]:
    """Who is there from the first day on; ids by name, to be changed on the second."""
    ids = {
        name: add_smile(shop, name, state="member", points_balance=points)
        for name, points in (
            ("vanishing", 900),
            ("moving", 900),
            ("newer", 640),
            ("zero", 0),
            ("exact", 750),
            ("fraction", 249),
            ("first_spend", 300),
        )
    }
    add_yotpo(shop, "leaving", opt_in=True, points_balance=500)
    add_yotpo(shop, "gone", opt_in=True, points_balance=500)
    return ids


def change_people(shop: Installation, ids: dict[str, str]) -> None:
    """What happens on the second day."""
    control = shop.control
    now = control.now()
    soon, later = now + timedelta(days=3), now + timedelta(days=90)
    control.call("DELETE", f"/smile/customers/{ids['vanishing']}")
    control.call("PATCH", f"/smile/customers/{ids['moving']}", {"email": f"moved@{MAIL}"})
    control.call("DELETE", f"/yotpo/customers/gone@{MAIL}")
    control.call("PATCH", f"/yotpo/customers/leaving@{MAIL}", {"opt_in": False})

    for name, state, points in (
        ("paused", "paused", 700),
        ("disabled", "disabled", 700),
        ("candidate", "candidate", 700),
        ("no_coupon", "candidate", 700),
    ):
        ids[name] = add_smile(shop, name, state=state, points_balance=points)
        if name != "no_coupon":
            give_coupon(shop, ids[name], f"{name}-1", expires_at=soon.isoformat())
    add_smile(shop, None, state="member", points_balance=800)
    add_smile(shop, " ÅSA.Öberg@Oracle.Loyalty-Sandbox.dev\u00a0", state="member", points_balance=1)
    try:  # Smile's own API cannot; a refund of a spent earning might
        add_smile(shop, "negative", state="member", points_balance=-40)
    except SandboxError:
        add_smile(shop, "negative", state="member", points_balance=0)

    # one address, several customers: membership, balance, time of change, id
    for email, state, points in (
        ("by_membership", "candidate", 9000),
        ("by_membership", "member", 1),
        ("by_membership", "disabled", 9500),
        ("by_balance", "member", 700),
        ("by_balance", "member", 701),
        ("newer", "member", 640),
        ("by_id", "member", 50),
        ("by_id", "member", 50),
        ("nobody", "disabled", 10),
        ("nobody", "candidate", 5),
    ):
        identifier = add_smile(shop, email, state=state, points_balance=points)
        if email in ("by_membership", "nobody"):
            give_coupon(shop, identifier, f"{email}-{state}")

    holder = add_smile(shop, "coupons", state="member", points_balance=10)
    for code, fields in {
        "no-end": {},
        "last": {"expires_at": later.isoformat()},
        "soon": {"expires_at": soon.isoformat()},
        "soon-too": {"expires_at": soon.isoformat()},
        "exactly-now": {"expires_at": now.isoformat()},
        "used": {"usage_status": "used", "used_at": now.isoformat()},
        "untracked": {"usage_status": "untracked"},
        "untracked-and-over": {"usage_status": "untracked", "expires_at": now.isoformat()},
        "pending": {"fulfillment_status": "pending"},
        "cancelled": {"fulfillment_status": "cancelled", "usage_status": "used"},
        "failed": {"fulfillment_status": "failed"},
    }.items():
        give_coupon(shop, holder, code, **fields)

    # people of both programmes: (state in Smile, opted in at Yotpo)
    for name, state, opt_in in (
        ("both", "member", True),
        ("smile_only", "member", False),
        ("yotpo_only", "candidate", True),
        ("excluded_there", "disabled", True),
        ("neither", "candidate", False),
        ("unknown_there", "paused", True),
    ):
        ids[name] = add_smile(shop, name, state=state, points_balance=333)
        add_yotpo(shop, name, opt_in=opt_in, points_balance=444)
        give_coupon(shop, ids[name], f"{name}-1")

    for name, born in (
        ("leap_no_year", "1004-02-29"),
        ("leap", "1992-02-29"),
        ("born", "1980-12-31"),
    ):
        add_smile(shop, name, state="member", date_of_birth=born)
    control.call("PATCH", "/smile/points_settings", {"points_label": {"one": "Kr", "other": "Kr"}})


class Installation:
    """The product's own steps, called in this process: no orchestrator is needed to be right."""

    def __init__(self, root: Path, sandbox: RunningSandbox, patch: pytest.MonkeyPatch) -> None:
        self.home = Home(root)
        self.control = sandbox.control
        self._patch = patch
        for name, value in {
            **sandbox.environment,
            **FAST,
            "LOYALTY_HOME": str(root),
            "LOYALTY_ENV_FILE": os.devnull,
        }.items():
            patch.setenv(name, value)

    def extract(self) -> None:
        settings = load_settings()
        for program in programs():
            extract(program, settings, self.home, self.control.now(), lambda _: None)
            load_inbox(program, settings, self.home, self.control.now(), lambda _: None)

    def build_and_publish(self, now: datetime, *exclude: str, **settings: str) -> None:
        """Build with dbt as the product calls it, in a process of its own, and publish."""
        for name, value in settings.items():
            self._patch.setenv(name, value)
        self._patch.setenv("LOYALTY_BUILD_NOW", f"{now:%Y-%m-%d %H:%M:%S}")
        self._patch.setenv("LOYALTY_WAREHOUSE", str(self.home.warehouse))
        self._patch.setenv("DBT_LOG_PATH", str(self.home.dbt / "logs"))
        load_deliveries(self.home)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "build"),
                *("--exclude-resource-types", "unit_test", *exclude),
                *("--project-dir", str(PROJECT_FOLDER), "--profiles-dir", str(PROJECT_FOLDER)),
                *("--target-path", str(self.home.dbt / "build")),
                *("--vars", json.dumps(variables(load_settings()))),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        publish(self.home, {})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # On a fixed day: on another, somebody who was made for a rule may have bought something.
    config = SandboxConfig(customers=CUSTOMERS, limits_scale=200, today=date(2026, 11, 20))
    with running(config) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(VENDOR_PREFIXES)]:
            patch.delenv(name)
        opened = Installation(tmp_path_factory.mktemp("oracle") / "home", sandbox, patch)
        ids = difficult_people(opened)
        opened.extract()
        opened.control.advance(1)
        difficult_rewards(opened)  # the sandbox's members redeem, and could not with these
        change_people(opened, ids)
        opened.extract()
        yield opened


@pytest.fixture(scope="module")
def today(shop: Installation) -> Published:
    now = shop.control.now()
    shop.build_and_publish(now)
    return Published(shop.home, now)


@pytest.fixture(scope="module")
def later(shop: Installation, today: Published) -> Published:
    """The same raw rows 45 days later, with other settings."""
    now = shop.control.now() + LATER
    shop.build_and_publish(
        now, "test", LOYALTY_PROGRAM_PRIORITY="yotpo,smile", LOYALTY_SMILE_TIER_BASIS="amount"
    )
    return Published(shop.home, now, priority=("yotpo", "smile"), smile_basis="amount")


@pytest.fixture(params=["today", "later"])
def published(request: pytest.FixtureRequest) -> Published:
    found: Published = request.getfixturevalue(request.param)
    return found


def compare(published: Published, table: str, expected: dict[Key, Row]) -> None:
    assert expected, f"the oracle expects nothing of {table}"
    found = differences(expected, published.tables[table])
    assert not found, f"{len(found)} differences, the first: " + "\n".join(found[:20])


def everything(published: Published, table: str, expected: dict[Key, Row]) -> dict[Key, Row]:
    """The expectation with null for every column that the oracle gives no value."""
    columns = next(iter(published.tables[table].values())).keys()
    return {
        key: {**dict.fromkeys(columns), "email": key[0], **row} for key, row in expected.items()
    }


def test_every_member_has_the_state_points_tier_and_dates_of_the_rules(
    published: Published,
) -> None:
    compare(published, "marts.dim_members", published.oracle.dim_members())


def test_every_ledger_row_has_the_kind_its_text_and_sign_say(published: Published) -> None:
    compare(published, "marts.fct_points_transactions", published.oracle.ledger)


def test_the_ledger_ties_except_where_the_oracle_says_otherwise(published: Published) -> None:
    untied = {
        key: row["difference_points"]
        for key, row in published.tables["marts.audit_points_ledger"].items()
    }
    assert untied == published.oracle.untied()


def test_every_coupon_has_the_first_status_that_applies(published: Published) -> None:
    expected: dict[Key, Row] = {}
    codes: dict[Key, Row] = {}
    for key, row in published.tables["marts.fct_coupons"].items():
        smile = row["program"] == "smile"
        place = (row["program"], row["member_id"], row["code"], row["coupon_id"] if smile else "")
        codes[place] = row
        assert row["currency"] == "USD", key
    expected = published.oracle.coupons
    assert differences(expected, codes) == []
    assert {row["status"] for row in codes.values()} == {
        *("usable", "used", "expired", "cancelled", "pending", "failed", "untracked")
    }


def test_every_reward_has_its_price_value_and_whether_points_buy_it(published: Published) -> None:
    expected = {
        (reward.program, reward.reward_id): {
            "reward_name": reward.name,
            "exchange_type": "variable" if reward.variable else "fixed",
            "points_price": reward.price,
            "variable_min_points": reward.minimum,
            "variable_max_points": reward.maximum,
            "discount_type": reward.discount_type,
            "discount_value": reward.discount_value,
            "is_active": reward.is_active,
            "is_buyable": reward.is_buyable,
        }
        for reward in published.oracle.rewards
    }
    compare(published, "marts.dim_rewards", expected)


def test_every_tier_has_its_rank_basis_and_threshold(published: Published) -> None:
    tiers = {
        **{("smile", key): row for key, row in published.oracle.smile_tiers.items()},
        **{("yotpo", key): row for key, row in published.oracle.yotpo_tiers.items()},
    }
    shown = {
        key: {name: value for name, value in row.items() if not name.startswith("_")}
        for key, row in tiers.items()
    }
    compare(published, "marts.dim_tiers", shown)


def test_members_and_active_buyable_rewards_have_eligibility_and_nobody_else(
    published: Published,
) -> None:
    compare(published, "marts.fct_reward_eligibility", published.oracle.eligibility())


def test_best_next_and_headline_follow_the_rules_for_every_member(published: Published) -> None:
    compare(published, "marts.fct_member_rewards", published.oracle.member_rewards())


def test_tier_progress_follows_the_vendor_for_every_member(published: Published) -> None:
    compare(published, "marts.fct_member_tiers", published.oracle.member_tiers())


def test_one_member_speaks_for_an_address_and_all_others_are_listed(published: Published) -> None:
    listed = {
        key: row["speaker_member_id"] for key, row in published.tables["sync.conflicts"].items()
    }
    assert listed == published.oracle.conflicts()


def test_every_member_is_in_exactly_the_segments_whose_rules_apply(published: Published) -> None:
    assert published.tables["marts.fct_member_segments"].keys() == (
        published.oracle.member_segments()
    )


def test_every_klaviyo_profile_has_exactly_the_properties_of_the_rules(
    published: Published,
) -> None:
    table = "activation.sync_klaviyo__profiles"
    compare(published, table, everything(published, table, published.oracle.klaviyo()))


def test_every_rule_subscriber_has_exactly_the_fields_and_tags_of_the_rules(
    published: Published,
) -> None:
    table = "activation.sync_rule__subscribers"
    compare(published, table, everything(published, table, published.oracle.rule()))


def test_the_difficult_people_are_what_they_were_made_for(today: Published) -> None:
    assert today.profile("zero")["loyalty_points_balance"] == 0
    assert today.profile("exact")["loyalty_best_reward_points"] == 750
    assert today.profile("first_spend")["loyalty_best_reward_points"] == 300
    assert today.profile("coupons")["loyalty_unused_coupon_code"] == "soon"
    assert today.profile("coupons")["loyalty_unused_coupons_count"] == 4
    assert today.profile("by_membership")["loyalty_points_balance"] == 1
    assert today.profile("by_balance")["loyalty_points_balance"] == 701
    assert today.profile("nobody")["smile_state"] == "disabled"
    assert today.profile("nobody")["loyalty_unused_coupon_code"] is None
    assert today.profile("candidate")["loyalty_unused_coupon_code"] == "candidate-1"
    assert today.profile("disabled")["loyalty_unused_coupon_code"] is None
    assert today.profile("vanishing")["smile_state"] is None
    assert today.profile("gone")["loyalty_opt_in"] is None
    assert today.subscriber("leaving")["yotpo_is_member"] is False
    assert today.profile("excluded_there")["smile_state"] == "disabled"
    assert today.profile("excluded_there")["loyalty_program"] == "yotpo"
    assert today.profile("both")["loyalty_program"] == "smile"
    assert today.profile("neither")["loyalty_unused_coupon_code"] == "neither-1"
    assert today.profile("åsa.öberg")["loyalty_points_balance"] == 1
    assert today.subscriber("leap")["subscriber_birthday"].isoformat() == "1992-02-29"
    assert today.subscriber("leap_no_year")["subscriber_birthday"] is None
    assert (f"moving@{MAIL}",) not in today.tables["activation.sync_klaviyo__profiles"]


def test_the_calendar_alone_takes_a_coupon_from_the_profile(
    today: Published, later: Published
) -> None:
    assert today.profile("candidate")["loyalty_unused_coupon_code"] == "candidate-1"
    assert later.profile("candidate")["loyalty_unused_coupon_code"] is None
    assert later.profile("candidate")["loyalty_unused_coupons_count"] is None
    assert later.profile("coupons")["loyalty_unused_coupon_code"] == "last"
    assert later.profile("both")["loyalty_program"] == "yotpo"
