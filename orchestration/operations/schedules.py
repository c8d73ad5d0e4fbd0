"""When what runs: the daily refresh and the nightly read-back.

Both are off until somebody switches them on in the UI: they reach real people, or spend requests of
the vendors' accounts. There is no weekly job: the daily refresh reads Smile's ledger and coupons in
full whenever the last full reading is LOYALTY_SWEEP_DAYS old, so a sweep that failed or was skipped
is made up for the next day, and never runs beside a refresh. Times are wall-clock times of
LOYALTY_TIMEZONE. Dagster makes them DST-safe: a time that the clock skips runs once, right after
the gap; one that comes twice runs once
(https://docs.dagster.io/guides/automate/schedules/customizing-execution-timezone).
"""

from datetime import UTC, datetime

import dagster as dg

from orchestration.home import Home
from orchestration.operations.overlap import refresh_going_on, refresh_since
from orchestration.operations.runbooks import runbook
from orchestration.settings import Settings, load_settings

REFRESH_JOB = "refresh_loyalty_job"
REFRESH_SCHEDULE = f"daily_{REFRESH_JOB}"


def daily_cron(settings: Settings) -> str:
    """LOYALTY_REFRESH_AT as cron knows it."""
    hour, minute = settings.refresh_at.split(":")
    return f"{int(minute)} {int(hour)} * * *"


def refresh_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The daily refresh; a tick that finds another one going on, or that came too late, skips."""

    @dg.schedule(
        name=REFRESH_SCHEDULE,
        job_name=REFRESH_JOB,
        cron_schedule=daily_cron(settings),
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"The whole refresh, every day at {settings.refresh_at} ({settings.timezone}; "
        "LOYALTY_REFRESH_AT, LOYALTY_TIMEZONE). Off until somebody switches it on: its syncs reach "
        "real people. Skips while another refresh is going on. Runbook: "
        f"{runbook('schedule', REFRESH_SCHEDULE)}",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        reason = why_not(
            context.instance, Home(load_settings().home), context.scheduled_execution_time
        )
        return dg.SkipReason(reason) if reason else dg.RunRequest()

    return tick


def why_not(instance: dg.DagsterInstance, home: Home, due_at: datetime) -> str | None:
    """Why the refresh that was due at `due_at` is not started; None when nothing speaks against it.

    A refresh that is late (the daemon was down) is still made up for, once, unless somebody has
    started one in the meantime.
    """
    running = refresh_going_on(instance, home, REFRESH_JOB)
    if running is not None:
        return (
            f"refresh {running.run_id} is still going on; this one is left out, not put behind it. "
            "The next tick, or `loyalty run`, reads what this one would have"
        )
    since = refresh_since(instance, REFRESH_JOB, due_at)
    if since is not None:
        late = datetime.now(UTC) - due_at
        return (
            f"this refresh was due at {due_at:%Y-%m-%d %H:%M %Z}, {late.total_seconds() / 60:.0f} "
            f"minutes ago; refresh {since.run_id} was begun since then"
        )
    return None
