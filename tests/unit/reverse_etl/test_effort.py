"""What a plan says it would cost is what sending it costs."""

from pathlib import Path

import pytest
from reverse_etl_models import NOW, ModelVendor, member, publish, run, spec

from reverse_etl.destinations import klaviyo, rule, rule_account
from reverse_etl.effort import effort
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync


def test_klaviyo_needs_a_job_per_ten_thousand_and_a_request_per_person_who_loses_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(klaviyo, "BULK_ROWS", 100)
    ledger = Ledger(tmp_path / "ledger.duckdb")
    people = [member(f"person{index}@shop.se") for index in range(201)]
    published = publish(tmp_path / "p.duckdb", people)
    with plan_sync(published, ledger, spec("klaviyo"), NOW, "plan") as plan:
        assert effort(plan).requests == 3
        sent = sum(len(row.patch) + len(row.email) for row in plan.rows())
        assert effort(plan).payload_bytes == sent
        assert effort(plan).seconds == 0
    run(published, ledger, ModelVendor(rows_per_batch=1000), "first")
    changed = [{**row, "tier": None} for row in people[:100]]
    changed += [{**row, "points": 1} for row in people[100:]]
    with plan_sync(
        publish(tmp_path / "p.duckdb", changed), ledger, spec("klaviyo"), NOW, "plan"
    ) as plan:
        assert effort(plan).requests == 100 + 2


def test_the_limits_tell_how_long_it_takes_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(klaviyo, "BULK_ROWS", 1)
    published = publish(tmp_path / "p.duckdb", [member(f"p{i}@shop.se") for i in range(301)])
    with plan_sync(published, Ledger(tmp_path / "l"), spec("klaviyo"), NOW, "plan") as plan:
        assert 60 < effort(plan).seconds <= 120  # 301 jobs at 150 a minute


def test_rule_needs_a_call_per_tag_set_and_one_per_tag_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule, "BULK_ROWS", 100)
    ledger = Ledger(tmp_path / "ledger.duckdb")
    gold = [member(f"gold{index}@shop.se") for index in range(250)]
    silver = [member(f"silver{index}@shop.se", tags=["loyalty-member"]) for index in range(210)]
    few = [member(f"few{index}@shop.se", tags=[f"loyalty-tier-{index}"]) for index in range(3)]
    published = publish(tmp_path / "p.duckdb", gold + silver + few)
    with plan_sync(published, ledger, spec("rule"), NOW, "plan") as plan:
        assert effort(plan).requests == 3 + 3 + 3  # the few: one call each
        assert effort(plan).seconds == 0
        small_account = rule_account.limits(5)["default"]  # four are ours
        assert effort(plan, small_account).seconds == 2 * 600
    run(published, ledger, ModelVendor("rule", "subscribers", rows_per_batch=1000), "first")
    moved = [{**row, "tags": ["loyalty-member"]} for row in gold[:4]]
    published = publish(tmp_path / "p.duckdb", moved + gold[4:] + silver + few)
    with plan_sync(published, ledger, spec("rule"), NOW, "plan") as plan:
        assert effort(plan).requests == 1 + 4
