"""Every documented webhook on its whole way, and the same again from all sides.

Posted to the receiver, loaded by dlt, built by dbt, told by the engine to the sandbox's Klaviyo and
Rule: once for all samples. Then everything comes again: the whole inbox, the vendors' own records
of what a webhook told before, a webhook about what the records told before, and the whole warehouse
from nothing. No event is told twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pytest
from event_models import told_before
from event_vendors import KlaviyoAccount, RuleAccount
from webhook_receivers import receiving
from webhook_samples import DOMAIN, GROUPS, SAMPLES, STORE, Body, Sample

from dlt_sources.inbox.receiver import build_app
from orchestration.cli.webhook_commands import endpoints
from orchestration.home import Home
from orchestration.inbox import load_inbox
from orchestration.programs import Program
from orchestration.settings import Settings
from reverse_etl.events.contract import EventSync
from reverse_etl.events.engine import sync_events
from reverse_etl.ledger import Ledger
from reverse_etl.results import SyncResult
from sandbox.config import SandboxConfig
from sandbox.server import running
from tests.dbt.warehouse import Warehouse

pytestmark = pytest.mark.timeout(900)  # whoever asks first waits for three builds

YOTPO, SMILE = Program("yotpo", "yotpo"), Program("smile", "smile")
SECRET, SMILE_SECRET, SMILE_HEADER = "a secret of the shop", "of the app", "X-Signature"
BUILT = ("+sync_klaviyo__events", "+sync_rule__events", "+kpi_nudge_effects_monthly")
# Redeemed and earned by the vendor's records alone, and by a webhook before the records say so.
RECORDED, ANNOUNCED = f"recorded@{DOMAIN}", f"announced@{DOMAIN}"
_LATELY = datetime.now(UTC) - timedelta(days=60)
REDEEMED_AT, EARNED_AT = f"{_LATELY:%Y-%m}-05T10:00:00.250Z", f"{_LATELY:%Y-%m}-06T10:00:00.828Z"
SMILE_BODY: Body = {
    "account_id": 1,
    "topic": "customer/updated",
    "data": {"customer": {"id": 111, "email": f"smiler@{DOMAIN}", "points_balance": 5}},
}


def announcements(email: str) -> list[Body]:
    """The webhooks of one redemption and one earning."""
    shared = {"email": email, "customer": {"email": email, "points_balance": 305}}
    redemption = {"id": 2, "created_at": REDEEMED_AT, "reward_text": f"CODE-{email}"}
    perk = {
        "id": 7,
        "reward_points": 605,
        "history_title": "Make a Purchase",
        "created_at": EARNED_AT,
        "completed_at": EARNED_AT,
    }
    return [
        {"topic": "swell/redemption/created", **shared, "redemption": redemption},
        {"topic": "swell/points/earned", **shared, "perk": perk},
    ]


def records(email: str) -> list[dict[str, Any]]:
    """The same two things as the history of a customer shows them."""
    row = {"email_key": email, "order_ids": "[]"}
    return [
        row
        | {
            "history_item_id": f"redeemed-{email}",
            "action": "$15 off",
            "status": f"CODE-{email}",
            "points": -150,
            "created_at": REDEEMED_AT,
        },
        row
        | {
            "history_item_id": f"earned-{email}",
            "action": "Make a Purchase",
            "status": "Approved",
            "points": 605,
            "created_at": EARNED_AT,
            "completed_at": EARNED_AT,
        },
    ]


@dataclass
class Shop:
    """One home in front of the sandbox; everything goes through it."""

    home: Home
    klaviyo: KlaviyoAccount
    rule: RuleAccount
    began_at: datetime
    settings: Settings = field(
        default_factory=lambda: Settings(
            YOTPO_WEBHOOK_SECRET=SECRET,
            SMILE_WEBHOOK_SECRET=SMILE_SECRET,
            SMILE_WEBHOOK_HEADER=SMILE_HEADER,
        )
    )
    runs: int = 0

    def open_warehouse(self, *recorded: str) -> None:
        """A new warehouse with everybody in it, and the history of some.

        Nobody's records say when they joined, which would be one event more about each.
        """
        self.home.warehouse.unlink(missing_ok=True)
        warehouse = self.warehouse = Warehouse(self.home.root)
        for schema in ("raw_yotpo", "raw_smile"):  # dlt makes its own
            warehouse.execute(f"drop table {schema}.webhook_events")
        seen_at = self.began_at - timedelta(days=1)
        emails = [*(sample.member for sample in SAMPLES), RECORDED, ANNOUNCED]
        warehouse.insert(
            "raw_yotpo",
            "customers",
            *(
                {"email_key": email, "email": email, "opt_in": True, "points_balance": 305}
                | {"seen_at": seen_at, "last_seen_at": seen_at}
                for email in emails
            ),
        )
        self.record(*recorded)

    def record(self, *emails: str) -> None:
        """The vendor's records tell what these did."""
        for email in emails:
            details = {"email_key": email, "email": email, "is_found": True, "opt_in": True}
            self.warehouse.insert("raw_yotpo", "customer_details", details)
            self.warehouse.insert("raw_yotpo", "history_items", *records(email))

    def post(self, *bodies: Body, source: str = "yotpo") -> list[int]:
        """Deliver to the receiver; its answers."""
        app = build_app(endpoints(self.settings, self.home), most_bytes=self.settings.webhook_bytes)
        with receiving(app) as client:
            found = []
            for body in bodies:
                content = orjson.dumps(body)
                signature = hmac.new(SMILE_SECRET.encode(), content, hashlib.sha256).digest()
                headers = {
                    self.settings.yotpo_webhook_header: SECRET,
                    SMILE_HEADER: base64.b64encode(signature).decode(),
                }
                answer = client.post(f"/webhooks/{source}", content=content, headers=headers)
                found.append(answer.status_code)
        return found

    def put_back(self) -> None:
        """The inbox as it was before anything was loaded."""
        for program in (YOTPO, SMILE):
            inbox = self.home.inbox(program.source)
            for kept in inbox.glob("loaded/*.jsonl"):
                kept.rename(inbox / "sealed" / kept.name)

    def load_and_build(self) -> list[dict[str, Any]]:
        """What waits in the inbox goes into the warehouse, and the ledger; all events then."""
        for program in (YOTPO, SMILE):
            load_inbox(program, self.settings, self.home, datetime.now(UTC), lambda _text: None)
        with duckdb.connect(str(self.home.warehouse)) as connection:
            Ledger(self.home.ledger).export(connection)
        now = datetime.now(UTC) + timedelta(seconds=1)
        self.warehouse.build(
            *(part for model in BUILT for part in ("--select", model)),
            *("--indirect-selection", "cautious"),
            now=f"{now:%Y-%m-%d %H:%M:%S}",
            yotpo_store_name=STORE,
        )
        return self.warehouse.rows("select * from marts.fct_loyalty_events")

    def tell(self) -> dict[str, SyncResult]:
        """Both vendors are told what they were not told yet."""
        self.runs += 1
        ledger = Ledger(self.home.ledger)
        return {
            account.name: sync_events(
                self.home.warehouse,
                EventSync(account.name, is_triggering=True, sends_friends=True),
                account.destination(),
                ledger,
                datetime.now(UTC),
                f"run{self.runs}",
            )
            for account in (self.klaviyo, self.rule)
        }


@dataclass(frozen=True)
class Story:
    """What was seen after each chapter."""

    answers: list[int]
    first: list[dict[str, Any]]
    told: Mapping[str, SyncResult]
    klaviyo: list[dict[str, Any]]
    rule: Mapping[str, dict[str, Any]]
    again: list[dict[str, Any]]
    told_again: Mapping[str, SyncResult]
    nudges: list[dict[str, Any]]
    anew: list[dict[str, Any]]
    told_anew: Mapping[str, SyncResult]
    after: tuple[int, list[dict[str, Any]]]
    smile_deliveries: list[dict[str, Any]]

    def event(self, sample: Sample) -> dict[str, Any]:
        """The row of a sample."""
        (row,) = (
            row
            for row in self.first
            if (row["event_type"], row["email"]) == (sample.event_type, sample.addressee)
            and row["origin"] == "webhook"
        )
        return row


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with running(SandboxConfig(customers=20, limits_scale=1_000)) as sandbox:
        home = Home(tmp_path_factory.mktemp("samples") / "home")
        home.prepare()
        environment = dict(sandbox.environment)
        shop = Shop(
            home,
            KlaviyoAccount(sandbox.control, environment),
            RuleAccount(sandbox.control, environment),
            datetime.now(UTC).replace(microsecond=0),
        )
        shop.open_warehouse(RECORDED)
        for account in (shop.klaviyo, shop.rule):
            told_before(Ledger(home.ledger), account.name)
        bodies = [sample.body for sample in SAMPLES]
        answers = shop.post(*bodies, *announcements(ANNOUNCED))
        answers += shop.post(SMILE_BODY, source="smile")
        first = shop.load_and_build()
        told = shop.tell()
        klaviyo, rule = _named(shop.klaviyo), shop.rule.people()
        # the inbox once more, every body once more, and each origin tells what the other had told
        sandbox.control.reset_requests()
        shop.put_back()
        answers += shop.post(*bodies, *announcements(RECORDED))
        shop.record(ANNOUNCED)
        again = shop.load_and_build()
        nudges = shop.warehouse.rows(
            "select * from marts.kpi_nudge_effects_monthly "
            "where window_days = 7 and outcome = 'redeemed'"
        )
        told_again = shop.tell()
        # nothing is left but the inbox, the vendors and the ledger
        shop.put_back()
        shop.open_warehouse(RECORDED, ANNOUNCED)
        anew = shop.load_and_build()
        yield Story(
            answers, first, told, klaviyo, rule, again, told_again, nudges,
            anew, shop.tell(),
            (shop.klaviyo.writes() + shop.rule.writes(), _named(shop.klaviyo)),
            shop.warehouse.rows("select topic, customer_id from raw_smile.webhook_events"),
        )  # fmt: skip
        shop.klaviyo.close()
        shop.rule.close()


def _named(account: KlaviyoAccount) -> list[dict[str, Any]]:
    """What Klaviyo stores, each event with the name of its metric."""
    metrics = account.api().get_json("/api/metrics", limit="events")["data"]
    names = {metric["id"]: metric["attributes"]["name"] for metric in metrics}
    return [{**event, "metric": names[event["metric_id"]]} for event in account.events()]


def test_every_delivery_is_answered_with_200(story: Story) -> None:
    assert set(story.answers) == {200}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_the_right_event(story: Story, sample: Sample) -> None:
    row = story.event(sample)
    assert (row["vendor"], row["member_id"]) == ("yotpo", sample.member)
    assert row["is_about_friend"] is sample.friend
    assert orjson.loads(row["properties"]) == sample.body
    if sample.happened_at is None:  # then it is the time of the delivery
        assert not row["is_first_load"]
    else:
        assert f"{row['occurred_at']:%Y-%m-%dT%H:%M:%S}" == sample.happened_at[:19]
        assert row["is_first_load"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_told_to_klaviyo_with_every_property(story: Story, sample: Sample) -> None:
    row = story.event(sample)
    found = [
        event
        for event in story.klaviyo
        if event["event_properties"]["$event_id"] == row["event_id"]
    ]
    if sample.metric is None:
        assert found == []
        return
    (event,) = found
    assert event["metric"] == sample.metric
    assert event["datetime"][:19] == f"{row['occurred_at']:%Y-%m-%dT%H:%M:%S}"
    properties = {k: v for k, v in event["event_properties"].items() if k != "$event_id"}
    assert properties == _without_nulls(sample.body)
    # history starts no flow, what happens now does
    assert event["backfill"] is (sample.happened_at is not None)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_told_to_rule_with_tag_and_every_field_of_its_groups(
    story: Story, sample: Sample
) -> None:
    person = story.rule.get(sample.addressee, {"tags": [], "fields": {}})
    if sample.tag is None:
        assert person["fields"] == {}
        return
    assert sorted(person["tags"]) == sorted({sample.tag, "Yotpo"} - {""})
    flat = {
        f"{group}.{name}": value
        for group, fields in person["fields"].items()
        for name, value in fields.items()
    }
    wanted = sample.fields()
    assert flat == wanted
    promised = {name for group in sample.groups for name in GROUPS[group]}
    assert promised - set(wanted) == sample.lacks, "what the documented body itself has not"


def test_the_samples_cover_rules_table_of_events(story: Story) -> None:
    """Twenty events; opting in and out are one of them."""
    told = {sample.event_type for sample in SAMPLES if sample.tag is not None}
    assert len(told - {"loyalty_opt_out"}) == 20


def test_smiles_only_webhook_is_kept_and_is_no_event(story: Story) -> None:
    assert story.smile_deliveries == [{"topic": "customer/updated", "customer_id": "111"}]
    assert [row for row in story.first if row["vendor"] == "smile"] == []


def test_the_first_time_everything_is_accepted(story: Story) -> None:
    for vendor, result in story.told.items():
        counts = result.counts["add"]
        assert result.status == "succeeded", vendor
        assert (counts.rejected, counts.invalid, counts.aborted) == (0, 0, 0), vendor
        told = [s for s in SAMPLES if (s.metric if vendor == "klaviyo" else s.tag) is not None]
        others = 2 * len((RECORDED, ANNOUNCED))
        assert counts.accepted == counts.planned == len(told) + others, vendor


@pytest.mark.parametrize("chapter", ["again", "anew"])
def test_a_replay_of_inbox_or_history_makes_no_second_event(story: Story, chapter: str) -> None:
    rows: list[dict[str, Any]] = getattr(story, chapter)
    ids = [row["event_id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert set(ids) == {row["event_id"] for row in story.first}


@pytest.mark.parametrize("email", [RECORDED, ANNOUNCED])
def test_whoever_tells_first_it_is_one_event_and_the_webhook_speaks(
    story: Story, email: str
) -> None:
    def told(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        kinds = ("coupon_redeemed", "points_earned")
        return {
            row["event_type"]: (row["event_id"], row["origin"])
            for row in rows
            if row["member_id"] == email and row["event_type"] in kinds
        }

    before, after = told(story.first), told(story.again)
    assert len(before) == 2
    assert {origin for _, origin in before.values()} == {"rest" if email == RECORDED else "webhook"}
    assert {origin for _, origin in after.values()} == {"webhook"}
    assert {kind: key for kind, (key, _) in before.items()} == {
        kind: key for kind, (key, _) in after.items()
    }
    assert told(story.anew) == after


def test_no_replay_asks_a_vendor_for_anything(story: Story) -> None:
    for results in (story.told_again, story.told_anew):
        assert {vendor: result.requests for vendor, result in results.items()} == {
            "klaviyo": {},
            "rule": {},
        }
    writes, stored = story.after
    assert writes == 0
    assert len(stored) == len(story.klaviyo)


def test_a_reminder_counts_as_told_when_a_vendor_took_it_and_not_as_history(story: Story) -> None:
    found = {
        row["event_type"]: (
            row["nudge_count"],
            row["told_nudge_count"],
            row["told_waiting_count"],
            row["untold_member_count"],
        )
        for row in story.nudges
    }
    live = (
        *("points_reminder", "redemption_reminder", "loyalty_expiration_reminder"),
        *("vip_tier_earned", "vip_tier_lost", "vip_tier_status_change"),
    )
    history = ("customer_birthday", "customer_anniversary")  # of 2016
    assert found == dict.fromkeys(live, (1, 1, 1, 0)) | dict.fromkeys(history, (1, 0, 0, 1))


def _without_nulls(value: Any) -> Any:
    """Klaviyo takes a null for never set, so none is sent; lists stay as they are."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value
