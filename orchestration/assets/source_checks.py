"""Checks of each programme's extraction, in a step of their own that fails for it.

An extraction that fails lets the rest of the run go on, because the other programme and what is
known of this one are still worth building. So that the run ends red all the same, this step fails.
"""

from collections.abc import Iterator

import dagster as dg

from orchestration.assets.extraction import tables
from orchestration.context import LoyaltyResource
from orchestration.operations.runbooks import runbook
from orchestration.operations.sources import Attempt, recall
from orchestration.programs import Program

ANSWERED = "source_answered"
NOT_EMPTY = "source_not_empty"
_TABLE = "customers"  # where both vendors' members are


def operation_name(program: Program) -> str:
    """Name of the step that fails for an extraction."""
    return f"examine_{program.name}"


def source_checks(program: Program) -> dg.AssetChecksDefinition:
    """Both checks of one programme."""
    key = dg.AssetKey([program.dataset, _TABLE])
    if _TABLE not in {table.name for table in tables(program)}:
        raise ValueError(f"{program.name} has no table {_TABLE} to hang its checks on")

    @dg.multi_asset_check(
        name=operation_name(program),
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(
                ANSWERED,
                asset=key,
                description=f"The last extraction of {program.name} was loaded. Look at: "
                f"marts.audit_sources. Runbook: {runbook('check', ANSWERED)}",
            ),
            dg.AssetCheckSpec(
                NOT_EMPTY,
                asset=key,
                description=f"The last extraction of {program.name} returned something. Look at: "
                f"{program.dataset}.extracts. Runbook: {runbook('check', NOT_EMPTY)}",
            ),
        ],
    )
    def examine(
        context: dg.AssetCheckExecutionContext, loyalty: LoyaltyResource
    ) -> Iterator[dg.AssetCheckResult]:
        step = loyalty.step(context)
        attempt = recall(step.home, program)
        wanted = {each.name for each in context.selected_asset_check_keys}
        if ANSWERED in wanted:
            yield _answered(key, attempt)
        if NOT_EMPTY in wanted:
            yield _not_empty(key, program, attempt)
        if attempt is not None and attempt.problem and ANSWERED in wanted:
            raise dg.Failure(
                description=f"{program.name} was not read: {attempt.problem}. Everything else went "
                "on with what is known of it; its people are held back once that is older than "
                f"{step.settings.max_stale_hours:g} hours",
                allow_retries=False,
            )

    return examine


def _answered(key: dg.AssetKey, attempt: Attempt | None) -> dg.AssetCheckResult:
    problem = attempt.problem if attempt else None
    return dg.AssetCheckResult(
        passed=problem is None,
        asset_key=key,
        check_name=ANSWERED,
        description=problem or ("left out" if attempt and attempt.is_left_out else None),
        metadata={"look_at": "marts.audit_sources", "runbook": runbook("check", ANSWERED)},
    )


def _not_empty(key: dg.AssetKey, program: Program, attempt: Attempt | None) -> dg.AssetCheckResult:
    """Not red for one that failed: that is the other check's word."""
    silent = (
        attempt is not None
        and attempt.problem is None
        and not attempt.is_left_out
        and attempt.rows == 0
    )
    return dg.AssetCheckResult(
        passed=not silent,
        asset_key=key,
        check_name=NOT_EMPTY,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{program.name} answered every request and sent no row at all"
        if silent
        else None,
        metadata={
            "rows": attempt.rows if attempt else 0,
            "look_at": f"{program.dataset}.extracts",
            "runbook": runbook("check", NOT_EMPTY),
        },
    )
