"""Checks that ask the vendors: does what they hold match what they accepted?

Apart from the syncs, because a sync must not wait for them: they run from the UI, or at night by a
job of their own, and read only. They take no configuration: Dagster's launchpad would offer it for
every job that makes the same assets, and then refuse it there.
"""

from collections.abc import Sequence

import dagster as dg

from orchestration import event_reconcile
from orchestration.activate import SYNCS, DeclaredSync
from orchestration.assets.syncs import event_keys, people_keys
from orchestration.context import LoyaltyResource, explained, throttled
from orchestration.operations.runbooks import runbook
from orchestration.reconcile import (
    cost_in_words,
    in_words,
    reconcile,
    require_known,
    too_inaccurate,
)
from orchestration.settings import missing
from reverse_etl.ledger_read_back import ReadBack
from reverse_etl.read_back import SAMPLE, ReadProgress

NAME = "read_back"
JOB_NAME = "read_back_job"
# Before the daily refresh, when no sync of ours writes.
NIGHTLY_CRON = "15 2 * * *"
_PROPERTIES_SHOWN = 50


def check_keys() -> list[dg.AssetCheckKey]:
    """Keys of the read-back checks."""
    return [*(dg.AssetCheckKey(_asset(sync), NAME) for sync in SYNCS), _EVENT_CHECK]


def read_back_checks() -> list[dg.AssetChecksDefinition]:
    """One check per declared sync of people, and one of the events that Klaviyo shows."""
    return [*(_check(sync) for sync in SYNCS), _event_check()]


def read_back_job(executor: dg.ExecutorDefinition) -> "dg.UnresolvedAssetJobDefinition":
    """The job that reads a sample back from each destination."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.checks(*check_keys()),
        description="Read a sample of people back from Klaviyo and Rule, and of events from "
        "Klaviyo, and compare it with what they accepted: other people each day, until all were "
        "seen. Writes nothing there. `loyalty reconcile` reads more (--all), and writes what "
        "drifted again (--repair).",
        executor_def=executor,
    )


def read_back_schedule(timezone: str) -> dg.ScheduleDefinition:
    """Every night, by the clock of `timezone`; off until somebody switches it on."""
    return dg.ScheduleDefinition(
        name=f"nightly_{JOB_NAME}",
        job_name=JOB_NAME,
        cron_schedule=NIGHTLY_CRON,
        execution_timezone=timezone,
        description="The read-back of a sample, every night. Off until somebody switches it on: "
        "it spends requests of the vendors' accounts. Runbook: "
        f"{runbook('schedule', f'nightly_{JOB_NAME}')}",
    )


def _asset(sync: DeclaredSync) -> dg.AssetKey:
    return people_keys([sync.destination])[0]


def _check(sync: DeclaredSync) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=_asset(sync),
        name=NAME,
        description=f"What {sync.destination.title()} holds is what it accepted, for a sample of "
        "people. Fails below LOYALTY_LEAST_ACCURACY, warns of any drift; sync.read_backs and "
        f"sync.drift keep the result. Runbook: {runbook('check', NAME)}",
    )
    def checked(
        context: dg.AssetCheckExecutionContext, loyalty: LoyaltyResource
    ) -> dg.AssetCheckResult:
        step = loyalty.step(context)
        say = throttled(context.log.info)
        with explained():
            result = reconcile(
                sync,
                step.settings,
                step.home,
                step.now,
                step.run_id,
                sample=SAMPLE,
                report=lambda progress: say(_sentence(sync.destination, progress)),
            )
            if result is None:
                context.log.info(f"left out: {missing(sync.destination)}")
                return dg.AssetCheckResult(passed=True, metadata={"left_out": True})
            require_known(result)
        context.log.info(in_words(result))
        problem = too_inaccurate(result, step.settings.least_accuracy)
        return dg.AssetCheckResult(
            passed=result.accurate == result.checked,
            severity=dg.AssetCheckSeverity.ERROR if problem else dg.AssetCheckSeverity.WARN,
            description=problem or in_words(result),
            metadata=_metadata(result),
        )

    return checked


_EVENT_CHECK = dg.AssetCheckKey(event_keys([event_reconcile.DESTINATION])[0], NAME)


def _event_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=_EVENT_CHECK.asset_key,
        name=NAME,
        description="Klaviyo shows the events it accepted, for a sample of another day each; it "
        "answers 202 and drops without a word what it does not like. Fails below "
        "LOYALTY_LEAST_ACCURACY. Look at: sync.read_backs, sync.events. "
        f"Rule offers no way to read events. Runbook: {runbook('check', NAME)}",
    )
    def checked(
        context: dg.AssetCheckExecutionContext, loyalty: LoyaltyResource
    ) -> dg.AssetCheckResult:
        step = loyalty.step(context)
        with explained():
            found = event_reconcile.reconcile_events(
                step.settings, step.home, step.now, step.run_id
            )
        if found is None:
            left_out = missing(event_reconcile.DESTINATION)
            context.log.info(f"left out: {left_out}")
            return dg.AssetCheckResult(passed=True, metadata={"left_out": True})
        words = event_reconcile.in_words(found)
        problem = event_reconcile.too_many_missing(found, step.settings.least_accuracy)
        context.log.info(words)
        return dg.AssetCheckResult(
            passed=not found.missing,
            severity=dg.AssetCheckSeverity.ERROR if problem else dg.AssetCheckSeverity.WARN,
            description=problem or words,
            metadata={
                "known": found.known,
                "checked": found.checked,
                "missing": len(found.missing),
            },
        )

    return checked


def _sentence(destination: str, progress: ReadProgress) -> str:
    if progress.checked:
        return f"{progress.checked:,} of {progress.chosen:,} people read back"
    return cost_in_words(destination, progress)


def _metadata(result: ReadBack) -> dict[str, dg.MetadataValue]:
    """Counts and names of properties; nothing of a person."""
    return {
        "accuracy": dg.MetadataValue.float(result.accuracy),
        "checked": dg.MetadataValue.int(result.checked),
        "known": dg.MetadataValue.int(result.known),
        "drifted": dg.MetadataValue.int(result.drifted),
        "missing": dg.MetadataValue.int(result.missing),
        "stopped": dg.MetadataValue.text(result.stopped or "no"),
        "drift": _drift(result.by_property[:_PROPERTIES_SHOWN]),
    }


def _drift(rows: Sequence[tuple[str, str, int]]) -> dg.MetadataValue:
    columns = [
        dg.TableColumn("property", "string"),
        dg.TableColumn("kind", "string"),
        dg.TableColumn("people", "int"),
    ]
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"property": name or "(whole person)", "kind": kind, "people": people})
            for name, kind, people in rows
        ],
        schema=dg.TableSchema(columns=columns),
    )
