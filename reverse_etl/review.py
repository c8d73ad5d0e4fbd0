"""Whether a plan may be sent: by the guards, by somebody's approval, or by a saved plan.

A plan that is held leaves a run in the ledger with status `held`, so that people find it where they
look for runs; no row of it is marked, for nothing was tried.
"""

from dataclasses import dataclass, replace

from reverse_etl.guards import DEFAULT_LIMITS, Finding, GuardError, GuardLimits, judge, remember
from reverse_etl.ledger import Ledger
from reverse_etl.planned import Plan
from reverse_etl.saved_plan import SavedPlan
from vendor_http import LoyaltyError


@dataclass(frozen=True)
class Approval:
    """What people have agreed to.

    Attributes:
        limits: what the guards allow.
        is_approved: the plan may go beyond them.
        saved: send this plan, which somebody looked at, or nothing; None = whatever is planned.
    """

    limits: GuardLimits = DEFAULT_LIMITS
    is_approved: bool = False
    saved: SavedPlan | None = None


def review(plan: Plan, ledger: Ledger, approval: Approval) -> tuple[Finding, ...]:
    """Let a plan pass, or hold it.

    Returns:
        what the guards would have objected to; not empty only where it was approved.

    Raises:
        GuardError: a guard objects and nobody has approved.
        PlanChangedError: the plan is not the saved one.
    """
    findings = judge(plan, ledger, approval.limits)
    objection = _objection(plan, findings, approval)
    if objection is not None:
        _hold(plan, ledger)
        raise objection
    remember(plan, ledger)
    return findings


def _objection(
    plan: Plan, findings: tuple[Finding, ...], approval: Approval
) -> LoyaltyError | None:
    if approval.saved is not None:
        return approval.saved.compare(plan)
    if findings and not approval.is_approved:
        return GuardError(_message(plan, findings), findings)
    return None


def _message(plan: Plan, findings: tuple[Finding, ...]) -> str:
    name = plan.spec.destination
    return (
        f"{name}: {'; '.join(str(finding) for finding in findings)}. Nothing was sent. Look at it "
        f"with `loyalty plan {name}`; if it is right, `loyalty sync {name} --approve` (in the UI: "
        "approve: true), or save the plan and `loyalty sync --plan FILE`"
    )


def _hold(plan: Plan, ledger: Ledger) -> None:
    counts = {
        name: replace(count, aborted=count.planned) for name, count in plan.operations.items()
    }
    ledger.start_run(plan.scope, plan.run_id, plan.now, counts)
    ledger.finish_run(plan.scope, plan.run_id, plan.now, "held", counts)
