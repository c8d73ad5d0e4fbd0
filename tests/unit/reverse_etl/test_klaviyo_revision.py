"""When an API revision of Klaviyo is warned about, and when it is refused."""

from datetime import date, timedelta

import pytest

from reverse_etl.destinations.klaviyo_revision import require_alive, retires_on, warning
from vendor_http import ConfigurationError

REVISION = "2026-07-15"
END = date(2028, 7, 15)


@pytest.mark.parametrize(
    ("revision", "end"),
    [
        ("2024-10-15", date(2026, 10, 15)),
        (REVISION, END),
        ("2028-02-29", date(2030, 3, 1)),
    ],
)
def test_a_revision_retires_two_years_after_its_release(revision: str, end: date) -> None:
    assert retires_on(revision) == end


@pytest.mark.parametrize(("days", "is_warned"), [(121, False), (120, True), (1, True), (0, False)])
def test_a_warning_comes_in_the_last_120_days(days: int, is_warned: bool) -> None:
    text = warning(REVISION, END - timedelta(days=days))
    assert (text is not None) == is_warned
    if text:
        assert f"in {days} day" in text
        assert "KLAVIYO_REVISION" in text


def test_a_retired_revision_is_refused_from_its_first_day_on() -> None:
    require_alive(REVISION, END - timedelta(days=1))
    with pytest.raises(ConfigurationError, match="retired its API revision 2026-07-15 on 2028"):
        require_alive(REVISION, END)


def test_a_date_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match="KLAVIYO_REVISION: 2026-13-01 is no date"):
        require_alive("2026-13-01", END)
