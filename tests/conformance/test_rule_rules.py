"""Rule's own rules: types, tags, consent, sizes, and one bad row among a thousand."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import NOW, assert_tied, member, publish, run, spec, wanted
from reverse_etl_vendors import Vendor
from rule_witness import RuleWitness, faults

from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

LIMIT = 65_000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def rule(sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor("rule", sandbox.control, sandbox.environment, [])
    sandbox.control.faults("rule")
    sandbox.control.reset_switches("rule")
    sandbox.control.reset_limits()
    for record in found.records():
        sandbox.control.call("DELETE", f"/rule/subscribers/{record['id']}")
    sandbox.control.reset_requests()
    yield found
    sandbox.control.faults("rule")
    for client in found.open_clients:
        client.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def crowd(count: int, **values: Any) -> list[dict[str, Any]]:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


def sync(
    rule: Vendor, ledger: Ledger, path: Path, rows: list[dict[str, Any]], **options: Any
) -> Any:
    published = publish(path / "p.duckdb", rows)
    result = run(published, ledger, rule.destination(**options), f"run{rule.writes()}")
    assert_tied(result)
    return result


def rejections(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.open() as db:
        return db.execute(
            "select email, reason_code, reason from rejections order by email"
        ).fetchall()


def errors(rule: Vendor) -> int:
    statuses = rule.control.requests("rule")["statuses"]
    return sum(count for status, count in statuses.items() if int(status) >= 400)


def another_type(rule: Vendor, key: str, kind: str, value: str) -> None:
    """Another tool gave the field a type of its own."""
    rule.control.switch("rule", type_change="changed")
    field = {"key": key, "value": value, "type": kind}
    rule.seed(email="other@shop.se", fields=[field])
    rule.control.switch("rule", type_change="refused")


def test_rows_that_disagree_with_a_type_at_rule_are_told_by_name_and_the_rest_goes_on(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    another_type(rule, "Loyalty.TierAtRisk", "date", "2026-01-01")
    bad = [member(f"bad{index}@shop.se", at_risk=True) for index in range(30)]
    result = sync(rule, ledger, tmp_path, [*crowd(60), *bad], bulk_rows=20)
    assert (result.total("accepted"), result.total("rejected")) == (60, 30)
    said = rejections(ledger)
    assert {row[1:] for row in said} == {
        ("field_type_differs", "Loyalty.TierAtRisk is date at Rule, text here")
    }
    assert errors(rule) == 2, "the first refusal, and the one row that was tried alone"


def test_a_type_that_everybody_disagrees_with_costs_two_refusals(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    another_type(rule, "Subscriber.Birthday", "text", "in May")
    rows = crowd(30, birthday=date(1990, 5, 17))
    result = sync(rule, ledger, tmp_path, rows, bulk_rows=10)
    assert result.total("rejected") == 30
    assert errors(rule) == 2


def test_where_rule_changes_the_type_instead_nobody_is_refused_for_it(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    another_type(rule, "Loyalty.TierAtRisk", "date", "2026-01-01")
    rule.control.switch("rule", type_change="changed")
    rule.control.faults("rule", error={"status": 400, "next": 1})
    result = sync(rule, ledger, tmp_path, crowd(40, at_risk=False))
    assert result.total("accepted") == 40


def test_one_bad_row_in_a_thousand_is_refused_alone(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    # Rule looks at the whole group, foreign fields included; we know of our own only.
    rule.seed(
        email="person500@shop.se",
        fields=[{"key": "Loyalty.Foreign", "value": "x" * (LIMIT - 100), "type": "text"}],
    )
    result = sync(rule, ledger, tmp_path, crowd(1000, tier="Silver" * 20))
    assert (result.total("accepted"), result.total("rejected")) == (999, 1)
    assert [row[:2] for row in rejections(ledger)] == [("person500@shop.se", "BadRequest")]
    assert errors(rule) <= 5, "eighths of eighths: 1,000, 125, 16, 2 and 1"
    assert rule.writes() <= 1 + 8 * 4
    assert errors(rule) / rule.writes() < 0.4


@pytest.mark.parametrize("fill", ["x", "å", '"'])
def test_a_group_of_65_000_bytes_never_leaves(fill: str, ledger: Ledger, tmp_path: Path) -> None:
    """The documents say 65 KB in one place and 65,000 characters in another."""
    size = len(fill.encode())
    rows = [
        member("large@shop.se", tier=fill * (LIMIT // size)),
        member("small@shop.se", tier=fill * (LIMIT // size // 3)),
    ]
    published = publish(tmp_path / "p.duckdb", rows)
    with plan_sync(published, ledger, spec("rule"), NOW, "plan") as plan:
        assert [row.email for row in plan.rows()] == ["small@shop.se"]
        refused = plan.refused().to_pylist()
    assert [(row["email"], row["reason_code"]) for row in refused] == [
        ("large@shop.se", "payload_too_large")
    ]


def test_a_call_that_is_too_large_for_rule_is_split_and_arrives(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = crowd(1100)
    result = sync(rule, ledger, tmp_path, rows, bulk_rows=1100)
    assert result.total("accepted") == 1100
    assert rule.control.requests("rule")["statuses"]["413"] == 1
    assert rule.writes() == 1 + 8


def test_tier_and_segment_tags_move_with_the_member_and_foreign_tags_stay(
    rule: Vendor, ledger: Ledger, rule_witness: RuleWitness, tmp_path: Path
) -> None:
    rule.seed(email="person0@shop.se", tags=["newsletter"])
    tags = ["loyalty-member", "loyalty-tier-gold", "loyalty-segment-active"]
    sync(rule, ledger, tmp_path, crowd(2, tags=[*tags, tags[0], f" {tags[1]} "]))
    assert rule_witness.upserts()[0]["tags"] == sorted(tags), "each once, trimmed"
    moved = ["loyalty-member", "loyalty-tier-silver", "loyalty-segment-lapsed"]
    rows = [*crowd(1, tier="Silver", tags=moved), member("person1@shop.se", tags=[])]
    sync(rule, ledger, tmp_path, rows)
    shown = {
        email: {name for name in values if name.startswith("tag:")}
        for email, values in rule.held().items()
    }
    assert shown == {
        "person0@shop.se": {"tag:newsletter", *(f"tag:{tag}" for tag in moved)},
        "person1@shop.se": set(),
    }
    assert rule.control.call("GET", "/rule/automations") == []


@pytest.mark.parametrize("tag", ["2026", "clear", "CLEAR", 'a"b'])
def test_a_tag_that_rule_would_read_as_something_else_never_leaves(
    tag: str, rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [member("bad@shop.se", tags=[tag]), member("good@shop.se")]
    result = sync(rule, ledger, tmp_path, rows)
    assert (result.total("accepted"), result.total("invalid")) == (1, 1)
    assert rejections(ledger)[0][:2] == ("bad@shop.se", "unusable_tag")


SUPPRESSION = {"dispatcher_type": "campaign", "message_type": "email"}


@pytest.mark.parametrize("written", ["written", "skipped"])
def test_blocked_pending_and_suppressed_people_stay_what_they_are(
    written: str, rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    """Whether Rule writes their fields is not known; their state is theirs in either case."""
    rule.control.switch("rule", upsert_blocked=written, upsert_suppressed=written)
    rule.seed(email="person0@shop.se", status="BLOCKED")
    rule.seed(email="person1@shop.se", status="PENDING")
    rule.seed(email="person2@shop.se", suppressions=[SUPPRESSION])
    kept = ("status", "opted_in", "suppressions", "phone_number", "language")
    before = {r["email"]: [r[name] for name in kept] for r in rule.records()}
    sync(rule, ledger, tmp_path, crowd(4))
    sync(rule, ledger, tmp_path, crowd(4, points=0, tier=None, tags=["loyalty-member"]))
    sync(rule, ledger, tmp_path, [])
    after = {r["email"]: [r[name] for name in kept] for r in rule.records()}
    assert {email: after[email] for email in before} == before
    assert rule.control.call("GET", "/rule/automations") == []


def test_suppressed_people_are_told_apart_in_the_ledger_where_rule_names_them(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rule.control.switch("rule", multi_response="entries")
    rule.seed(email="person1@shop.se", suppressions=[SUPPRESSION])
    assert sync(rule, ledger, tmp_path, crowd(3)).total("accepted") == 3
    with ledger.open() as db:
        told = db.execute("select email from profiles where reason_code = 'suppressed'").fetchall()
    assert told == [("person1@shop.se",)]
    assert rule.held()["person1@shop.se"] == wanted("rule", crowd(2)[1])


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("PUT", "/api/v3/subscribers/a@b.co/tags", b'{"automation":"send"}', "no use"),
        ("POST", "/api/v3/subscribers/unblock", b"{}", "no use"),
        ("DELETE", "/api/v3/custom-field-data/1/group/Subscriber", b"", "not our own"),
        ("DELETE", "/api/v2/subscribers/a@b.co/tags/clear", b"", "all tags"),
        (
            "POST",
            "/api/v2/subscribers",
            b'{"update_on_duplicate":true,"automation":"reset","sync_subscribers":false,'
            b'"subscribers":[]}',
            "automation is not switched off",
        ),
        (
            "POST",
            "/api/v2/subscribers",
            b'{"update_on_duplicate":true,"automation":false,"sync_subscribers":false,'
            b'"fields_clear":true,"subscribers":[{"email":"a@b.co"}]}',
            "fields_clear",
        ),
    ],
)
def test_the_witness_finds_what_must_not_be_sent(
    method: str, path: str, body: bytes, told: str
) -> None:
    (found,) = faults(method, path, body)
    assert told in found
