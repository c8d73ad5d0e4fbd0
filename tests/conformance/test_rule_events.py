"""Events told to Rule, over real HTTP against the sandbox: data always, automations on purpose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from event_models import Row, ago, publish, rule_event, run, told_before
from event_vendors import RULE_POST, RuleAccount
from rule_witness import RuleWitness

from reverse_etl.events.contract import EventSync
from reverse_etl.ledger import Ledger
from reverse_etl.results import SyncResult
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

TRIGGERING = EventSync("rule", is_triggering=True)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def account(sandbox: RunningSandbox) -> Iterator[RuleAccount]:
    sandbox.control.faults("rule")
    sandbox.control.reset_switches("rule")
    sandbox.control.switch("rule", v2_status="shown")
    sandbox.control.reset_limits()
    sandbox.control.reset_requests()
    found = RuleAccount(sandbox.control, dict(sandbox.environment))
    yield found
    sandbox.control.faults("rule")
    found.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.duckdb")
    told_before(found, "rule")
    return found


class Shop:
    """A ledger and a published file, synced again and again."""

    def __init__(self, account: RuleAccount, ledger: Ledger, folder: Path) -> None:
        self.account = account
        self.ledger = ledger
        self._published = folder / "published.duckdb"
        self._runs = 0

    def tell(self, *rows: Row, sync: EventSync = TRIGGERING, **options: Any) -> SyncResult:
        """One sync of these events."""
        self._runs += 1
        publish(self._published, "rule", rows)
        destination = self.account.destination(**options)
        return run(self._published, self.ledger, destination, f"run{self._runs}", sync)

    def states(self) -> dict[str, tuple[str, str | None]]:
        """Event -> state and reason."""
        with self.ledger.open() as db:
            found = db.execute("select event_id, state, reason_code from events").fetchall()
        return {key: (state, reason) for key, state, reason in found}


@pytest.fixture
def shop(account: RuleAccount, ledger: Ledger, tmp_path: Path) -> Shop:
    return Shop(account, ledger, tmp_path)


def test_fields_and_tags_arrive_and_start_nothing_and_a_replay_asks_for_nothing(
    shop: Shop, rule_witness: RuleWitness
) -> None:
    fields = {
        "Yotpo.StoreName": "Shop", "Yotpo.PointsBalance": 0, "Yotpo.IsMember": True,
        "Yotpo.LastSeenAt": "2026-11-20 10:00:00", "Yotpo.PointsExpireAt": "",
        "Yotpo.PerkID": None, "Subscriber.Birthday": "1990-02-03",
    }  # fmt: skip
    rows = [
        rule_event("d1", "data@data.se", fields=fields),
        rule_event("d2", "captured@data.se", tag=None, fields={"Subscriber.FirstName": "Å"}),
        rule_event("d3", "old@data.se", occurred_at=ago(days=90), is_first_load=True),
    ]
    result = shop.tell(*rows, sync=EventSync("rule"))
    assert (result.total("accepted"), result.requests) == (3, {"POST": 2})
    people = shop.account.people()
    told = people["data@data.se"]
    assert sorted(told["tags"]) == ["PointsEarned", "Yotpo"]
    assert told["fields"] == {
        "Yotpo": {
            "StoreName": "Shop", "PointsBalance": "0", "IsMember": "true",
            "LastSeenAt": "2026-11-20 10:00:00",
        },
        "Subscriber": {"Birthday": "1990-02-03"},
    }  # fmt: skip
    assert people["captured@data.se"]["tags"] == []
    assert [shop.account.started(row["email"]) for row in rows] == [[], [], []]
    sent = [field for body in rule_witness.upserts() for p in body["subscribers"]
            for field in p["fields"]]  # fmt: skip
    assert {field["key"]: field["type"] for field in sent}["Yotpo.LastSeenAt"] == "datetime"
    assert {field["key"]: field["type"] for field in sent}["Subscriber.Birthday"] == "date"
    shop.account.control.reset_requests()
    assert shop.tell(*rows, sync=EventSync("rule")).requests == {}
    assert shop.account.writes() == 0


def test_a_persons_events_leave_one_after_the_other_and_the_last_one_stays(
    shop: Shop, rule_witness: RuleWitness
) -> None:
    rows = [
        rule_event(
            f"o{at}", "order@order.se", occurred_at=ago(hours=at), fields={"Yotpo.PerkID": str(at)}
        )
        for at in (3, 1, 2)
    ]
    others = [rule_event(f"p{at}", f"p{at}@order.se") for at in range(5)]
    data = EventSync("rule")
    result = shop.tell(*rows, *others, sync=data)
    assert (result.total("accepted"), len(rule_witness.upserts())) == (8, 4)
    assert shop.account.people()["order@order.se"]["fields"]["Yotpo"]["PerkID"] == "1"
    # Heard of late: its tag is news, its fields are not.
    late = rule_event(
        "late", "order@order.se", tag="Late", occurred_at=ago(hours=9),
        fields={"Yotpo.PerkID": "9"},
    )  # fmt: skip
    without_tag = rule_event("later", "order@order.se", tag=None, occurred_at=ago(hours=8))
    shop.tell(*rows, *others, late, without_tag, sync=data)
    person = shop.account.people()["order@order.se"]
    assert (person["fields"]["Yotpo"]["PerkID"], "Late" in person["tags"]) == ("1", True)
    assert shop.states()["later"] == ("skipped", "nothing_to_tell")


@pytest.mark.parametrize("mode", [None, "once", "reset", "force"])
def test_live_events_start_their_tags_automation_in_the_mode_of_the_mapping(
    shop: Shop, rule_witness: RuleWitness, mode: str | None
) -> None:
    rule_witness.may_trigger = True
    name = f"mode{mode}".lower()
    emails = [f"person{at}@{name}.se" for at in range(25)]
    for email in emails:
        shop.account.seed(email)
    rows = [rule_event(f"{name}{at}", email, automation=mode) for at, email in enumerate(emails)]
    result = shop.tell(*rows)
    assert (result.total("accepted"), result.status) == (25, "succeeded")
    wire = {None: "send", "once": "send"}.get(mode, mode)
    for email in emails:
        assert shop.account.started(email) == [("PointsEarned", wire)]
        assert sorted(shop.account.people()[email]["tags"]) == ["PointsEarned", "Yotpo"]
    assert shop.tell(*rows).requests == {}
    again = [rule_event(f"{name}b{at}", email, automation=mode) for at, email in enumerate(emails)]
    shop.tell(*rows, *again)
    passes = 1 if wire == "send" else 2
    assert {len(shop.account.started(email)) for email in emails} == {passes}


def test_history_and_the_first_load_start_nothing_whatever_is_switched_on(
    shop: Shop, rule_witness: RuleWitness
) -> None:
    rule_witness.may_trigger = True
    shop.account.seed("past@past.se")
    rows = [
        rule_event("past1", "past@past.se", occurred_at=ago(hours=49)),
        rule_event("past2", "past@past.se", is_first_load=True),
        rule_event("past3", "past@past.se", tag=None),
    ]
    assert shop.tell(*rows).total("accepted") == 3
    assert shop.account.started("past@past.se") == []
    fresh = Ledger(shop.ledger.path.with_name("fresh.duckdb"))  # lost, so all is history
    young = [rule_event("past4", "past@past.se")]
    Shop(shop.account, fresh, fresh.path.parent).tell(*young)
    assert shop.account.started("past@past.se") == []


QUIET = {
    "blocked": {"status": "BLOCKED"},
    "pending": {"status": "PENDING"},
    "suppressed": {
        "suppressions": [{"dispatcher_type": "campaign", "message_type": "email"}],
    },
}


@pytest.mark.parametrize("mode", ["once", "force"])
def test_whoever_is_not_known_to_be_active_gets_the_data_alone_and_stays_what_they_are(
    shop: Shop, rule_witness: RuleWitness, mode: str
) -> None:
    rule_witness.may_trigger = True
    for name, state in QUIET.items():
        shop.account.seed(f"{name}@{mode}.se", **state)
    names = [*QUIET, "unknown"]
    rows = [rule_event(f"{name}{mode}", f"{name}@{mode}.se", automation=mode) for name in names]
    assert shop.tell(*rows).total("accepted") == 4
    people = shop.account.people()
    reasons = {"unknown": "unknown_person"}
    for name in names:
        email = f"{name}@{mode}.se"
        assert shop.account.started(email) == []
        assert "PointsEarned" in people[email]["tags"]
        told = ("accepted", f"not_triggered_{reasons.get(name, name)}")
        assert shop.states()[f"{name}{mode}"] == told
    assert people[f"blocked@{mode}.se"]["status"] == "BLOCKED"
    assert people[f"pending@{mode}.se"]["status"] == "PENDING"
    assert len(people[f"suppressed@{mode}.se"]["suppressions"]) == 1


@pytest.mark.parametrize(
    ("sign", "shown", "blocked_opted_in", "active", "blocked"),
    [
        ("status", "hidden", "true", "not_triggered_status_not_told", "status_not_told"),
        ("status", "hidden", "false", "not_triggered_status_not_told", "not_opted_in"),
        ("status", "shown", "true", None, "blocked"),
        ("opted_in", "hidden", "false", None, "not_opted_in"),
        ("opted_in", "shown", "true", None, "blocked"),
    ],
)
def test_every_reading_of_who_is_active_leaves_the_blocked_alone(
    shop: Shop,
    rule_witness: RuleWitness,
    sign: str,
    shown: str,
    blocked_opted_in: str,
    active: str | None,
    blocked: str,
) -> None:
    rule_witness.may_trigger = True
    shop.account.control.switch("rule", v2_status=shown, blocked_opted_in=blocked_opted_in)
    name = f"{sign}{shown}{blocked_opted_in}".replace("_", "-")
    shop.account.seed(f"active@{name}.se")
    shop.account.seed(f"blocked@{name}.se", status="BLOCKED")
    rows = [rule_event(f"{who}{name}", f"{who}@{name}.se") for who in ("active", "blocked")]
    shop.tell(*rows, active_sign=sign)
    assert shop.states()[f"active{name}"] == ("accepted", active)
    assert shop.states()[f"blocked{name}"] == ("accepted", f"not_triggered_{blocked}")
    assert shop.account.people()[f"blocked@{name}.se"]["status"] == "BLOCKED"
    assert shop.account.started(f"blocked@{name}.se") == []
    assert len(shop.account.started(f"active@{name}.se")) == (active is None)


@pytest.mark.parametrize("mode", ["once", "reset", "force"])
def test_an_event_of_unknown_outcome_is_told_again_without_an_automation(
    shop: Shop, rule_witness: RuleWitness, mode: str
) -> None:
    rule_witness.may_trigger = True
    email = f"cut@{mode}cut.se"
    shop.account.seed(email)
    post, put = RULE_POST, "PUT /api/v3/subscribers/{identifier}/tags"
    cut = {"next": 1, "operation": put} if mode == "once" else {
        "next": 1, "after": 1, "operation": post,
    }  # fmt: skip
    shop.account.control.faults("rule", cut_after=cut)
    row = rule_event(f"cut{mode}", email, automation=mode)
    first = shop.tell(row, max_attempts=1)
    assert (first.status, first.total("aborted")) == ("aborted", 1)
    assert len(shop.account.started(email)) == 1  # it was accepted, and nobody heard of it
    second = shop.tell(row)
    assert (second.status, second.total("accepted")) == ("succeeded", 1)
    assert len(shop.account.started(email)) == 1


def test_events_about_friends_leave_only_where_that_is_switched_on(shop: Shop) -> None:
    rows = [
        rule_event("friend", "friend@friend.se", is_friend=True),
        rule_event("unsure", "unsure@friend.se", is_friend=None),
    ]
    assert shop.tell(*rows, sync=EventSync("rule")).requests == {}
    assert shop.states()["friend"] == ("skipped", "friend_events_off")
    assert shop.tell(*rows, sync=EventSync("rule")).total("planned") == 0
    on = shop.tell(*rows, sync=EventSync("rule", sends_friends=True))
    assert on.total("accepted") == 2
    assert "friend@friend.se" in shop.account.people()


def test_what_rule_reads_as_something_else_is_not_sent(shop: Shop) -> None:
    rows = [
        rule_event("digits", "a@bad.se", tag="4711"),
        rule_event("clear", "b@bad.se", tag="Clear"),
        rule_event("field", "c@bad.se", fields={"Yotpo.A.B": "x"}),
        rule_event("quote", "d@bad.se", fields={'Yotpo.A"B': "x"}),
        rule_event("large", "e@bad.se", fields={"Yotpo.A": "x" * 65_000}),
    ]
    assert shop.tell(*rows, sync=EventSync("rule")).total("invalid") == 5
    codes = [shop.states()[row["event_id"]][1] for row in rows]
    assert codes == ["unusable_tag"] * 2 + ["unusable_field"] * 2 + ["payload_too_large"]
    assert shop.account.writes() == 0


def test_a_refused_call_is_split_until_the_one_bad_event_is_found(shop: Shop) -> None:
    rows = [rule_event(f"split{at}", f"person{at}@split.se") for at in range(40)]
    rows[17]["fields"] = {"Yotpo.LastSeenAt": "tomorrow"}
    result = shop.tell(*rows, sync=EventSync("rule"))
    assert (result.total("accepted"), result.total("rejected")) == (39, 1)
    assert shop.states()["split17"] == ("rejected", "BadRequest")


def test_history_leaves_alone_what_the_sync_of_people_writes(shop: Shop) -> None:
    balance = {"key": "Yotpo.PointsBalance", "value": "250", "type": "text"}
    for name in ("past", "young"):
        shop.account.seed(f"{name}@present.se", fields=[balance])
    fields = {"Yotpo.PointsBalance": "7", "Yotpo.PerkID": "8"}
    old = rule_event("pf1", "past@present.se", fields=fields, is_first_load=True)
    live = rule_event("pf2", "young@present.se", fields=fields)
    only = rule_event("pf3", "past@present.se", fields={"Yotpo.PointsBalance": "7"}, tag=None)
    sync = EventSync("rule", present_fields=frozenset({"Yotpo.PointsBalance"}))
    shop.tell(old, live, only | {"is_first_load": True}, sync=sync)
    people = shop.account.people()
    assert people["past@present.se"]["fields"]["Yotpo"] == {"PointsBalance": "250", "PerkID": "8"}
    assert people["young@present.se"]["fields"]["Yotpo"] == {"PointsBalance": "7", "PerkID": "8"}
    assert shop.states()["pf3"] == ("skipped", "nothing_to_tell")
