"""What a plan holds."""

from pathlib import Path

import duckdb
import orjson
import pytest
from reverse_etl_models import COMMON, NOW, ModelVendor, member, publish, run, spec

from reverse_etl.effort import effort
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.planned import Plan
from vendor_http import ConfigurationError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def planned(published: Path, ledger: Ledger, destination: str = "klaviyo") -> Plan:
    return plan_sync(published, ledger, spec(destination), NOW, "plan")


def test_a_plan_sends_nothing_and_names_nobody_in_its_repr(ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se"), member("b@@shop.se")])
    with planned(published, ledger) as plan:
        assert plan.counts["add"] == 1
        assert plan.counts["invalid"] == 1
        assert "shop.se" not in repr(plan)
        assert [sample["email"] for sample in plan.samples()] == ["a@shop.se", "b@@shop.se"]
        assert effort(plan).payload_bytes > 0
    with ledger.open() as db:
        assert db.execute("select count(*) from profiles").fetchone() == (0,)


def test_a_property_that_is_not_compared_never_causes_a_write_but_goes_along(
    ledger: Ledger, tmp_path: Path
) -> None:
    run(publish(tmp_path / "p.duckdb", [member("a@shop.se")]), ledger, ModelVendor(), "first")
    later = member("a@shop.se", synced_at=NOW.replace(tzinfo=None, hour=9))
    with planned(publish(tmp_path / "p.duckdb", [later]), ledger) as plan:
        assert plan.is_empty
    later["points"] = 251
    with planned(publish(tmp_path / "p.duckdb", [later]), ledger) as plan:
        (row,) = plan.rows()
    assert orjson.loads(row.patch) == {
        "Loyalty Points Balance": 251,
        "Loyalty Synced At": "2026-11-21T09:00:00+00:00",
    }


def test_a_row_with_a_clear_leaves_the_bulk_lane(ledger: Ledger, tmp_path: Path) -> None:
    rows = [member("a@shop.se"), member("b@shop.se")]
    run(publish(tmp_path / "p.duckdb", rows), ledger, ModelVendor(), "first")
    rows = [member("a@shop.se", tier=None), member("b@shop.se", tier="Silver")]
    with planned(publish(tmp_path / "p.duckdb", rows), ledger) as plan:
        lanes = {row.email: (row.lane, row.operation) for row in plan.rows()}
    assert lanes == {"a@shop.se": ("single", "change"), "b@shop.se": ("bulk", "change")}


def test_rules_tags_are_added_removed_and_never_of_digits(ledger: Ledger, tmp_path: Path) -> None:
    vendor = ModelVendor("rule", "subscribers")
    rows = [
        member("a@shop.se"),
        member("b@shop.se", tags=["7"]),
        member("c@shop.se", tags=["Clear"]),
    ]
    published = publish(tmp_path / "p.duckdb", rows)
    result = run(published, ledger, vendor, "first")
    assert (result.total("accepted"), result.total("invalid")) == (1, 2)
    rows = [member("a@shop.se", tags=["loyalty-member", "loyalty-tier-silver", "loyalty-member"])]
    with planned(publish(tmp_path / "p.duckdb", rows), ledger, "rule") as plan:
        (row,) = plan.rows()
    assert (row.tags_add, row.tags_remove) == (("loyalty-tier-silver",), ("loyalty-tier-gold",))


def test_rule_writes_a_cleared_value_as_empty_text(ledger: Ledger, tmp_path: Path) -> None:
    vendor = ModelVendor("rule", "subscribers")
    run(publish(tmp_path / "p.duckdb", [member("a@shop.se")]), ledger, vendor, "first")
    rows = [member("a@shop.se", tier=None, points=0)]
    with planned(publish(tmp_path / "p.duckdb", rows), ledger, "rule") as plan:
        (row,) = plan.rows()
    assert orjson.loads(row.body) == [
        {"key": "Loyalty.PointsBalance", "value": "0", "type": "text"},
        {"key": "Loyalty.SyncedAt", "value": "2026-11-21 06:00:00", "type": "datetime"},
        {"key": "Loyalty.TierName", "value": "", "type": "text"},
    ]


def test_what_is_too_large_is_refused_before_sending(ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se", tier="x" * 100_000)])
    for destination in ("klaviyo", "rule"):
        with planned(published, ledger, destination) as plan:
            assert plan.counts["invalid"] == 1
            assert plan.samples()[0]["reason_code"] == "payload_too_large"


def test_a_missing_file_table_or_column_says_what_to_run(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Run build and publish"):
        planned(tmp_path / "none.duckdb", ledger)
    path = tmp_path / "p.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create schema activation")
    with pytest.raises(ConfigurationError, match=r"no activation\.sync_klaviyo__profiles"):
        planned(path, ledger)
    with duckdb.connect(str(path)) as db:
        db.execute("create table activation.sync_klaviyo__profiles (email varchar)")
    with pytest.raises(ConfigurationError, match="lacks may_create_profile"):
        planned(path, ledger)


def test_a_column_of_an_unfit_type_is_a_mistake_in_the_declaration(
    ledger: Ledger, tmp_path: Path
) -> None:
    path = publish(tmp_path / "p.duckdb", [member("a@shop.se")])
    with duckdb.connect(str(path)) as db:
        db.execute("alter table activation.sync_klaviyo__profiles alter points type varchar")
    with pytest.raises(ConfigurationError, match="points is VARCHAR"):
        planned(path, ledger)


def test_a_rejected_row_is_planned_again_and_counted(ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se")])
    refusing = ModelVendor(fate=lambda _number, _row: "refused")
    for step in range(2):
        assert run(published, ledger, refusing, f"run{step}").total("rejected") == 1
    assert run(published, ledger, ModelVendor(), "good").total("accepted") == 1
    with ledger.open() as db:
        tries = db.execute("select attempt_count from rejections order by run_id")
        assert tries.fetchall() == [(1,), (2,)]
        state = db.execute("select state, attempt_count from profiles").fetchone()
    assert state == ("accepted", 3)


def test_a_refused_change_that_is_taken_back_is_unchanged_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    first = publish(tmp_path / "p.duckdb", [member("a@shop.se")])
    run(first, ledger, ModelVendor(), "first")
    refusing = ModelVendor(fate=lambda _number, _row: "refused")
    run(publish(tmp_path / "p.duckdb", [member("a@shop.se", points=1)]), ledger, refusing, "second")
    result = run(publish(tmp_path / "p.duckdb", [member("a@shop.se")]), ledger, refusing, "third")
    assert (result.total("planned"), result.unchanged) == (0, 1)
    with ledger.open() as db:
        row = db.execute("select state, reason_code from profiles").fetchone()
    assert row == ("unchanged", None)


def test_two_families_share_one_ledger_row(ledger: Ledger, tmp_path: Path) -> None:
    published = publish(tmp_path / "p.duckdb", [member("a@shop.se")])
    vendor = ModelVendor()
    run(published, ledger, vendor, "common", COMMON)
    assert "Smile State" not in vendor.profiles["a@shop.se"]
    run(published, ledger, vendor, "both")
    assert vendor.profiles["a@shop.se"]["Smile State"] == "member"
