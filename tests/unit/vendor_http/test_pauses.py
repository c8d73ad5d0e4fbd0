"""What answers say about waiting."""

from datetime import timedelta

import httpx
import pytest

from vendor_http import retry_after_seconds
from vendor_http.pauses import answer_date

DATE = "Thu, 14 May 2026 12:12:16 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 14 May 2026 12:12:46 GMT", 30.0),
        ("Thu, 14 May 2026 12:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_vendors_clock(
    value: str, seconds: float | None
) -> None:
    response = httpx.Response(429, headers={"retry-after": value, "date": DATE})
    assert retry_after_seconds(response) == seconds


def test_no_header_is_no_advice() -> None:
    assert retry_after_seconds(httpx.Response(429)) is None


def test_a_doubled_date_is_still_in_gmt_wherever_this_machine_is() -> None:
    doubled = httpx.Response(429, headers={"retry-after": "9", "date": f"{DATE}, {DATE}"})
    assert abs(answer_date(doubled) - answer_date(_dated(DATE))) < timedelta(seconds=1)


def _dated(date: str) -> httpx.Response:
    return httpx.Response(429, headers={"date": date})
