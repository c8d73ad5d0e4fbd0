"""Tags that differ from person to person: all of them arrive, in few calls, whatever is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import member, publish, run, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.ledger import Ledger
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
