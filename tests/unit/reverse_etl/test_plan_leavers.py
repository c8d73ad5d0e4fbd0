"""Who and what leaves a plan: properties that nobody declares any more, people in quarantine."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from reverse_etl_models import COMMON, NOW, ModelVendor, member, publish, run, spec

from reverse_etl.ledger import Ledger, Scope
from reverse_etl.plan import plan_sync
from reverse_etl.quarantine import refused, release, set_aside


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def test_a_property_that_is_no_longer_declared_is_cleared(ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se"), member("b@shop.se")])
    run(published, ledger, ModelVendor(), "first")
    declared = spec("klaviyo")
    without = replace(
        declared, properties=tuple(p for p in declared.properties if p.column != "tier")
    )
    with plan_sync(published, ledger, without, NOW, "plan") as plan:
        rows = list(plan.rows())
    assert {row.lane for row in rows} == {"single"}
    assert [orjson.loads(row.patch)["Loyalty Tier Name"] for row in rows] == [None, None]


def test_properties_of_a_family_that_is_switched_off_are_left_alone(
    ledger: Ledger, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se")])
    run(published, ledger, ModelVendor(), "first")
    with plan_sync(published, ledger, spec("klaviyo", COMMON), NOW, "plan") as plan:
        assert plan.is_empty


def test_rule_clears_an_undeclared_field_but_never_the_subscribers_own(
    ledger: Ledger, tmp_path: Path
) -> None:
    row = member("a@shop.se", birthday="1990-05-17")
    published = publish(tmp_path / "p.duckdb", [row])
    run(published, ledger, ModelVendor("rule", "subscribers"), "first")
    declared = spec("rule")
    kept = tuple(p for p in declared.properties if p.column not in ("tier", "birthday"))
    with plan_sync(published, ledger, replace(declared, properties=kept), NOW, "plan") as plan:
        (planned,) = plan.rows()
    assert orjson.loads(planned.patch)["Loyalty.TierName"] is None
    assert "Subscriber.Birthday" not in orjson.loads(planned.patch)
    assert {"key": "Loyalty.TierName", "value": ""} in orjson.loads(planned.body)


def test_who_is_refused_too_often_is_set_aside_and_comes_back_when_released(
    ledger: Ledger, tmp_path: Path
) -> None:
    bad = {"bad@shop.se"}
    vendor = ModelVendor(fate=lambda _number, row: "refused" if row.email in bad else "applied")
    scope = Scope("klaviyo", "profiles")
    for attempt in range(1, 4):
        rows = [member("bad@shop.se", points=attempt), member("good@shop.se")]
        run(publish(tmp_path / "p.duckdb", rows), ledger, vendor, f"run{attempt}")
        assert set_aside(ledger, scope, NOW, attempts=3) == (1 if attempt == 3 else 0)
    (found,) = refused(ledger, ["klaviyo"], only_quarantined=True)
    assert (found.email, found.rejected_count) == ("bad@shop.se", 3)
    assert "bad@" not in repr(found)
    published = publish(tmp_path / "p.duckdb", [member("bad@shop.se", points=9)])
    with plan_sync(published, ledger, spec("klaviyo"), NOW, "plan") as plan:
        assert (plan.counts["quarantined"], plan.counts["unchanged"]) == (1, 0)
        assert "bad@shop.se" not in [row.email for row in plan.rows()]
    assert release(ledger, ["rule"]) == 0
    assert release(ledger, ["klaviyo"], reason_code="something_else") == 0
    assert release(ledger, ["klaviyo"], email=" Bad@Shop.se ") == 1
    bad.clear()
    result = run(published, ledger, vendor, "after")
    assert result.total("accepted") == 2  # the other one left the model and is cleared
    assert refused(ledger, ["klaviyo"]) == []
