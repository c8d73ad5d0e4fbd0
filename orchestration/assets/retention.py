"""Retention in Dagster: a job of one operation, and the schedule that runs it every day.

On from the beginning: it reaches nobody, and what is written down about personal data must hold
also where nobody has looked into the UI yet.
"""

from datetime import UTC, datetime

import dagster as dg

from orchestration.context import explained
from orchestration.home import Home
from orchestration.operations.runbooks import runbook
from orchestration.retention import enforce
from orchestration.settings import load_settings

JOB = "enforce_retention_job"
SCHEDULE = f"daily_{JOB}"
_CRON = "40 2 * * *"  # before the backup and the refresh


@dg.op(description="Delete what is older than the settings LOYALTY_KEEP_… and LOYALTY_INBOX_DAYS.")
def enforce_retention(context: dg.OpExecutionContext) -> None:
    """Delete what was kept long enough, and say how much of each kind."""
    settings = load_settings()
    home = Home(settings.home)
    home.prepare()
    with explained():
        gone = enforce(settings, home, context.instance, datetime.now(UTC), context.log.info)
    context.add_output_metadata({kind: dg.MetadataValue.int(count) for kind, count in gone.items()})


@dg.job(
    name=JOB,
    executor_def=dg.in_process_executor,
    description="Delete what was kept long enough (docs/personal_data.md). Reaches no vendor.",
)
def enforce_retention_job() -> None:
    """The operation alone."""
    enforce_retention()


def retention_schedule(timezone: str) -> dg.ScheduleDefinition:
    """Every night, on from the beginning."""
    return dg.ScheduleDefinition(
        name=SCHEDULE,
        job=enforce_retention_job,
        cron_schedule=_CRON,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Deletes what was kept long enough, every night. Runbook: "
        f"{runbook('schedule', SCHEDULE)}",
    )
