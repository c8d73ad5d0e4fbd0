"""Reading told events back: from Klaviyo, by id. Rule offers no read of what a person was told.

Nothing is repaired: an accepted event is never sent again. What is missing is for a person to look
at; its ids are in the result.
"""

from datetime import datetime

from orchestration.accounts import destination_client
from orchestration.home import Home, claim
from orchestration.publish import publish_deliveries
from orchestration.settings import Settings
from reverse_etl.destinations.klaviyo_event_read import KlaviyoEventReader
from reverse_etl.events.contract import OBJECT
from reverse_etl.events.read_back import SAMPLE, VISIBLE_AFTER, EventReadBack, read_back_events
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_read_back import ReadBack, record_read_back

DESTINATION = "klaviyo"
UNREADABLE = (
    "rule: events cannot be read back, for Rule shows what a person's fields are and not what they "
    "were told; what it answered to each call is in sync.events"
)
_IDS_SHOWN = 5


def reconcile_events(
    settings: Settings, home: Home, now: datetime, read_back_id: str, sample: int | None = SAMPLE
) -> EventReadBack | None:
    """Look at Klaviyo for told events, record and publish the result; None without a key.

    Args:
        now: the product's clock.
        sample: events to look for; None = all that were told, a request a person.

    Raises:
        LoyaltyError: Klaviyo could not be read.
    """
    client = destination_client(DESTINATION, settings)
    if client is None:
        return None
    ledger = Ledger(home.ledger)
    with client:
        claim(home, DESTINATION, settings.base_url(DESTINATION))
        found = read_back_events(ledger, KlaviyoEventReader(client), now, sample)
    if found.checked:
        record_read_back(ledger, _recorded(found, now, read_back_id))
        if home.audited.exists():
            publish_deliveries(home)
    return found


def in_words(found: EventReadBack) -> str:
    """A read-back in one line, with some ids of what is missing."""
    if not found.known:
        return f"{DESTINATION}: no events to look for{_fresh(found)}"
    seen = found.checked - len(found.missing)
    text = (
        f"{DESTINATION}: {found.checked:,} of {found.known:,} told events looked for, {seen:,} "
        f"found, {len(found.missing):,} missing"
    )
    if found.missing:
        more = ", …" if len(found.missing) > _IDS_SHOWN else ""
        text += f" (event_id {', '.join(found.missing[:_IDS_SHOWN])}{more})"
    return text + _fresh(found)


def _fresh(found: EventReadBack) -> str:
    """Those told too lately; with the others they are what `loyalty plan` calls told already."""
    if not found.fresh:
        return ""
    minutes = VISIBLE_AFTER.total_seconds() / 60
    return f"; {found.fresh:,} of the last {minutes:.0f} minutes may not be visible yet"


def too_many_missing(found: EventReadBack, least: float) -> str | None:
    """What to tell when fewer events are found than LOYALTY_LEAST_ACCURACY allows; else None."""
    if found.share >= least:
        return None
    return (
        f"{in_words(found)}; {least * 100:.2f} % is the least. Klaviyo took them and does not show "
        "them: look them up by e-mail in sync.events"
    )


def _recorded(found: EventReadBack, now: datetime, read_back_id: str) -> ReadBack:
    missing = len(found.missing)
    return ReadBack(
        read_back_id=read_back_id,
        scope=Scope(DESTINATION, OBJECT),
        started_at=now,
        finished_at=now,
        is_sample=found.checked < found.known,
        known=found.known,
        checked=found.checked,
        accurate=found.checked - missing,
        missing=missing,
        drifted=0,
    )
