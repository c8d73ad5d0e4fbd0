"""Extract → build → publish → sync as people live it; the tests of this module share one shop.

They tell one story in order: the first load, the same again, a day later, a month later.
"""

import os
import re
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.cli.summary import QUERIES
from orchestration.home import Home
from sandbox.credentials import environment
from tests.integration.conftest import Shop, files_with

RAW = re.compile(r"payload|(^|_)raw(_|$)|body|password|secret|token")
# Words of a payload in the record of deliveries: a hash of it, and how many values it had.
NOT_RAW = {"payload_hash"}
COUPON = ("Loyalty Unused Coupon Code", "Loyalty Unused Coupon Expires At")


def profiles(shop: Shop) -> dict[str, dict[str, Any]]:
    """What Klaviyo holds: e-mail → properties."""
    held = shop.sandbox.control.call("GET", "/klaviyo/profiles")
    return {entry["email"]: entry["properties"] for entry in held}


def subscribers(shop: Shop) -> dict[str, dict[str, Any]]:
    """What Rule holds: e-mail → subscriber."""
    held = shop.sandbox.control.call("GET", "/rule/subscribers")
    return {entry["email"]: entry for entry in held}


def test_the_published_file_answers_the_questions_the_summary_suggests(shop: Shop) -> None:
    for question, query in QUERIES.items():
        assert shop.ask(query), question
    tiers = shop.ask(QUERIES["how many members are in each tier"])
    (members,) = shop.ask(
        "select count(*) from marts.dim_members where membership = 'member' and not is_deleted"
    )[0]
    assert sum(count for *_, count in tiers) == members


def test_a_reward_priced_at_the_balance_is_eligible_with_nothing_needed(shop: Shop) -> None:
    rows = shop.ask(
        """
        select e.is_eligible, e.points_needed, e.progress_ratio
        from marts.fct_reward_eligibility as e
        join marts.dim_members as m using (program, member_id)
        join marts.dim_rewards as r using (program, reward_id)
        where r.points_price = m.points_balance
        """
    )
    assert rows, "nobody stands exactly on a price"
    assert {(bool(e), n, float(p)) for e, n, p in rows} == {(True, 0, 1.0)}


def test_every_member_with_an_e_mail_and_nobody_else_has_a_profile(shop: Shop) -> None:
    wanted = shop.ask(
        """
        select distinct email from marts.dim_members
        where membership = 'member' and not is_deleted and email is not null
        """
    )
    assert set(profiles(shop)) == {email for (email,) in wanted}
    assert set(subscribers(shop)) == {email for (email,) in wanted}


def test_a_balance_of_zero_arrives_as_zero(shop: Shop) -> None:
    (email,) = shop.ask(
        """
        select email from activation.sync_klaviyo__profiles
        where loyalty_points_balance = 0 and may_create_profile limit 1
        """
    )[0]
    assert profiles(shop)[email]["Loyalty Points Balance"] == 0
    fields = subscribers(shop)[email]["fields"]
    assert fields["Loyalty"]["PointsBalance"] == "0"


def test_plain_data_started_no_automation_in_rule(shop: Shop) -> None:
    assert shop.sandbox.control.call("GET", "/rule/automations") == []


def test_a_simulated_price_decides_as_the_real_one_would(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    shop.loyalty("simulate", "--export", str(file))
    assert "best reward for 0 members" in shop.loyalty("simulate", str(file)).stdout
    program, reward_id, price = shop.ask(
        """
        select program, reward_id, points_price from marts.dim_rewards
        where is_active and is_buyable and exchange_type = 'fixed' order by points_price desc
        """
    )[0]
    cheaper = price // 3
    lines = file.read_text().splitlines()
    edited = [
        line.replace(f",{price},", f",{cheaper},") if line.startswith(f"{program},{reward_id},")
        else line for line in lines
    ]  # fmt: skip
    assert edited != lines
    file.write_text("\n".join(edited))
    shop.loyalty("simulate", str(file))
    newest = max((shop.home / "simulations").iterdir())
    with duckdb.connect(str(newest), read_only=True) as connection:
        told = connection.execute(
            "select change, eligible_before_count, eligible_after_count, gains_count "
            "from reward_changes where reward_id = ?", [reward_id],
        ).fetchone()  # fmt: skip
    before, after = shop.ask(
        """
        select
            count(*) filter (where points_balance >= ?),
            count(*) filter (where points_balance >= ?)
        from marts.dim_members where membership = 'member' and not is_deleted and program = ?
        """,
        price, cheaper, program,
    )[0]  # fmt: skip
    assert told == ("changed", before, after, after - before)
    assert after > before


def test_dbts_own_documentation_is_one_page_with_every_mart(shop: Shop) -> None:
    told = shop.loyalty("docs").stdout
    page = shop.home / "dbt" / "docs" / "static_index.html"
    assert str(page) in told.replace("\n", "")
    marts = shop.ask(
        "select table_name from information_schema.tables where table_schema = 'marts'"
    )
    text = page.read_text(errors="replace")
    assert [name for (name,) in marts if name not in text] == []


def test_the_same_again_sends_nothing(shop: Shop) -> None:
    shop.sandbox.control.reset_requests()
    done = shop.loyalty("run")
    assert shop.writes() == 0
    assert "nothing" in done.stdout
    plan = shop.loyalty("plan")
    assert plan.stdout.splitlines().count("  nothing to send") == 2


def test_a_day_later_exactly_the_changed_profiles_are_touched(shop: Shop) -> None:
    before = profiles(shop)
    rows_before = _desired(shop)
    assert any(shop.day_passes().values())
    shop.sandbox.control.reset_requests()
    shop.loyalty("run")
    rows_after = _desired(shop)
    changed = {email for email, row in rows_after.items() if rows_before.get(email) != row}
    touched = {
        email
        for email, properties in profiles(shop).items()
        if before.get(email, {}).get("Loyalty Synced At") != properties.get("Loyalty Synced At")
    }
    members = set(profiles(shop))
    assert touched == changed & members
    assert touched, "a day without any change proves nothing"
    assert len(touched) < len(members) / 2
    assert shop.writes() > 0


@pytest.mark.slow
def test_the_calendar_alone_expires_a_coupon_and_clears_it_at_the_vendors(shop: Shop) -> None:
    now = datetime.fromisoformat(shop.settings["LOYALTY_NOW"])
    code, email, expires_at = shop.ask(
        """
        select c.code, m.email, c.expires_at
        from marts.fct_coupons as c
        join marts.dim_members as m using (program, member_id)
        join activation.sync_klaviyo__profiles as p on p.email = m.email
        where c.status = 'usable' and p.loyalty_unused_coupons_count = 1
            and p.loyalty_unused_coupon_code = c.code and c.expires_at is not null
        order by c.expires_at limit 1
        """
    )[0]
    assert profiles(shop)[email]["Loyalty Unused Coupon Code"] == code
    later = expires_at.replace(tzinfo=now.tzinfo) + timedelta(seconds=1)
    shop.settings["LOYALTY_NOW"] = later.isoformat()
    shop.loyalty("run")
    assert shop.ask("select status from marts.fct_coupons where code = ?", code) == [("expired",)]
    held = profiles(shop)[email]
    assert held["Loyalty Unused Coupons Count"] == 0
    for name in COUPON:
        assert held.get(name) is None
    fields = subscribers(shop)[email]["fields"]
    assert fields["Loyalty"]["UnusedCouponCode"] == ""


def test_every_row_of_every_run_is_accounted_for(shop: Shop) -> None:
    rows = shop.ask(
        """
        select planned_count, accepted_count + rejected_count + invalid_count + aborted_count
        from sync.runs where status = 'succeeded'
        """
    )
    assert rows
    assert all(planned == settled for planned, settled in rows)


def test_the_marts_over_the_deliveries_are_of_the_newest_sync(shop: Shop) -> None:
    days = shop.ask(
        "select day_on, destination, object, operation, run_count, accepted_count "
        "from marts.kpi_sync_profiles_daily order by all"
    )
    assert days
    assert days == shop.ask(
        "select started_at::date, destination, object, operation, count(*), sum(accepted_count) "
        "from sync.runs group by all order by all"
    )
    assert shop.ask("select sum(people_count) from marts.kpi_sync_states") == shop.ask(
        "select count(*) from sync.profiles"
    )
    assert shop.ask("select sum(accepted_count) from marts.kpi_sync_acceptance_daily") == shop.ask(
        "select sum(row_count) from sync.acceptance_times"
    )


def test_no_e_mail_and_no_key_is_in_any_log(shop: Shop) -> None:
    secrets = [
        shop.settings[name].encode()
        for name in ("SMILE_API_KEY", "YOTPO_API_KEY", "KLAVIYO_API_KEY", "RULE_API_KEY")
    ]
    members = [email.encode() for email in list(profiles(shop))[:50]]
    for folder in ("logs", "dagster", "dbt/logs", "dbt/build"):
        for file in (shop.home / folder).rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                for secret in (*secrets, *members):
                    assert secret not in content, f"{file} holds what no log may hold"


def test_nothing_but_the_published_file_is_for_others(shop: Shop) -> None:
    home = Home(shop.home)
    for path in home.root.rglob("*"):
        if path in (home.published, home.published.parent) or path.is_symlink():
            continue

        top = home.root / path.relative_to(home.root).parts[0]
        assert stat.S_IMODE(top.stat().st_mode) & 0o077 == 0 or top == home.published.parent, top
    assert stat.S_IMODE(home.published.stat().st_mode) == 0o440


def test_no_published_column_holds_what_vendors_sent_as_it_came(shop: Shop) -> None:
    columns = shop.ask(
        "select table_schema, table_name, column_name from information_schema.columns"
    )
    assert len(columns) > 100
    found = [c for c in columns if RAW.search(c[2]) and c[2] not in NOT_RAW]
    assert found == []
    schemas = {schema for schema, _, _ in columns}
    assert schemas <= {"marts", "activation", "sync"}


def test_no_key_is_in_dagsters_storage_or_in_any_other_file(shop: Shop) -> None:
    keys = {
        name: value
        for name, value in environment(shop.sandbox.base_url).items()
        if re.search(r"KEY|GUID|SECRET", name)
    }
    assert len(keys) >= 4
    assert list((shop.home / "dagster").rglob("*.db")), "no storage to look through"
    for name, value in keys.items():
        assert files_with(Home(shop.home), value) == [], name


def test_the_databases_open_with_the_rights_of_a_reader(shop: Shop) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything; the rights themselves are tested above")
    with pytest.raises(duckdb.IOException):
        duckdb.connect(str(shop.home / "published" / "loyalty.duckdb"))


def _desired(shop: Shop) -> dict[str, tuple[Any, ...]]:
    """The activation rows, without the stamp that is no difference."""
    rows = shop.ask(
        "select email, columns(* exclude (email, loyalty_synced_at)) "
        "from activation.sync_klaviyo__profiles"
    )
    return {row[0]: tuple(str(value) for value in row[1:]) for row in rows}
