"""Tags that differ from person to person: all of them arrive, in few calls, whatever is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from reverse_etl_models import NOW, member, publish, run, spec, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from sandbox.config import SandboxConfig
from sandbox.server import running

SEGMENTS = [f"loyalty-segment-{name}" for name in ("active", "coupon", "lapsed", "birthday")]
PEOPLE = 64


@pytest.fixture
def rule() -> Iterator[Vendor]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        vendor = Vendor("rule", started.control, started.environment, [])
        for record in vendor.records():
            started.control.call("DELETE", f"/rule/subscribers/{record['id']}")
        started.control.reset_requests()
        yield vendor
        for client in vendor.open_clients:
            client.close()


def crowd() -> list[dict[str, Any]]:
    """Sixteen sets of tags, four people each."""
    return [
        member(
            f"person{number}@shop.se",
            tags=[
                "loyalty-member",
                *(tag for place, tag in enumerate(SEGMENTS) if number >> place & 1),
            ],
        )
        for number in range(PEOPLE)
    ]


def test_many_small_sets_of_tags_cost_a_call_per_tag_not_per_set(
    rule: Vendor, tmp_path: Path
) -> None:
    rows = crowd()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    result = run(publish(tmp_path / "p.duckdb", rows), ledger, rule.destination(), "first")
    assert result.total("accepted") == PEOPLE
    shown = rule.held()
    assert {row["email"]: shown[row["email"]] for row in rows} == {
        row["email"]: {k: v for k, v in wanted("rule", row).items() if v != ""} for row in rows
    }
    assert rule.writes() == 1 + len(SEGMENTS)


def test_a_refused_tag_leaves_its_people_to_the_next_run(rule: Vendor, tmp_path: Path) -> None:
    rows = crowd()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    published = publish(tmp_path / "p.duckdb", rows)
    rule.control.faults("rule", error={"status": 400, "after": 2, "next": 1})
    first = run(published, ledger, rule.destination(), "first")
    assert first.total("accepted") == PEOPLE / 2, "the fields and one tag went through"
    rule.control.faults("rule")
    run(published, ledger, rule.destination(), "second")
    shown = rule.held()
    for row in rows:
        tags = {name for name in shown[row["email"]] if name.startswith("tag:")}
        assert tags == {f"tag:{tag}" for tag in row["tags"]}
    rule.control.reset_requests()
    run(published, ledger, rule.destination(), "third")
    assert rule.writes() == 0


@pytest.mark.parametrize("absent_tag", ["not_found", "success"])
def test_tags_that_are_gone_already_stop_no_sync_and_those_that_are_not_go(
    rule: Vendor, tmp_path: Path, absent_tag: str
) -> None:
    """As after an older ledger was put back: most of what it would remove was removed since."""
    rule.control.switch("rule", absent_tag=absent_tag)
    rows = crowd()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    run(publish(tmp_path / "p.duckdb", rows), ledger, rule.destination(), "first")
    spared = {row["email"] for row in rows[-2:]}
    for record in rule.records():
        if record["email"] not in spared:
            path = f"/rule/subscribers/{record['id']}"
            rule.control.call("PATCH", path, {"tags": ["loyalty-member", "Newsletter"]})
    rule.control.reset_requests()
    plain = [member(row["email"], tags=["loyalty-member"]) for row in rows]
    result = run(publish(tmp_path / "q.duckdb", plain), ledger, rule.destination(), "second")
    assert result.status == "succeeded"
    shown = rule.held()
    tags = {email: {name for name in held if "tag:" in name} for email, held in shown.items()}
    assert all(tags[row["email"]] == {"tag:loyalty-member", "tag:Newsletter"} for row in rows[:-2])
    assert all(tags[row["email"]] == {"tag:loyalty-member"} for row in rows[-2:])
    refused = rule.control.requests("rule")["statuses"].get("404", 0)
    assert refused == (1 if absent_tag == "not_found" else 0)


def test_after_a_cut_between_fields_and_tags_only_the_tags_are_sent(
    rule: Vendor, tmp_path: Path
) -> None:
    rows = crowd()
    ledger = Ledger(tmp_path / "ledger.duckdb")
    published = publish(tmp_path / "p.duckdb", rows)
    rule.control.faults("rule", cut_connection={"after": 1})
    first = run(published, ledger, rule.destination(), "first")
    assert (first.status, first.total("accepted")) == ("aborted", 4)  # who gets no further tag
    rule.control.faults("rule")
    with plan_sync(published, ledger, spec("rule"), NOW, "second") as plan:
        patches = [orjson.loads(row.patch) for row in plan.rows()]
    assert len(patches) == PEOPLE - 4
    compared = {str(item.name) for item in spec("rule").properties if item.is_compared}
    assert not compared & set().union(*patches), "the fields were written before"
    assert "tag:loyalty-member" not in set().union(*patches)
    run(published, ledger, rule.destination(), "second")
    shown = rule.held()
    assert {row["email"]: shown[row["email"]] for row in rows} == {
        row["email"]: {k: v for k, v in wanted("rule", row).items() if v != ""} for row in rows
    }
    rule.control.reset_requests()
    run(published, ledger, rule.destination(), "third")
    assert rule.writes() == 0
