"""What a sync shows in Dagster: red where it failed, with the table to look at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.assets import delivery_checks, syncs
from orchestration.context import LoyaltyResource
from reverse_etl.guards import Finding, GuardError
from reverse_etl.results import OPERATIONS, OperationCounts, SyncResult

# Dagster reads pydantic's old attribute.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")

KEY = dg.AssetKey(["klaviyo", "profiles"])


def result(*, status: str = "succeeded", quarantined: int = 0, **counts: int) -> SyncResult:
    operations = {name: OperationCounts() for name in OPERATIONS}
    operations["change"] = OperationCounts(**{"planned": 1000, "attempted": 1000, **counts})
    return SyncResult("run", "klaviyo", "profiles", status, operations, quarantined=quarantined)


@pytest.fixture
def materialize(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[dg.ExecuteInProcessResult, dict[str, Any]]]:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOYALTY_ENV_FILE", str(tmp_path / "none"))

    def run(
        outcome: SyncResult | Exception | None, **config: Any
    ) -> tuple[dg.ExecuteInProcessResult, dict[str, Any]]:
        agreed: dict[str, Any] = {}

        def run_sync(*arguments: Any) -> SyncResult | None:
            agreed["approval"] = arguments[-1]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(syncs, "run_sync", run_sync)
        (asset,) = [a for a in syncs.sync_assets() if KEY in a.keys]
        done = dg.materialize(
            [asset],
            resources={"loyalty": LoyaltyResource()},
            run_config={"ops": {"klaviyo__profiles": {"config": config}}},
            raise_on_error=False,
        )
        return done, agreed

    return run


def checks(done: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in done.get_asset_check_evaluations()}


def is_materialized(done: dg.ExecuteInProcessResult) -> bool:
    return bool(done.get_asset_materialization_events())


def test_single_rejected_rows_leave_the_asset_green(materialize: Callable[..., Any]) -> None:
    done, agreed = materialize(result(accepted=990, rejected=10))
    assert done.success
    assert is_materialized(done)
    assert checks(done) == {
        syncs.GUARDS: True,
        syncs.REJECTED: True,
        delivery_checks.HELD_BACK: True,
        delivery_checks.SET_ASIDE: True,
    }
    assert not agreed["approval"].is_approved


def test_more_rejected_rows_than_tolerated_turn_asset_and_check_red(
    materialize: Callable[..., Any],
) -> None:
    done, _ = materialize(result(accepted=900, rejected=100))
    assert not done.success
    assert not is_materialized(done)
    (check,) = [c for c in done.get_asset_check_evaluations() if not c.passed]
    assert check.check_name == syncs.REJECTED
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "sync.rejections" in str(check.description)
    assert check.metadata["rejected"].value == 100


def test_people_held_back_are_a_warning_that_counts_them(materialize: Callable[..., Any]) -> None:
    done, _ = materialize(replace(result(accepted=1000), held_back=1234))
    assert done.success
    (check,) = [c for c in done.get_asset_check_evaluations() if not c.passed]
    assert check.check_name == delivery_checks.HELD_BACK
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "1,234 people" in str(check.description)


@pytest.mark.parametrize(("aside", "known", "passes"), [(10, 100, True), (11, 100, False)])
def test_too_many_people_set_aside_turn_their_check_red_and_not_the_sync(
    materialize: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    aside: int,
    known: int,
    passes: bool,
) -> None:
    monkeypatch.setattr(delivery_checks, "count_set_aside", lambda *_: (known, aside))
    done, _ = materialize(result(accepted=1000))
    assert done.success
    (check,) = [
        found
        for found in done.get_asset_check_evaluations()
        if found.check_name == delivery_checks.SET_ASIDE
    ]
    assert check.passed is passes
    assert check.severity is dg.AssetCheckSeverity.ERROR


def test_a_sync_that_stopped_early_is_red(materialize: Callable[..., Any]) -> None:
    done, _ = materialize(result(status="aborted", accepted=1, aborted=999))
    assert not done.success
    assert not is_materialized(done)


def test_a_plan_beyond_a_guard_turns_its_check_red_and_says_how_to_go_on(
    materialize: Callable[..., Any],
) -> None:
    finding = Finding("changed", 0.9, 0.5, 900)
    done, _ = materialize(GuardError("held; --approve", (finding,)))
    assert not done.success
    assert checks(done) == {syncs.GUARDS: False}


def test_approval_and_plan_file_reach_the_sync(
    materialize: Callable[..., Any], tmp_path: Path
) -> None:
    _, agreed = materialize(result(accepted=1000), approve=True)
    assert agreed["approval"].is_approved
    done, _ = materialize(result(accepted=1000), plan_file=str(tmp_path / "missing.json"))
    assert not done.success


def test_a_destination_without_a_key_is_said_to_be_left_out(
    materialize: Callable[..., Any],
) -> None:
    done, _ = materialize(None)
    assert done.success
    (event,) = done.get_asset_materialization_events()
    assert event.step_materialization_data.materialization.metadata["left_out"].value is True
