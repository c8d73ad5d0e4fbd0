"""What holds a plan back: guards, and a saved plan that no longer holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from reverse_etl_models import NOW, QUICK, ModelVendor, member, publish, spec

from reverse_etl.engine import sync
from reverse_etl.guards import GuardError, GuardLimits
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.results import SyncResult
from reverse_etl.review import Approval
from reverse_etl.saved_plan import PlanChangedError, load, save
from vendor_http import LoyaltyError

Rows = list[dict[str, Any]]
PEOPLE = 200


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


@pytest.fixture
def push(tmp_path: Path, ledger: Ledger) -> Callable[..., SyncResult]:
    vendor = ModelVendor(rows_per_batch=1000)

    def run(name: str, rows: Rows, approval: Approval | None = None) -> SyncResult:
        return sync(
            publish(tmp_path / "p.duckdb", rows),
            spec("klaviyo"),
            vendor,
            ledger,
            NOW,
            name,
            settings=QUICK,
            approval=approval or Approval(),
        )

    return run


def crowd(count: int = PEOPLE, **values: Any) -> Rows:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


def leaving(rows: Rows, count: int) -> Rows:
    """The same people; the first `count` of them may keep nothing."""
    empty = dict.fromkeys(("points", "tier", "state", "synced_at"))
    return [{**row, **empty, "may_create_profile": False} for row in rows[:count]] + rows[count:]


BEYOND = {
    "changed": lambda rows: [{**row, "points": 251} for row in rows[:101]] + rows[101:],
    "cleared": lambda rows: leaving(rows, 21),
    "losing": lambda rows: [{**row, "tier": None} for row in rows[:61]] + rows[61:],
    "swing": lambda rows: rows + [member(f"new{index}@shop.se") for index in range(61)],
}


@pytest.mark.parametrize("guard", BEYOND)
def test_a_guard_holds_what_is_just_beyond_it_until_somebody_approves(
    guard: str, push: Callable[..., SyncResult], ledger: Ledger
) -> None:
    push("first", crowd())
    rows = BEYOND[guard](crowd())
    with pytest.raises(GuardError) as held:
        push("held", rows)
    assert [finding.guard for finding in held.value.findings] == [guard]
    assert "--approve" in str(held.value)
    assert "@" not in str(held.value)
    with ledger.open() as db:
        runs = db.execute(
            "select distinct status from runs where run_id = 'held' and aborted_count = "
            "planned_count and attempted_count = 0"
        ).fetchall()
        assert runs == [("held",)]
        assert db.execute("select count(*) from profiles where state <> 'accepted'").fetchone() == (
            0,
        )
    off = replace(GuardLimits(), **{guard: 1.0})
    assert push("off", rows, Approval(off)).status == "succeeded"


def test_what_is_just_within_every_guard_passes(push: Callable[..., SyncResult]) -> None:
    push("first", crowd())
    rows = leaving(crowd(), 20)
    rows = [{**row, "tier": None} if 20 <= i < 60 else row for i, row in enumerate(rows)]
    rows += [member(f"new{index}@shop.se") for index in range(60)]
    assert push("second", rows).status == "succeeded"


def test_approval_lets_a_plan_pass_and_few_people_need_none(
    push: Callable[..., SyncResult],
) -> None:
    push("first", crowd())
    result = push("second", crowd(points=1), Approval(is_approved=True))
    assert result.counts["change"].accepted == PEOPLE
    assert push("few", crowd(50), Approval(is_approved=True)).status == "succeeded"


def test_members_without_an_email_are_counted_where_the_model_names_the_people(
    tmp_path: Path, ledger: Ledger
) -> None:
    import duckdb

    published = publish(tmp_path / "p.duckdb", crowd(3))
    with duckdb.connect(str(published)) as db:
        db.execute("create schema marts")
        db.execute(
            "create table marts.dim_members as select 'member' as membership, false as is_deleted,"
            " case when range >= 31 then 'x@shop.se' end as email from range(100)"
        )
    declared = replace(spec("klaviyo"), people="dim_members")
    with pytest.raises(GuardError, match="31 members have no e-mail, 31% "):
        sync(published, declared, ModelVendor(), ledger, NOW, "run", settings=QUICK)


def test_a_saved_plan_is_applied_as_it_was_looked_at(
    tmp_path: Path, ledger: Ledger, push: Callable[..., SyncResult]
) -> None:
    push("first", crowd())
    rows = crowd(points=1)
    file = tmp_path / "plan.json"
    save_plan(file, publish(tmp_path / "p.duckdb", rows), ledger)
    assert "@" not in file.read_text()
    saved = load(file)["klaviyo"]
    assert saved.counts["change"] == PEOPLE
    assert saved.guards
    result = push("second", rows, Approval(saved=saved))  # beyond a guard: the file approves
    assert result.counts["change"].accepted == PEOPLE
    with pytest.raises(PlanChangedError, match="something was sent"):
        push("again", rows, Approval(saved=saved))


def test_a_saved_plan_refuses_other_data_another_mapping_and_another_ledger(
    tmp_path: Path, ledger: Ledger, push: Callable[..., SyncResult]
) -> None:
    push("first", crowd(3))
    file = tmp_path / "plan.json"
    rows = crowd(3, points=1)
    published = publish(tmp_path / "p.duckdb", rows)
    save_plan(file, published, ledger)
    saved = load(file)["klaviyo"]
    with pytest.raises(PlanChangedError, match="published tables"):
        push("data", crowd(3, points=2), Approval(saved=saved))
    publish(tmp_path / "p.duckdb", rows)
    fewer = replace(spec("klaviyo"), properties=spec("klaviyo").properties[1:])
    later = NOW + timedelta(days=1)
    with pytest.raises(PlanChangedError, match="declaration"):
        sync(
            published,
            fewer,
            ModelVendor(),
            ledger,
            later,
            "mapping",
            settings=QUICK,
            approval=Approval(saved=saved),
        )
    with ledger.open() as db:
        db.execute("update profiles set quarantined_at = now() where email = 'person1@shop.se'")
    with pytest.raises(PlanChangedError, match="sent, answered or released"):
        push("ledger", rows, Approval(saved=saved))


NO_PRINT = {
    "format": "loyalty-plan/1",
    "made_at": "2026-11-22T06:00:00+00:00",
    "destinations": {"klaviyo": {"counts": {}, "guards": [], "fingerprint": None}},
}


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(LoyaltyError, match="loyalty plan --save"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{}", b"[]", orjson.dumps({"format": "other"}), orjson.dumps(NO_PRINT)],
)
def test_a_file_that_is_no_plan_says_so(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LoyaltyError, match="loyalty plan --save"):
        load(file)


def save_plan(file: Path, published: Path, ledger: Ledger) -> None:
    from reverse_etl.guards import judge

    with plan_sync(published, ledger, spec("klaviyo"), NOW, "p", has_fingerprint=True) as plan:
        save(file, {"klaviyo": (plan, judge(plan, ledger))})
