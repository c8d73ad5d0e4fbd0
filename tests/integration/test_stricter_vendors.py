"""The whole product at strangers: other data, other addresses, stricter habits, no sandbox.

The servers of `strict_vendors` refuse whatever the vendors do not document and write each breach
down; at the end of every run nothing may be written there. A run is shared by all tests about it.
"""

import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from strict_vendors import klaviyo as strict_klaviyo
from strict_vendors.installation import Installation, settings_for
from strict_vendors.rule import SUCCESSES, blocked
from strict_vendors.server import Answer, Call, next_times, serving
from strict_vendors.shop import GOLD, NOW, Shop, open_shop

from orchestration.activate import declared, not_delivered, run_sync, too_many_rejected
from orchestration.context import explained
from orchestration.extract import extract
from orchestration.home import Home
from orchestration.programs import Program
from orchestration.settings import load_settings
from reverse_etl.results import SyncResult
from vendor_http import ConfigurationError, LoyaltyError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOBODY = {
    "candidate@strict-shop.se", "excluded@strict-shop.se", "paused@strict-shop.se", "",
    *(f"bo.{number}@strict-shop.se" for number in (6, 13, 20, 27)),
}  # fmt: skip
LOCKED = "bo.5@strict-shop.se"
GONE = "bo.4@strict-shop.se"  # listed, yet unknown when asked for alone


@dataclass
class Snapshot:
    """What the strangers held, had been asked, and complained about after a run."""

    shown: str
    klaviyo: dict[str, dict[str, Any]]
    rule: dict[str, dict[str, Any]]
    writes: list[str]
    asked: dict[str, int]
    violations: list[str]
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)


def take(shop: Shop, shown: str, **notes: Any) -> Snapshot:
    """Remember, and let the strangers forget their calls."""
    found = Snapshot(
        shown=shown,
        klaviyo={email: dict(values) for email, values in shop.klaviyo.profiles.items()},
        rule={
            email: {"fields": dict(person["fields"]), "tags": set(person["tags"])}
            for email, person in shop.rule.people.items()
        },
        writes=[
            f"{call.method} {call.path}"
            for stranger in shop.strangers
            for call in stranger.writes()
        ],
        asked={type(stranger).__name__: len(stranger.calls) for stranger in shop.strangers},
        violations=[
            f"{type(stranger).__name__}: {what}"
            for stranger in shop.strangers
            for what in stranger.violations
        ],
        notes=notes,
    )
    for stranger in shop.strangers:
        stranger.forget_calls()
    return found


# --- one story: a first run, the same again, one change, sixty days later, a source left out


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All four strangers with most of their habits at once, at the vendors' own rates."""
    shop = open_shop()
    shop.smile.page_limit, shop.smile.cursor_end = 20, ""
    shop.yotpo.unknown, shop.yotpo.locked = {GONE}, {LOCKED: 2}
    shop.klaviyo.polls_until_complete = 4
    shop.rule.suppressed = {"bo.2@strict-shop.se"}
    with serving(*shop.strangers):
        home = tmp_path_factory.mktemp("strict") / "home"
        yield Installation(home, shop, settings_for(shop))


@pytest.fixture(scope="module")
def first(story: Installation) -> Snapshot:
    return take(story.shop, story.must("run"), balances=story.shop.balances())


@pytest.fixture(scope="module")
def again(story: Installation, first: Snapshot) -> Snapshot:
    """The same once more, while an analyst keeps asking."""
    answers: list[int] = []
    troubles: list[str] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.05):
            try:
                answers.append(story.ask("select count(*) from marts.dim_members")[0][0])
            except duckdb.Error as error:
                troubles.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        shown = story.must("run")
    finally:
        is_over.set()
        reader.join()
    return take(story.shop, shown, answers=answers, troubles=troubles)


@pytest.fixture(scope="module")
def changed(story: Installation, again: Snapshot) -> Snapshot:
    """One customer earned a point."""
    story.shop.earn("Ida1@Strict-Shop.se", 1)
    return take(story.shop, story.must("run"))


@pytest.fixture(scope="module")
def later(story: Installation, changed: Snapshot) -> Snapshot:
    """Sixty days on, nobody having done anything."""
    moment = (NOW + timedelta(days=60)).isoformat()
    return take(story.shop, story.must("run", LOYALTY_NOW=moment))


@pytest.fixture(scope="module")
def without_smile(story: Installation, later: Snapshot) -> Snapshot:
    """One programme has no key any more."""
    moment = (NOW + timedelta(days=60)).isoformat()
    left = {name: None for name in story.settings if name.startswith("SMILE_")}
    return take(story.shop, story.must("run", LOYALTY_NOW=moment, **left))


def test_no_request_of_a_first_run_breaks_a_vendors_rules(first: Snapshot) -> None:
    assert first.violations == []


def test_every_member_and_nobody_else_has_a_profile_with_the_right_balance(
    first: Snapshot,
) -> None:
    expected = dict(first.notes["balances"])
    del expected[GONE]  # a list that names somebody the vendor does not know; see below
    shown = {
        email: values["Loyalty Points Balance"]
        for email, values in first.klaviyo.items()
        if email != GONE
    }
    assert shown == expected
    texts = {
        email: person["fields"]["Loyalty.PointsBalance"]
        for email, person in first.rule.items()
        if email != GONE
    }
    assert texts == {email: str(balance) for email, balance in expected.items()}
    assert not NOBODY & (first.klaviyo.keys() | first.rule.keys())


def test_ids_beyond_what_a_double_holds_stay_exact(story: Installation, first: Snapshot) -> None:
    rows = story.ask(
        "select tier_id, count(*) from marts.dim_members where program = 'smile' and tier_id"
        f" = '{GOLD}' group by all"
    )
    assert rows[0][1] > 0
    gold = [values for values in first.klaviyo.values() if "Smile VIP Tier ID" in values]
    assert GOLD in {values["Smile VIP Tier ID"] for values in gold}


def test_a_person_in_both_programmes_shows_the_one_they_are_a_member_of(first: Snapshot) -> None:
    assert first.klaviyo["both@strict-shop.se"]["Loyalty Program"] == "smile"
    assert first.klaviyo["both@strict-shop.se"]["swell_point_balance"] is not None
    assert first.klaviyo["left.smile@strict-shop.se"]["Loyalty Program"] == "yotpo"


def test_zero_arrives_as_zero_and_a_negative_balance_as_it_is(first: Snapshot) -> None:
    assert first.klaviyo["ida0@strict-shop.se"]["Loyalty Points Balance"] == 0
    assert first.rule["ida0@strict-shop.se"]["fields"]["Loyalty.PointsBalance"] == "0"
    assert first.klaviyo["ida4@strict-shop.se"]["Loyalty Points Balance"] == -20
    assert first.klaviyo["ida0@strict-shop.se"]["Loyalty Available Rewards Count"] >= 0


def test_a_price_equal_to_the_balance_is_eligible_with_nothing_needed(
    story: Installation, first: Snapshot
) -> None:
    found = story.ask("""
        select e.is_eligible, e.points_needed
        from marts.fct_reward_eligibility as e
        join marts.dim_members as m using (program, member_id)
        join marts.dim_rewards as r using (program, reward_id)
        where m.points_balance = 500 and r.points_price = 500
    """)
    assert set(found) == {(True, 0)}


def test_a_full_last_page_is_followed_by_its_empty_successor(
    story: Installation, first: Snapshot
) -> None:
    assert story.ask("select count(*) from marts.dim_rewards where program = 'smile'") == [(250,)]


def test_every_transaction_counts_whether_its_customer_is_a_number_or_text(
    story: Installation, first: Snapshot
) -> None:
    assert story.ask("select * from marts.audit_points_ledger where program = 'smile'") == []


def test_the_published_file_has_the_format_that_duckdb_1_3_reads(
    story: Installation, first: Snapshot
) -> None:
    header = story.published.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert struct.unpack("<Q", header[12:20])[0] <= 65


def test_the_same_again_writes_nothing_at_any_vendor(again: Snapshot) -> None:
    assert again.writes == []
    assert again.violations == []


def test_an_analyst_can_read_all_through_a_run(again: Snapshot) -> None:
    assert again.notes["troubles"] == []
    assert len(again.notes["answers"]) > 10
    assert len(set(again.notes["answers"])) == 1


def test_one_change_touches_one_profile(first: Snapshot, changed: Snapshot) -> None:
    assert changed.klaviyo["ida1@strict-shop.se"]["Loyalty Points Balance"] == 500
    others = changed.klaviyo.keys() - {"ida1@strict-shop.se"}
    assert {e: changed.klaviyo[e] for e in others} == {e: first.klaviyo[e] for e in others}
    # With the point she has a reward; the next one is more than an order away.
    tag = "ida1@strict-shop.se/tags/loyalty-segment-one-order-from-next-reward"
    assert sorted(path for path in changed.writes if "/api/v2/subscribers" in path) == [
        f"DELETE /api/v2/subscribers/{tag}",
        "POST /api/v2/subscribers",
    ]
    assert len(changed.writes) == 3, changed.writes
    assert changed.violations == []


def test_the_calendar_clears_expired_coupons_at_both_destinations(
    first: Snapshot, later: Snapshot
) -> None:
    holders = [e for e, p in first.klaviyo.items() if p.get("Loyalty Unused Coupon Expires At")]
    assert len(holders) >= 3
    for email in holders:
        assert "Loyalty Unused Coupon Code" not in later.klaviyo[email]
        assert "Loyalty Unused Coupon Expires At" not in later.klaviyo[email]
        assert later.klaviyo[email]["Loyalty Unused Coupons Count"] == 0
        assert later.rule[email]["fields"]["Loyalty.UnusedCouponCode"] == ""
        assert later.rule[email]["fields"]["Loyalty.UnusedCouponsCount"] == "0"
    endless = [
        email
        for email, values in first.klaviyo.items()
        if values.get("Loyalty Unused Coupon Code") and email not in holders
    ]
    assert all(later.klaviyo[email].get("Loyalty Unused Coupon Code") for email in endless)
    assert later.violations == []


def test_without_a_source_nobody_is_cleared_and_it_says_what_is_left_out(
    later: Snapshot, without_smile: Snapshot
) -> None:
    assert without_smile.writes == []
    assert without_smile.klaviyo == later.klaviyo
    assert "smile is left out: SMILE_API_KEY not set" in without_smile.shown


def test_destinations_alone_are_refused_and_nobody_is_cleared(
    story: Installation, without_smile: Snapshot
) -> None:
    left = {name: None for name in story.settings if name.startswith(("SMILE_", "YOTPO_"))}
    code, shown = story.loyalty("run", **left)
    assert code == 1
    for name in ("SMILE_API_KEY", "YOTPO_GUID", "YOTPO_API_KEY"):
        assert name in shown
    assert take(story.shop, shown).writes == []


def test_doctor_is_content_with_strangers(story: Installation, without_smile: Snapshot) -> None:
    shown = story.must("doctor")
    assert "✗" not in shown
    assert take(story.shop, shown).violations == []


# --- a lean shop: nothing but what a vendor must send


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Smile and Rule alone; no tiers, no products, no settings, keys that vanish."""
    shop = open_shop()
    shop.smile.cursor_end = "absent"
    shop.smile.points_settings = None
    shop.smile.vip_statuses = {}
    for name in ("vip_tiers", "points_products", "earning_rules", "reward_fulfillments"):
        shop.smile.tables[name] = []
    shop.rule.success = "php wrapper"
    with serving(*shop.strangers):
        home = tmp_path_factory.mktemp("lean") / "home"
        yield Installation(home, shop, settings_for(shop, ("smile", "rule")))


@pytest.fixture(scope="module")
def lean_source(lean: Installation) -> Snapshot:
    """First with the source alone."""
    left = {name: None for name in lean.settings if name.startswith("RULE_")}
    return take(lean.shop, lean.must("run", **left))


@pytest.fixture(scope="module")
def lean_sync(lean: Installation, lean_source: Snapshot) -> Snapshot:
    """Then the sync, with the destination alone."""
    left = {name: None for name in lean.settings if name.startswith("SMILE_")}
    return take(lean.shop, lean.must("sync", **left))


def test_a_source_alone_is_published_and_three_vendors_are_left_out(
    lean: Installation, lean_source: Snapshot
) -> None:
    for vendor in ("yotpo", "klaviyo", "rule"):
        assert f"{vendor} is left out" in lean_source.shown
    members = lean.ask("select count(*) from marts.dim_members where membership = 'member'")
    assert members[0][0] == sum(
        row["state"] == "member" for row in lean.shop.smile.tables["customers"]
    )
    assert lean_source.violations == []
    assert lean_source.writes == []


def test_a_destination_alone_gets_what_was_published(
    lean: Installation, lean_sync: Snapshot
) -> None:
    smile_only = Shop(lean.shop.smile, yotpo=type(lean.shop.yotpo)())
    shown = {e: p["fields"]["Loyalty.PointsBalance"] for e, p in lean_sync.rule.items()}
    assert shown == {email: str(value) for email, value in smile_only.balances().items()}
    tags = {tag for p in lean_sync.rule.values() for tag in p["tags"]}
    told = {"Smile", "PointsEarned"}  # of what happened, as history
    assert {tag for tag in tags if not tag.startswith("loyalty-segment-")} == {
        "loyalty-member",
        *told,
    }
    assert lean_sync.violations == []
    assert lean_sync.asked == {"Smile": 0, "Yotpo": 0, "Klaviyo": 0, "Rule": 5}, lean_sync.writes


# --- what each stranger may do besides; the product's own steps, without Dagster around them


def configure(monkeypatch: pytest.MonkeyPatch, shop: Shop, home: Path, **more: str) -> None:
    values = {**settings_for(shop), "LOYALTY_HOME": str(home), "LOYALTY_NOW": NOW.isoformat()}
    for name, value in {**values, **more}.items():
        monkeypatch.setenv(name, value)


def read(vendor: str, home: Path) -> dict[str, int]:
    """Extract one programme; rows per table."""
    settings = load_settings()
    return extract(Program(vendor, vendor), settings, Home(home), NOW, lambda _: None).rows


def raw(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def shop() -> Iterator[Shop]:
    opened = open_shop()
    opened.yotpo.requests_per_second = 1_000
    with serving(*opened.strangers):
        yield opened


QUICK = {"YOTPO_REQUESTS_PER_SECOND": "1000"}


def test_smiles_limit_is_kept_and_a_429_without_headers_is_survived(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, tmp_path)
    shop.smile.page_limit = 2  # some forty requests, four seconds at the limit
    shop.smile.trouble.append(next_times(2, lambda _: Answer(429)))
    rows = read("smile", tmp_path)
    assert rows["customers"] == len(shop.smile.tables["customers"])
    assert len(shop.smile.violations) <= 1, "windows of the vendor and ours may meet badly once"


@pytest.mark.parametrize("end", [None, "", "absent"])
def test_a_cursor_ends_in_any_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop, end: str | None
) -> None:
    configure(monkeypatch, shop, tmp_path, **QUICK)
    shop.smile.cursor_end = shop.yotpo.cursor_end = end
    assert read("smile", tmp_path)["customers"] == len(shop.smile.tables["customers"])
    assert read("yotpo", tmp_path)["customers"] == len(shop.yotpo.people)
    assert shop.smile.violations == shop.yotpo.violations == []


def test_a_bare_list_and_wrapped_catalogues_are_read_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, tmp_path, **QUICK)
    shop.yotpo.form, shop.yotpo.wrapped_catalogues = "bare", True
    rows = read("yotpo", tmp_path)
    assert (rows["customers"], rows["vip_tiers"]) == (len(shop.yotpo.people), 2)
    assert raw(tmp_path, "select resource, column_name, reason from raw_yotpo.quarantine") == []


def test_empty_programmes_are_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, tmp_path)
    shop.smile.tables.clear()
    shop.yotpo.people.clear()
    shop.yotpo.catalogues = {name: [] for name in shop.yotpo.catalogues}
    for vendor in ("smile", "yotpo"):
        assert "customers" not in read(vendor, tmp_path), "tables without a row are not loaded"
        assert raw(tmp_path, f"select count(*) from raw_{vendor}.customers") == [(0,)]


def refusal(vendor: str, home: Path) -> str:
    """What an operator reads when a programme cannot be extracted."""
    with pytest.raises(dg.Failure) as failure, explained():
        read(vendor, home)
    return str(failure.value.description)


def test_a_redirect_is_told_with_the_setting_that_cures_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, tmp_path)
    elsewhere = Answer(301, headers={"Location": "https://api.smile.io/v1/customers"})
    shop.smile.trouble.append(lambda _: elsewhere)
    assert "SMILE_BASE_URL" in refusal("smile", tmp_path)


def test_a_page_of_html_instead_of_an_api_is_told_with_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    elsewhere = shop.smile.base_url + "wrong"
    configure(monkeypatch, shop, tmp_path, SMILE_BASE_URL=elsewhere)
    assert "SMILE_BASE_URL" in refusal("smile", tmp_path)


def test_an_answer_of_another_shape_stops_an_extraction_and_marks_nobody_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, tmp_path)
    read("smile", tmp_path)
    shop.smile.trouble.append(lambda _: Answer(body={"customer": []}))
    assert "Nothing of this run was loaded" in refusal("smile", tmp_path)
    count = raw(tmp_path, "select count(*) from raw_smile.customers")[0][0]
    assert count == len(shop.smile.tables["customers"])


@pytest.fixture
def audited(first: Snapshot, story: Installation, tmp_path: Path) -> Path:
    """A home with the story's first tables and nothing sent yet."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(story.home / "audited.duckdb", home)
    shutil.copytree(story.home / "dbt" / "target", home / "dbt" / "target")  # parsed already
    shutil.copy(story.home / "dbt" / "manifest.stamp", home / "dbt")
    return home


def send(destination: str, home: Path, run_id: str = "one") -> SyncResult:
    """Sync, and judge the outcome as the step of a run does."""
    sync, settings = declared(destination), load_settings()
    result = run_sync(sync, settings, Home(home), NOW, run_id, lambda _: None)
    assert result is not None
    tolerated = settings.rejected_share
    problem = too_many_rejected(sync, result, tolerated) or not_delivered(sync, result, tolerated)
    if problem:
        raise LoyaltyError(problem)
    return result


def everybody(home: Path, destination: str) -> set[str]:
    """Who is to have a profile, by the tables that are sent."""
    model = declared(destination).model
    with duckdb.connect(str(home / "audited.duckdb"), read_only=True) as connection:
        query = f"select email from activation.{model} where may_create_profile"
        return {email for (email,) in connection.execute(query).fetchall()}


BAD = {"ida1@strict-shop.se", "ida5@strict-shop.se", "bo.9@strict-shop.se"}


@pytest.mark.parametrize("form", ["payload", "shouting", "pointer"])
def test_rows_that_fail_inside_a_job_are_found_in_any_form_of_error(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, form: str
) -> None:
    configure(monkeypatch, shop, audited)
    shop.klaviyo.failing_later, shop.klaviyo.error_form = set(BAD), form
    result = send("klaviyo", audited)
    assert result.total("rejected") == len(BAD)
    assert shop.klaviyo.profiles.keys() == everybody(audited, "klaviyo") - BAD
    assert shop.klaviyo.violations == []


def test_a_job_refused_for_one_row_at_a_time_is_repaired_row_by_row(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)
    shop.klaviyo.refused_at_once = set(BAD)
    result = send("klaviyo", audited)
    assert result.total("rejected") == len(BAD)
    assert shop.klaviyo.profiles.keys() == everybody(audited, "klaviyo") - BAD
    assert shop.klaviyo.violations == []


def is_job(call: Call) -> bool:
    return call.method == "POST" and call.path == strict_klaviyo.JOBS


TROUBLES: dict[str, list[Any]] = {
    "a 500, then fine": [next_times(1, lambda _: Answer(500, "<html>"), is_job)],
    "a 503 with a date": [
        next_times(1, lambda _: Answer(503, headers={"Retry-After": "1"}), is_job)
    ],
    "a 429 after the 202": [
        next_times(3, lambda _: strict_klaviyo.throttled(1), lambda call: call.method == "GET")
    ],
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_passing_trouble_at_klaviyo_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, trouble: str
) -> None:
    configure(monkeypatch, shop, audited)
    shop.klaviyo.trouble = list(TROUBLES[trouble])
    result = send("klaviyo", audited)
    assert result.total("accepted") == result.total("planned")
    assert shop.klaviyo.profiles.keys() == everybody(audited, "klaviyo")
    assert send("klaviyo", audited, "two").total("planned") == 0


def test_an_import_accepted_over_a_line_that_broke_is_repeated_without_harm(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)

    def accept_and_cut(call: Call) -> Answer:
        shop.klaviyo.answer(call)
        shop.klaviyo.identities_in_flight.clear()  # nobody can know of that job
        return Answer(is_cut=True)

    shop.klaviyo.trouble = [next_times(1, accept_and_cut, is_job)]
    result = send("klaviyo", audited)
    assert result.total("accepted") == result.total("planned")
    assert len(shop.klaviyo.jobs) == 2
    assert shop.klaviyo.violations == []


def test_a_cancelled_job_is_sent_again_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)
    shop.klaviyo.ends_as = "cancelled"
    with pytest.raises(LoyaltyError, match="wait for the next run"):
        send("klaviyo", audited)
    shop.klaviyo.ends_as = "complete"
    send("klaviyo", audited, "two")
    assert shop.klaviyo.profiles.keys() == everybody(audited, "klaviyo")
    assert shop.klaviyo.violations == []


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("destination", ["klaviyo", "rule"])
def test_a_destination_that_is_down_is_a_failure_and_the_next_run_makes_up_for_it(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, nobody: str, destination: str
) -> None:
    pause = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    address = f"{destination.upper()}_BASE_URL"
    configure(monkeypatch, shop, audited, **{address: nobody})
    with pytest.raises(LoyaltyError, match=f"not delivered.*{address}"):
        send(destination, audited)
    configure(monkeypatch, shop, audited)
    send(destination, audited, "two")
    held = shop.klaviyo.profiles if destination == "klaviyo" else shop.rule.people
    assert held.keys() == everybody(audited, destination)


@pytest.mark.parametrize("destination", ["klaviyo", "rule"])
def test_a_wrong_key_of_a_destination_is_named_and_corrected_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, destination: str
) -> None:
    variable = f"{destination.upper()}_API_KEY"
    configure(monkeypatch, shop, audited, **{variable: "certainly-not-the-key"})
    with pytest.raises(ConfigurationError, match=variable) as failure:
        send(destination, audited)
    assert "certainly-not" not in str(failure.value)
    configure(monkeypatch, shop, audited)
    send(destination, audited, "two")
    held = shop.klaviyo.profiles if destination == "klaviyo" else shop.rule.people
    assert held.keys() == everybody(audited, destination)


def test_a_storm_of_429_is_sat_out(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)
    shop.klaviyo.trouble = [next_times(12, lambda _: strict_klaviyo.throttled(0))]
    pause = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    result = send("klaviyo", audited)
    assert result.total("accepted") == result.total("planned")


def test_another_revision_is_sent_when_it_is_set(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    shop.klaviyo.revision = "2026-10-15"
    configure(monkeypatch, shop, audited, KLAVIYO_REVISION="2026-10-15")
    assert send("klaviyo", audited).total("accepted") > 0
    assert shop.klaviyo.violations == []


def test_a_revision_that_was_retired_is_a_setting_to_change(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited, KLAVIYO_REVISION="2024-02-15")
    with pytest.raises(ConfigurationError, match="KLAVIYO_REVISION"):
        send("klaviyo", audited)


@pytest.mark.parametrize("form", SUCCESSES)
def test_every_reported_form_of_rules_success_is_one(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, form: str
) -> None:
    configure(monkeypatch, shop, audited)
    shop.rule.success, shop.rule.suppressed = form, {"bo.2@strict-shop.se"}
    result = send("rule", audited)
    assert result.total("accepted") == result.total("planned")
    assert shop.rule.people.keys() == everybody(audited, "rule")
    assert send("rule", audited, "two").total("planned") == 0
    assert shop.rule.violations == []


def test_one_bad_row_among_many_is_found_though_rule_does_not_say_which(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)
    shop.rule.refused = {"ida5@strict-shop.se"}
    result = send("rule", audited)
    assert result.total("rejected") == 1
    assert shop.rule.people.keys() == everybody(audited, "rule") - shop.rule.refused
    assert shop.rule.violations == []


def test_a_short_block_is_waited_for_and_a_long_one_ends_the_sync_in_one_line(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop
) -> None:
    configure(monkeypatch, shop, audited)
    shop.rule.trouble = [next_times(1, lambda call: blocked(2, call.arrived))]
    assert send("rule", audited).total("accepted") > 0
    shop.rule.people.clear()
    shutil.rmtree(audited / "locks", ignore_errors=True)
    (audited / "ledger.duckdb").unlink()
    shop.rule.trouble = [next_times(9, lambda call: blocked(600, call.arrived))]
    shop.rule.forget_calls()
    with pytest.raises(LoyaltyError, match="wait for the next run"):
        send("rule", audited, "two")
    assert len(shop.rule.calls) == 1, "asking inside a block prolongs it"
    shop.rule.trouble = []
    assert send("rule", audited, "three").total("accepted") > 0
    assert shop.rule.people.keys() == everybody(audited, "rule")


@pytest.mark.parametrize("status", [404, 200])
def test_a_tag_that_is_already_gone_is_gone(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, status: int
) -> None:
    configure(monkeypatch, shop, audited)
    shop.rule.status_of_absent_tag = status
    send("rule", audited)
    model = "activation.sync_rule__subscribers"
    left = "ida2@strict-shop.se"
    with duckdb.connect(str(audited / "audited.duckdb")) as connection:
        connection.execute(f"update {model} set tags = [] where email = '{left}'")
    shop.rule.people[left]["tags"].clear()  # somebody was quicker
    result = send("rule", audited, "two")
    assert result.total("accepted") == result.total("planned") == 1
    assert send("rule", audited, "three").total("planned") == 0
    assert shop.rule.violations == []


@pytest.mark.parametrize("answer", [Answer(409, {"error": "Duplicate"}), Answer(413, "<html>")])
def test_a_refusal_of_everything_is_an_error_and_no_endless_halving(
    monkeypatch: pytest.MonkeyPatch, audited: Path, shop: Shop, answer: Answer
) -> None:
    configure(monkeypatch, shop, audited)
    shop.rule.trouble = [lambda _: answer]
    with pytest.raises(LoyaltyError):
        send("rule", audited)
    assert len(shop.rule.calls) < 30
