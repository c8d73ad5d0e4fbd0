"""Reading back what the vendors hold: which account, how much, and what follows from the result."""

from collections.abc import Callable
from datetime import datetime

from orchestration.accounts import destination_client, rule_client, rule_limits
from orchestration.activate import DeclaredSync, specification
from orchestration.home import Home, claim
from orchestration.publish import publish_deliveries
from orchestration.settings import Settings
from reverse_etl.destinations.klaviyo_read import KlaviyoReader
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.destinations.rule_read import READ_SHARE, RuleReader
from reverse_etl.ledger import Ledger
from reverse_etl.ledger_read_back import ReadBack, mark_for_repair
from reverse_etl.read_back import SECOND_LOOK_SECONDS, Reader, ReadProgress, read_back
from vendor_http import ApiClient, LoyaltyError

Report = Callable[[ReadProgress], None]


def reconcile(
    sync: DeclaredSync,
    settings: Settings,
    home: Home,
    now: datetime,
    read_back_id: str,
    *,
    sample: int | None,
    report: Report,
) -> ReadBack | None:
    """Read back people of one destination, record and publish the result; None without a key.

    Args:
        now: the product's clock.
        sample: people to read; None = everybody.
        report: told how far it is; first, before any request, what it will cost.

    Raises:
        LoyaltyError: nobody could be read, or nothing is published yet.
    """
    connected = connect_reader(sync.destination, settings)
    if connected is None:
        return None
    client, reader = connected
    with client:
        claim(home, sync.destination, settings.base_url(sync.destination))
        result = read_back(
            reader,
            Ledger(home.ledger),
            specification(sync, settings, home),
            now,
            read_back_id,
            sample=sample,
            report=report,
            second_look_seconds=SECOND_LOOK_SECONDS,
        )
    publish_deliveries(home)
    return result


def connect_reader(name: str, settings: Settings) -> tuple[ApiClient, Reader] | None:
    """The signed-in client of a destination and what reads with it; None without a key.

    Raises:
        ConfigurationError: the credential cannot be used.
    """
    if name == "klaviyo":
        client = destination_client(name, settings)
        return (client, KlaviyoReader(client)) if client else None
    if name == "rule" and settings.rule_api_key is not None:
        watch = AnswerWatch()
        # A client of its own: a long read-back leaves half of the account's budget to a sync.
        client = rule_client(settings.rule_api_key, settings, watch, READ_SHARE)
        (limit,) = rule_limits(settings, READ_SHARE)["default"]
        return client, RuleReader(client, watch, limit)
    return None


def mark_drifted(home: Home, result: ReadBack) -> int:
    """Let the next sync write again what this read-back found wrong; people marked.

    Raises:
        LedgerBusyError: a sync of this destination runs and does not end.
    """
    marked = mark_for_repair(Ledger(home.ledger), result.scope, result.read_back_id)
    publish_deliveries(home)
    return marked


def too_inaccurate(result: ReadBack, least: float) -> str | None:
    """What to tell when less is accurate than LOYALTY_LEAST_ACCURACY allows; else None."""
    if result.accuracy >= least:
        return None
    name = result.scope.destination
    return (
        f"{name}: {shown_accuracy(result)} of {result.checked:,} people are as the vendor accepted "
        f"them, {least * 100:.2f} % is the least. See sync.drift for the properties, then "
        f"`loyalty reconcile {name} --repair`"
    )


def cost_in_words(destination: str, progress: ReadProgress) -> str:
    """What a read-back is about to spend, in one line."""
    minutes = progress.estimate.seconds / 60
    time = f"at least {minutes:,.0f} minutes" if minutes >= 1 else "less than a minute of waiting"
    return (
        f"{destination}: reading {progress.chosen:,} of {progress.known:,} people takes "
        f"{progress.estimate.requests:,} requests, {time}"
    )


def in_words(result: ReadBack) -> str:
    """A read-back in one line."""
    name = result.scope.destination
    if not result.known:
        return f"{name}: nobody to read back; nothing was accepted there yet"
    text = (
        f"{name}: {result.checked:,} of {result.known:,} people read back, "
        f"{shown_accuracy(result)} as accepted, {result.drifted:,} drifted, "
        f"{result.missing:,} missing"
    )
    return f"{text}; stopped early ({result.stopped.replace('_', ' ')})" if result.stopped else text


def shown_accuracy(result: ReadBack) -> str:
    """Percent with two decimals, rounded down, so that 100 % means everybody; – for nobody."""
    if not result.checked:
        return "–"
    return f"{result.accurate * 10_000 // result.checked / 100:.2f} %"


def require_known(result: ReadBack) -> None:
    """Refuse a result that measured nothing although there was somebody to read.

    Raises:
        LoyaltyError: it was stopped before anybody was compared.
    """
    if result.known and result.stopped and not result.checked:
        raise LoyaltyError(f"{in_words(result)}. Run again later")
