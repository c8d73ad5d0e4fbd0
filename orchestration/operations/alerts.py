"""What an operator is told about, as rows of a declaration: each kind has a title and a runbook."""

from dataclasses import dataclass

from orchestration.operations.runbooks import runbook


@dataclass(frozen=True)
class AlertKind:
    """A kind of incident; `name` is part of its runbook's file name."""

    name: str
    title: str

    @property
    def runbook(self) -> str:
        """What to do about it."""
        return runbook("alert", self.name)


FAILED_STEP = AlertKind("failed_step", "A step of a run failed")
FAILED_CHECK = AlertKind("failed_check", "A check failed")
STALE_DATA = AlertKind("stale_data", "Data are older than they may be")
MISSED_SCHEDULE = AlertKind("missed_schedule", "The daily refresh did not start")
SET_ASIDE = AlertKind("set_aside", "A vendor refuses too many people")
ACCOUNT_WARNING = AlertKind("account_warning", "An account needs attention soon")
CHANNEL_FAILING = AlertKind("channel_failing", "Alerts cannot be delivered")

KINDS = {
    kind.name: kind
    for kind in (
        *(FAILED_STEP, FAILED_CHECK, STALE_DATA, MISSED_SCHEDULE),
        *(SET_ASIDE, ACCOUNT_WARNING, CHANNEL_FAILING),
    )
}


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong at the moment.

    Attributes:
        key: the same for the same trouble, however often it is seen: `failed_step:build_models`.
        kind: name of one of `KINDS`.
        what: what happened, in one line.
        affects: who notices, and how.
        run_id: the Dagster run it was seen in, if any.
        since: when it began, the real time in UTC, ISO 8601; None = nobody knows.
    """

    key: str
    kind: str
    what: str
    affects: str
    run_id: str | None = None
    since: str | None = None
