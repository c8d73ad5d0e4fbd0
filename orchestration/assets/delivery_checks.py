"""Checks that a sync of people reports beside its own two: who was held back, who is set aside."""

from collections.abc import Iterator

import dagster as dg

from orchestration.activate import ROWS_TOLERATED, DeclaredSync
from orchestration.context import Step
from orchestration.operations.runbooks import runbook
from orchestration.operations.sources import in_words, stale_programs
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.quarantine import count_set_aside
from reverse_etl.results import SyncResult

HELD_BACK = "nobody_held_back"
SET_ASIDE = "people_set_aside"


def specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Both checks of one sync of people."""
    return [
        dg.AssetCheckSpec(
            HELD_BACK,
            asset=key,
            description="No programme was last read longer ago than LOYALTY_MAX_STALE_HOURS; the "
            "people of one that was stay as the vendor has them. Look at: marts.audit_sources. "
            f"Runbook: {runbook('check', HELD_BACK)}",
        ),
        dg.AssetCheckSpec(
            SET_ASIDE,
            asset=key,
            description="No more people are set aside, for the vendor refused them too often, than "
            "LOYALTY_SET_ASIDE_SHARE allows. Look at: sync.rejections. "
            f"Runbook: {runbook('check', SET_ASIDE)}",
        ),
    ]


def results(
    key: dg.AssetKey, sync: DeclaredSync, step: Step, result: SyncResult | None
) -> Iterator[dg.AssetCheckResult]:
    """What both found; `result` None = the destination takes no part."""
    held = result.held_back if result else 0
    stale = in_words(stale_programs(step.home, step.settings, step.now)) if held else ""
    yield dg.AssetCheckResult(
        passed=held == 0,
        asset_key=key,
        check_name=HELD_BACK,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{held:,} people are held back, who are in {stale}" if held else None,
        metadata={"held_back": held, "look_at": "marts.audit_sources"},
    )
    known, aside = (0, 0)
    if result is not None:
        known, aside = count_set_aside(
            Ledger(step.home.ledger), Scope(sync.destination, sync.object_name)
        )
    too_many = aside > max(ROWS_TOLERATED, step.settings.set_aside_share * known)
    yield dg.AssetCheckResult(
        passed=not too_many,
        asset_key=key,
        check_name=SET_ASIDE,
        description=f"{aside:,} of {known:,} people are set aside; `loyalty rejections` tells why "
        "and releases them"
        if too_many
        else None,
        metadata={"set_aside": aside, "known": known, "look_at": "sync.rejections"},
    )
