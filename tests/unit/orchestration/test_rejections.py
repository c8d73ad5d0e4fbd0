"""`loyalty rejections`: who is shown, how, and the way back from quarantine."""

from io import StringIO
from pathlib import Path

import pytest
from reverse_etl_models import NOW, ModelVendor, member, publish, run
from rich.console import Console

from orchestration.cli.rejections import release, show
from orchestration.home import Home
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.quarantine import set_aside
from vendor_http import LoyaltyError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One person accepted, one refused twice and set aside, one who is never sent."""
    found = Home(tmp_path)
    vendor = ModelVendor(fate=lambda _n, row: "refused" if "bad" in row.email else "applied")
    ledger = Ledger(found.ledger)
    for points in (1, 2):
        rows = [member(f"{name}@shop.se", points=points) for name in ("good", "badluck", "odd@")]
        run(publish(tmp_path / "p.duckdb", rows), ledger, vendor, f"run{points}")
    set_aside(ledger, Scope("klaviyo", "profiles"), NOW, attempts=2)
    return found


def shown(home: Home, *, only_quarantined: bool = False, has_emails: bool = False) -> str:
    screen = StringIO()
    show(
        Console(file=screen, width=200),
        home,
        ["klaviyo"],
        only_quarantined=only_quarantined,
        has_emails=has_emails,
    )
    return screen.getvalue()


def test_the_refused_are_listed_masked_with_their_reasons(home: Home) -> None:
    text = shown(home)
    assert "ba***@shop.se" in text
    assert "refused_by_model: as ordered" in text
    assert "malformed_email" in text
    assert "never sent" in text
    assert "good" not in text
    assert "badluck" not in text
    assert "badluck@shop.se" in shown(home, has_emails=True)


def test_quarantine_is_shown_alone_and_ends_with_a_release(home: Home) -> None:
    text = shown(home, only_quarantined=True)
    assert f"since {NOW:%Y-%m-%d}" in text
    assert "malformed_email" not in text
    with pytest.raises(LoyaltyError, match="Nobody in quarantine"):
        release(Console(file=StringIO()), home, ["klaviyo"], email="good@shop.se", reason_code=None)
    release(Console(file=StringIO()), home, ["klaviyo"], email=None, reason_code="refused_by_model")
    assert "nobody is in quarantine" in shown(home, only_quarantined=True)


def test_before_the_first_sync_nobody_is_refused(tmp_path: Path) -> None:
    assert "nobody is refused" in shown(Home(tmp_path))
    with pytest.raises(LoyaltyError, match="Nothing was sent"):
        release(Console(), Home(tmp_path), ["rule"], email=None, reason_code=None)
