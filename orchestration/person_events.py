"""What one person's events came to at a vendor: told live, told as history, refused, or waiting."""

from orchestration.activate import EVENT_SYNCS, DeclaredSync
from orchestration.home import Home
from orchestration.person import Row, read, rows
from reverse_etl.ledger import Ledger

# Column with the name that people know an event by, per destination.
_NAMES = {"klaviyo": "metric", "rule": "event_type"}


def events_of(email: str, destination: str, home: Home) -> list[Row]:
    """Events of one person for one destination, newest first.

    Args:
        email: normalised.

    Returns:
        Dicts with event_id, event (its name; None where the tables no longer show it), occurred_at,
        state (`accepted`, `rejected` …; `waiting` = nobody was told yet), was_backfill (told as
        history, which starts no flow), accepted_at and reason_code.
    """
    sync = next(each for each in EVENT_SYNCS if each.destination == destination)
    found = {row["event_id"]: row for row in _told(email, sync, home)}
    for row in _wanted(email, sync, home):
        known = found.get(row["event_id"], {"state": "waiting", "was_backfill": None})
        found[row["event_id"]] = {"accepted_at": None, "reason_code": None, **known, **row}
    return sorted(found.values(), key=lambda row: str(row["occurred_at"]), reverse=True)


def _wanted(email: str, sync: DeclaredSync, home: Home) -> list[Row]:
    with read(home.audited) as db:
        return rows(
            db,
            f"select event_id, {_NAMES[sync.destination]} as event, occurred_at "
            f"from activation.{sync.model} where email = ?",
            [email],
        )


def _told(email: str, sync: DeclaredSync, home: Home) -> list[Row]:
    ledger = Ledger(home.ledger)
    if not ledger.path.exists():
        return []
    with ledger.open() as db:
        return rows(
            db,
            "select event_id, null as event, occurred_at, state, was_backfill, accepted_at, "
            "reason_code from events where destination = ? and email = ?",
            [sync.destination, email],
        )
