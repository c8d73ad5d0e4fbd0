"""Values that ended at Rule, by each means; and what a half-done deletion leaves behind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from reverse_etl_models import assert_tied, member, publish, run, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.declarations import CLEARS
from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

POSITIONS = CLEARS["rule"]
UPSERT = "POST /api/v2/subscribers"
DELETE = "DELETE /api/v3/custom-field-data/{subscriber}/group/{group}"


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
    yield found
    sandbox.control.faults("rule")
    for client in found.open_clients:
        client.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def before() -> list[dict[str, Any]]:
    return [
        member("mixed@shop.se", amount=12.5, at_risk=True, rewards=["Mug"], birthday="1990-05-17"),
        member("gone@shop.se"),
        member("kept@shop.se", amount=7),
    ]


def after() -> list[dict[str, Any]]:
    """Values and clears in one row; somebody who loses everything; somebody who loses nothing."""
    return [
        member("mixed@shop.se", points=0, at_risk=False, amount=None, rewards=["Mug"], state=None),
        member("gone@shop.se", may_create_profile=False, points=None, tier=None, tags=[])
        | {"state": None, "synced_at": None},
        member("kept@shop.se", amount=0),
    ]


def sync(
    rule: Vendor, ledger: Ledger, path: Path, rows: list[dict[str, Any]], clears: str, run_id: str
) -> Any:
    published = publish(path / "p.duckdb", rows)
    result = run(published, ledger, rule.destination(), run_id, clears=clears)
    assert_tied(result)
    return result


def stored(rule: Vendor, email: str) -> dict[str, Any]:
    """Fields by group, empty texts included."""
    (record,) = [record for record in rule.records() if record["email"] == email]
    fields: dict[str, Any] = record["fields"]
    return fields


@pytest.mark.parametrize("clears", POSITIONS)
def test_what_ended_shows_no_value_and_the_rest_arrives_as_itself(
    clears: str, rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rule.seed(email="mixed@shop.se", fields=[{"key": "Other.Favourite", "value": "blue"}])
    sync(rule, ledger, tmp_path, before(), clears, "first")
    rule.control.reset_requests()
    result = sync(rule, ledger, tmp_path, after(), clears, "second")
    assert (result.counts["change"].accepted, result.counts["clear"].accepted) == (2, 1)
    mixed, _, kept = after()
    shown = rule.held()
    birthday = {"Subscriber.Birthday": "1990-05-17"}  # a null leaves it alone
    expected = wanted("rule", mixed) | birthday | {"Other.Favourite": "blue"}
    assert shown["mixed@shop.se"] == expected
    assert (shown["gone@shop.se"], shown["kept@shop.se"]) == ({}, wanted("rule", kept))
    empty = "" if clears == "empty" else None
    assert stored(rule, "mixed@shop.se")["Loyalty"].get("AmountToNextTier") == empty
    assert ("Loyalty" in stored(rule, "gone@shop.se")) == (clears == "empty")
    # Yotpo's group has other writers: there, an empty text in either position.
    assert stored(rule, "mixed@shop.se")["Yotpo"] == {"IsMember": ""}
    asked = rule.control.requests("rule")["operations"]
    assert asked[UPSERT] == (1 if clears == "empty" else 2)
    assert asked.get(DELETE, 0) == (0 if clears == "empty" else 2)
    rule.control.reset_requests()
    sync(rule, ledger, tmp_path, after(), clears, "third")
    assert rule.writes() == 0


def test_only_people_whose_own_group_lost_a_value_are_written_anew(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    sync(rule, ledger, tmp_path, before(), "delete_group", "first")
    rule.control.reset_requests()
    rows = before()
    rows[0]["state"] = None
    rows[2]["amount"] = 8
    sync(rule, ledger, tmp_path, rows, "delete_group", "second")
    assert rule.control.requests("rule")["operations"] == {UPSERT: 1}


@pytest.mark.parametrize("position", ["not_found", "success"])
def test_a_group_that_is_not_there_gets_empty_texts_where_rule_says_so(
    position: str, rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    rule.control.switch("rule", absent_group=position)
    sync(rule, ledger, tmp_path, before(), "delete_group", "first")
    for record in rule.records():
        rule.control.call("DELETE", f"/rule/subscribers/{record['id']}")
        rule.seed(email=record["email"])
    assert sync(rule, ledger, tmp_path, after(), "delete_group", "second").total("accepted") == 3
    ended = stored(rule, "mixed@shop.se")["Loyalty"].get("AmountToNextTier", "none")
    assert ended == ("" if position == "not_found" else "none")
    assert rule.held()["mixed@shop.se"]["Loyalty.PointsBalance"] == "0"


@pytest.mark.parametrize("step", ["GET", "DELETE", "POST"])
def test_a_deletion_that_was_cut_short_is_made_good_even_when_the_value_came_back(
    step: str, rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    """What was deleted and not written again is known to be unsure, unchanged values included."""
    operation = {"GET": "GET /api/v2/subscribers/{identifier}", "DELETE": DELETE, "POST": UPSERT}
    sync(rule, ledger, tmp_path, before(), "delete_group", "first")
    rows = before()
    rows[0]["amount"] = None
    cut = "cut_after" if step == "DELETE" else "cut_connection"
    rule.control.faults("rule", **{cut: {"next": 1, "operation": operation[step]}})
    published = publish(tmp_path / "p.duckdb", rows)
    result = run(
        published, ledger, rule.destination(max_attempts=1), "second", clears="delete_group"
    )
    assert_tied(result)
    assert result.total("accepted") == 0
    rule.control.faults("rule")
    assert sync(rule, ledger, tmp_path, before(), "delete_group", "third").total("accepted") == 1
    expected = {row["email"]: wanted("rule", row) for row in before()}
    assert rule.held() == expected


def test_a_row_refused_after_its_group_was_deleted_is_written_whole_by_the_next_run(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    sync(rule, ledger, tmp_path, before(), "delete_group", "first")
    rows = before()
    rows[0]["amount"] = None
    refusal = {"status": 400, "next": 1, "operation": UPSERT}
    rule.control.faults("rule", error=refusal)
    assert sync(rule, ledger, tmp_path, rows, "delete_group", "second").total("aborted") == 1
    rule.control.faults("rule")
    assert sync(rule, ledger, tmp_path, rows, "delete_group", "third").total("accepted") == 1
    assert rule.held()["mixed@shop.se"] == wanted("rule", rows[0])


def test_where_rule_deletes_no_groups_the_setting_to_change_is_named(
    rule: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    from vendor_http import ConfigurationError

    sync(rule, ledger, tmp_path, before(), "delete_group", "first")
    rule.control.faults("rule", error={"status": 410, "operation": DELETE})
    with pytest.raises(ConfigurationError, match="RULE_CLEARS=empty"):
        sync(rule, ledger, tmp_path, after(), "delete_group", "second")


def test_a_row_that_is_written_anew_carries_every_value_of_the_group(
    ledger: Ledger, tmp_path: Path
) -> None:
    from reverse_etl_models import NOW, ModelVendor, spec

    from reverse_etl.plan import plan_sync

    run(publish(tmp_path / "p.duckdb", before()), ledger, ModelVendor("rule", "subscribers"), "1")
    published = publish(tmp_path / "p.duckdb", after())
    with plan_sync(published, ledger, spec("rule", clears="delete_group"), NOW, "2") as plan:
        rows = {row.email: row for row in plan.rows()}
    mixed = rows["mixed@shop.se"]
    assert (mixed.lane, rows["kept@shop.se"].lane) == ("upsert_anew", "upsert")
    sent = {field["key"]: field["value"] for field in orjson.loads(mixed.body)}
    assert sent["Loyalty.TierName"] == "Gold", "it did not change, and goes along"
    assert "Loyalty.AmountToNextTier" not in sent
    assert sent["Yotpo.IsMember"] == ""
    assert orjson.loads(mixed.patch)["Loyalty.TierName"] == "Gold", "unsure until it is accepted"
    assert orjson.loads(mixed.patch)["Loyalty.AmountToNextTier"] is None
