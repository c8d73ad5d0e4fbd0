"""Everything that is wrong at the moment, as troubles; and of what nothing can be told just now.

Looks at Dagster's record of runs, checks and ticks, at the audited tables and at the disk. Asks no
vendor. What somebody else wrote (an exception's text) is masked before it leaves.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._utils.schedules import schedule_execution_time_iterator

from orchestration.accounts import warnings
from orchestration.home import Home
from orchestration.masking import masked
from orchestration.operations import alerts, messages
from orchestration.operations.alerts import Trouble
from orchestration.operations.disk import too_full
from orchestration.operations.failures import (
    RUN_OF,
    first_failure,
    has_succeeded_since,
    newest_failures,
)
from orchestration.operations.freshness import old_layers
from orchestration.operations.incidents import Book
from orchestration.operations.overlap import PUBLISHED_KEY, refresh_going_on
from orchestration.operations.schedules import REFRESH_JOB, REFRESH_SCHEDULE, daily_cron
from orchestration.settings import DESTINATIONS, Settings
from vendor_http import LoyaltyError

DISK_SPACE, SET_ASIDE = "disk_space", "people_set_aside"
# A tick is missed when nothing has come of it for so long; a busy daemon takes minutes.
TICK_GRACE = timedelta(hours=1)
_EVALUATIONS = 20  # of a check that are looked at for when it failed first
_PLANNED = AssetCheckExecutionRecordStatus.PLANNED
_FAILED = AssetCheckExecutionRecordStatus.FAILED


@dataclass
class Seen:
    """What one look found: `unknown` are keys of troubles that keep the state they had."""

    troubles: list[Trouble] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class View:
    """What a look is taken at; `now` is the real time."""

    instance: dg.DagsterInstance
    home: Home
    settings: Settings
    checks: Sequence[dg.AssetCheckKey]
    book: Book
    now: datetime

    def open_keys(self, kind: alerts.AlertKind) -> Iterator[str]:
        """Names of the open incidents of a kind, without the kind before them."""
        for key, incident in self.book.incidents.items():
            if incident.over_at is None and incident.trouble.kind == kind.name:
                yield key.removeprefix(f"{kind.name}:")


def look(view: View) -> Seen:
    """Look at everything; causes first, because what follows from one is no trouble of its own."""
    # Closes what the command left behind when it was killed: it would look as if it went on.
    refresh_going_on(view.instance, view.home, REFRESH_JOB)
    seen = Seen()
    for part in (_steps, _checks, _disk, _schedule, _accounts, _channels):
        part(view, seen)
    causes = {alerts.FAILED_STEP.name, alerts.MISSED_SCHEDULE.name}
    stale = list(_stale(view))
    if causes & {trouble.kind for trouble in seen.troubles} or seen.unknown & _keys(view, causes):
        # Old data are what a failed step does: neither a second alert, nor over.
        seen.unknown |= {trouble.key for trouble in stale}
    else:
        seen.troubles += stale
    return seen


def _keys(view: View, kinds: Collection[str]) -> set[str]:
    return {
        key
        for key, incident in view.book.incidents.items()
        if incident.over_at is None and incident.trouble.kind in kinds
    }


def _trouble(
    kind: alerts.AlertKind,
    name: str,
    what: str,
    affects: str,
    run_id: str | None = None,
    since: datetime | None = None,
) -> Trouble:
    began = since.astimezone(UTC).isoformat() if since else None
    return Trouble(f"{kind.name}:{name}", kind.name, masked(what), affects, run_id, began)


def _steps(view: View, seen: Seen) -> None:
    kind = alerts.FAILED_STEP
    failures = newest_failures(view.instance)
    for step, failed in failures.items():
        if not has_succeeded_since(view.instance, step, failed.failed_at):
            name = f"a run of {step.removeprefix(RUN_OF)}" if step.startswith(RUN_OF) else step
            what, affects = f"{name}: {failed.why}", messages.who_notices(step)
            # Of an incident that is open the book knows when it began.
            is_new = step not in view.open_keys(kind)
            since = first_failure(view.instance, failed) if is_new else None
            seen.troubles.append(_trouble(kind, step, what, affects, failed.run_id, since))
    for step in view.open_keys(kind):
        if step in failures:
            continue
        opened = view.book.incidents[f"{kind.name}:{step}"].opened_at
        if not has_succeeded_since(view.instance, step, datetime.fromisoformat(opened)):
            seen.unknown.add(f"{kind.name}:{step}")


def _checks(view: View, seen: Seen) -> None:
    """Failed checks, but for those of a failed step (one incident) and those that only warn."""
    failed_steps = {
        (trouble.run_id, trouble.key.removeprefix(f"{alerts.FAILED_STEP.name}:"))
        for trouble in seen.troubles
    }
    keys = [key for key in view.checks if key.name != DISK_SPACE]  # the disk is asked itself
    records = view.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key, record in records.items():
        kind = alerts.SET_ASIDE if key.name == SET_ASIDE else alerts.FAILED_CHECK
        name = f"{'/'.join(key.asset_key.path)}:{key.name}"
        event = record.event
        if record.status is _PLANNED:
            seen.unknown.add(f"{kind.name}:{name}")
        elif record.status is _FAILED and event is not None and event.dagster_event is not None:
            evaluation = event.dagster_event.asset_check_evaluation_data
            if (record.run_id, event.step_key) in failed_steps:
                continue
            if evaluation.severity is dg.AssetCheckSeverity.ERROR:
                what = f"{key.name} of {'/'.join(key.asset_key.path)}"
                what += f": {evaluation.description}" if evaluation.description else " failed"
                is_new = name not in view.open_keys(kind)
                since = _failed_since(view, key) if is_new else None
                seen.troubles.append(
                    _trouble(kind, name, what, _of_check(key), record.run_id, since)
                )


def _failed_since(view: View, key: dg.AssetCheckKey) -> datetime | None:
    """When a check failed first since it passed last; of its newest evaluations."""
    since = None
    for record in view.instance.event_log_storage.get_asset_check_execution_history(
        key, limit=_EVALUATIONS
    ):
        if record.status is _FAILED and record.event is not None:
            since = datetime.fromtimestamp(record.event.timestamp, UTC)
        elif record.status is not _PLANNED:
            break
    return since


def _of_check(key: dg.AssetCheckKey) -> str:
    head = key.asset_key.path[0]
    if head in DESTINATIONS:
        return f"marketers: some people in {head.title()} are not as they should be"
    return messages.ANALYSTS if head in ("marts", "activation") else "nobody outside yet"


def _disk(view: View, seen: Seen) -> None:
    full = too_full(view.home, view.settings.least_disk_gib)
    if full:
        name = f"{'/'.join(PUBLISHED_KEY.path)}:{DISK_SPACE}"
        affects = "nobody yet; the next refresh may fail"
        seen.troubles.append(_trouble(alerts.FAILED_CHECK, name, full, affects))


def _schedule(view: View, seen: Seen) -> None:
    due = last_due(view.settings, view.now - TICK_GRACE)
    for state in view.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
        if (
            state.instigator_name != REFRESH_SCHEDULE
            or state.status is not InstigatorStatus.RUNNING
        ):
            continue
        started = getattr(state.instigator_data, "start_timestamp", None)
        if started is not None and started > due.timestamp():
            continue
        ticks = view.instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=due.timestamp() - 1, limit=1
        )
        runs = view.instance.get_runs(
            dg.RunsFilter(job_name=REFRESH_JOB, created_after=due), limit=1
        )
        if not ticks and not runs:
            what = f"{REFRESH_SCHEDULE} was due at {due:%Y-%m-%d %H:%M} UTC and did not start"
            affects = f"{messages.ANALYSTS}; marketers find yesterday's properties"
            seen.troubles.append(
                _trouble(alerts.MISSED_SCHEDULE, REFRESH_SCHEDULE, what, affects, since=due)
            )


def last_due(settings: Settings, before: datetime) -> datetime:
    """When the daily refresh was due last, before a moment; UTC."""
    ticks = schedule_execution_time_iterator(
        before.timestamp(), daily_cron(settings), settings.timezone, ascending=False
    )
    return next(tick for tick in ticks if tick <= before.astimezone(ZoneInfo("UTC"))).astimezone(
        UTC
    )


def _accounts(view: View, seen: Seen) -> None:
    for name in DESTINATIONS:
        try:
            found = warnings(name, view.settings)
        except LoyaltyError as error:
            found = [str(error)]
        for line in found:
            affects = f"nobody yet; then marketers get nothing new in {name.title()}"
            seen.troubles.append(_trouble(alerts.ACCOUNT_WARNING, name, line, affects))


def _channels(view: View, seen: Seen) -> None:
    for name, why in view.book.failing_channels.items():
        affects = f"operators who wait for alerts by {name}"
        seen.troubles.append(_trouble(alerts.CHANNEL_FAILING, name, why, affects))


def _stale(view: View) -> Iterator[Trouble]:
    hours = view.settings.fresh_hours
    for old in old_layers(view.instance, view.home, view.settings, view.now):
        what = f"{old.layer} is of {old.made_at:%Y-%m-%d %H:%M} UTC, {old.hours:.0f} hours ago "
        what += f"(LOYALTY_FRESH_HOURS is {hours:g})"
        affects = messages.who_notices(old.step) if old.step else messages.ANALYSTS
        since = view.now - timedelta(hours=old.hours - hours)  # when it grew too old
        yield _trouble(alerts.STALE_DATA, old.layer, what, affects, since=since)
