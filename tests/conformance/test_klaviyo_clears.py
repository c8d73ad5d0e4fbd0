"""Values that ended, by each means that Klaviyo describes: what arrives, in how many requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from klaviyo_witness import Witness
from reverse_etl_models import assert_tied, member, publish, run, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.declarations import CLEARS
from reverse_etl.destinations.klaviyo_single import LOOKUP_BYTES, LOOKUP_EMAILS, lookups
from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

POSITIONS = CLEARS["klaviyo"]
BULK = "POST /api/profile-bulk-import-jobs"
IMPORT = "POST /api/profile-import"
LOOKUP = "GET /api/profiles"
PATCH = "PATCH /api/profiles/{id}"
# What two rows with a clear and one without cost, polling apart.
COSTS = {
    "import": {BULK: 1, IMPORT: 2},
    "patch": {BULK: 1, LOOKUP: 1, PATCH: 2},
    "unset": {BULK: 1, IMPORT: 2},
    "bulk_unset": {BULK: 1},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def klaviyo(sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor("klaviyo", sandbox.control, sandbox.environment, [])
    sandbox.control.reset_switches("klaviyo")
    sandbox.control.reset_limits()
    for record in found.records():
        sandbox.control.call("DELETE", f"/klaviyo/profiles/{record['id']}")
    yield found
    sandbox.control.faults("klaviyo")
    for client in found.open_clients:
        client.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def before() -> list[dict[str, Any]]:
    return [
        member("mixed@shop.se", amount=12.5, at_risk=True, rewards=["Mug"]),
        member("gone@shop.se"),
        member("kept@shop.se", amount=7),
    ]


def after() -> list[dict[str, Any]]:
    """Values and clears in one row; somebody who loses everything; somebody who loses nothing."""
    values = {"points": 0, "at_risk": False, "tier": "", "rewards": [], "amount": None}
    return [
        member("mixed@shop.se", **values, state=None),
        member("gone@shop.se", may_create_profile=False, **dict.fromkeys(("points", "tier")))
        | {"state": None, "synced_at": None},
        member("kept@shop.se", amount=0),
    ]


def sync(
    klaviyo: Vendor,
    ledger: Ledger,
    path: Path,
    rows: list[dict[str, Any]],
    clears: str,
    run_id: str,
) -> Any:
    result = run(
        publish(path / "p.duckdb", rows), ledger, klaviyo.destination(), run_id, clears=clears
    )
    assert_tied(result)
    return result


@pytest.mark.parametrize("clears", POSITIONS)
def test_what_ended_is_gone_and_the_rest_arrives_as_itself(
    clears: str, klaviyo: Vendor, ledger: Ledger, klaviyo_witness: Witness, tmp_path: Path
) -> None:
    klaviyo.seed(email="mixed@shop.se", first_name="Ada", properties={"Favourite": "blue"})
    sync(klaviyo, ledger, tmp_path, before(), clears, "first")
    klaviyo_witness.calls.clear()
    result = sync(klaviyo, ledger, tmp_path, after(), clears, "second")
    assert (result.counts["change"].accepted, result.counts["clear"].accepted) == (2, 1)
    asked = klaviyo_witness.operations()
    assert {name: count for name, count in asked.items() if "{" not in name or name == PATCH} == (
        COSTS[clears]
    )
    shown = klaviyo.held()
    mixed, gone, kept = after()
    assert shown["mixed@shop.se"] == wanted("klaviyo", mixed) | {"Favourite": "blue"}
    assert (shown["mixed@shop.se"]["Loyalty Points Balance"], gone["points"]) == (0, None)
    assert shown["gone@shop.se"] == {}
    assert shown["kept@shop.se"] == wanted("klaviyo", kept)
    (record,) = [r for r in klaviyo.records() if r["email"] == "mixed@shop.se"]
    assert record["first_name"] == "Ada"
    klaviyo_witness.calls.clear()
    sync(klaviyo, ledger, tmp_path, after(), clears, "third")
    assert klaviyo_witness.calls == []


@pytest.mark.parametrize("clears", POSITIONS)
def test_where_bulk_ignores_meta_only_the_unconfirmed_means_leaves_the_old_value(
    clears: str, klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    """Why `bulk_unset` is no default: accepted and counted, and the profile shows the old value."""
    klaviyo.control.switch("klaviyo", bulk_meta="ignored")
    sync(klaviyo, ledger, tmp_path, before(), clears, "first")
    result = sync(klaviyo, ledger, tmp_path, after(), clears, "second")
    assert result.total("accepted") == 3
    shown = klaviyo.held()["gone@shop.se"]
    stale = {"Loyalty Points Balance", "Loyalty Tier Name", "Loyalty Synced At", "Smile State"}
    assert set(shown) == (stale if clears == "bulk_unset" else set())


@pytest.mark.parametrize("clears", POSITIONS)
def test_a_means_can_be_changed_between_two_runs(
    clears: str, klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    sync(klaviyo, ledger, tmp_path, before(), "import", "first")
    assert sync(klaviyo, ledger, tmp_path, before(), clears, "second").total("planned") == 0
    assert sync(klaviyo, ledger, tmp_path, after(), clears, "third").total("accepted") == 3


def test_unset_of_what_is_not_there_refuses_the_row_where_klaviyo_minds(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    """Not documented; null in profile-import minds nothing."""
    klaviyo.control.switch("klaviyo", unset_missing="refused")
    for clears, state in (("unset", "rejected"), ("import", "accepted")):
        sync(klaviyo, ledger, tmp_path, [member("a@shop.se")], clears, f"{clears} one")
        (record,) = klaviyo.records()
        key = {"Loyalty Tier Name": None}
        klaviyo.control.call("PATCH", f"/klaviyo/profiles/{record['id']}", {"properties": key})
        result = sync(klaviyo, ledger, tmp_path, [member("a@shop.se", tier=None)], clears, clears)
        assert result.total(state) == 1
        ledger = Ledger(tmp_path / "another.duckdb")


def test_a_patch_of_somebody_who_is_gone_writes_values_and_never_an_empty_profile(
    klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    sync(klaviyo, ledger, tmp_path, before(), "patch", "first")
    for record in klaviyo.records():
        klaviyo.control.call("DELETE", f"/klaviyo/profiles/{record['id']}")
    result = sync(klaviyo, ledger, tmp_path, after()[:2], "patch", "second")
    assert result.total("accepted") == 3, "kept@shop.se left the model as well"
    assert set(klaviyo.held()) == {"mixed@shop.se"}
    assert klaviyo.held()["mixed@shop.se"]["Loyalty Points Balance"] == 0


@pytest.mark.parametrize("clears", POSITIONS)
def test_passing_trouble_in_the_middle_of_clearing_is_made_good_by_the_next_run(
    clears: str, klaviyo: Vendor, ledger: Ledger, tmp_path: Path
) -> None:
    sync(klaviyo, ledger, tmp_path, before(), clears, "first")
    klaviyo.control.faults("klaviyo", cut_after={"next": 3})
    run(
        publish(tmp_path / "p.duckdb", after()),
        ledger,
        klaviyo.destination(max_attempts=1),
        "second",
        clears=clears,
    )
    klaviyo.control.faults("klaviyo")
    sync(klaviyo, ledger, tmp_path, after(), clears, "third")
    assert klaviyo.held() == {row["email"]: wanted("klaviyo", row) for row in after()}


def test_a_lookup_holds_a_hundred_addresses_and_no_overlong_line() -> None:
    plain = [f"person{index}@shop.se" for index in range(250)]
    assert [len(part) for part in lookups(plain)] == [100, 100, 50]
    long = [f"{index:03}{'x' * 80}@shop.se" for index in range(250)]
    found = list(lookups(long))
    assert [email for part in found for email in part] == long
    assert max(map(len, found)) < LOOKUP_EMAILS
    assert all(sum(map(len, part)) < LOOKUP_BYTES for part in found)
    assert list(lookups([])) == []
