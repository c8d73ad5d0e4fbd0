"""What one step of a run works with: settings, home, the run's clock; and how it fails in words."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from orchestration.home import Home
from orchestration.orphans import end_with_parent
from orchestration.programs import clock
from orchestration.settings import Settings, load_settings
from orchestration.slot import WAITING
from vendor_http import LoyaltyError

NOW_TAG = "loyalty/now"
StepContext = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


@dataclass(frozen=True)
class Step:
    """One step of one run; `now` is the same in every step of a run."""

    settings: Settings
    home: Home
    run_id: str
    now: datetime


class LoyaltyResource(dg.ConfigurableResource[None]):
    """Gives steps their settings, read when a step starts and never stored by Dagster."""

    def step(self, context: StepContext) -> Step:
        """Settings, home and clock of the run this step belongs to."""
        end_with_parent()
        settings = load_settings()
        home = Home(settings.home)
        home.prepare()
        return Step(settings, home, context.run.run_id, _moment(context, settings))


def _moment(context: StepContext, settings: Settings) -> datetime:
    """The run's clock: what it was started with, else LOYALTY_NOW, else when it was made."""
    if tagged := context.run.tags.get(NOW_TAG):
        return datetime.fromisoformat(tagged)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return clock(settings, record.create_timestamp if record else None)()


@contextmanager
def explained() -> Iterator[None]:
    """Turn an error of ours, however deeply wrapped, into one line for the operator.

    Errors that are not ours pass unchanged: their traceback is what a developer needs.
    """
    try:
        yield
    except Exception as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise dg.Failure(description=str(ours), allow_retries=False) from None


def _ours(error: BaseException | None) -> LoyaltyError | None:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, LoyaltyError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def problem_in_words(error: Exception) -> str:
    """An error in one line without a person in it; of one that is not ours, where its traceback is.

    For what does not end the step, so that Dagster does not keep the traceback.
    """
    from orchestration.cli.unexpected import explain

    ours = _ours(error)
    return str(ours) if ours else explain(error)


def throttled(log: Callable[[str], None], every_seconds: float = 1.0) -> Callable[[str], None]:
    """A log that passes at most one message per interval; for progress, where the last counts.

    Whom a step waits for is always passed: nothing follows it for long.
    """
    last = datetime.min.replace(tzinfo=UTC)

    def say(message: str) -> None:
        nonlocal last
        now = datetime.now(UTC)
        if message.startswith(WAITING) or (now - last).total_seconds() >= every_seconds:
            last = now
            log(message)

    return say


def one_line(error: BaseException) -> str:
    """The last line of an error, for people who did not write the code."""
    return traceback.format_exception_only(error)[-1].strip()
