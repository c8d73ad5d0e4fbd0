"""`loyalty rejections`: who was refused and why, and the way back from quarantine."""

from rich.console import Console

from orchestration.cli.plans import mask
from orchestration.home import Home
from orchestration.publish import publish_deliveries
from reverse_etl import quarantine
from reverse_etl.ledger import Ledger
from vendor_http import LoyaltyError

_ROWS_SHOWN = 200


def show(
    console: Console,
    home: Home,
    destinations: list[str],
    *,
    only_quarantined: bool,
    has_emails: bool,
) -> None:
    """Print everybody whose last delivery was refused; those in quarantine first."""
    found = _refused(home, destinations, only_quarantined=only_quarantined)
    if not found:
        console.print("nobody is " + ("in quarantine" if only_quarantined else "refused"))
        return
    for row in found[:_ROWS_SHOWN]:
        email = row.email if has_emails else mask(row.email)
        console.print(f"{row.destination}  {email}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"  {_told(row)}", highlight=False, markup=False, soft_wrap=True)
    if len(found) > _ROWS_SHOWN:
        console.print(
            f"… and {len(found) - _ROWS_SHOWN:,} more; all of them are in sync.rejections of "
            f"{home.published}",
            highlight=False,
            soft_wrap=True,
        )
    if any(row.quarantined_at for row in found):
        console.print("\nTry them again: loyalty rejections --release E-MAIL (or --release-all)")


def _told(row: quarantine.Refused) -> str:
    """Why, how often, since when; one line."""
    why = f"{row.reason_code}: {row.reason}" if row.reason else row.reason_code
    times = f"refused {row.rejected_count} times" if row.state == "rejected" else "never sent"
    last = f", last {row.last_at:%Y-%m-%d %H:%M}" if row.last_at else ""
    aside = f", set aside since {row.quarantined_at:%Y-%m-%d}" if row.quarantined_at else ""
    return f"{row.operation}: {why} ({times}{last}{aside})"


def release(
    console: Console,
    home: Home,
    destinations: list[str],
    *,
    email: str | None,
    reason_code: str | None,
) -> None:
    """Let people in quarantine be tried again, and publish that they are."""
    if not home.ledger.exists():
        raise LoyaltyError("Nothing was sent from here yet, so nobody is in quarantine")
    released = quarantine.release(
        Ledger(home.ledger), destinations, email=email, reason_code=reason_code
    )
    if not released and email is not None:
        raise LoyaltyError("Nobody in quarantine matches; `loyalty rejections --quarantined`")
    if released and home.published.exists():
        publish_deliveries(home)
    console.print(f"{released:,} released; the next sync tries them again", highlight=False)


def _refused(
    home: Home, destinations: list[str], *, only_quarantined: bool
) -> list[quarantine.Refused]:
    if not home.ledger.exists():
        return []
    return quarantine.refused(Ledger(home.ledger), destinations, only_quarantined=only_quarantined)
