"""What answers say about waiting."""

import httpx
import pytest

from vendor_http import retry_after_seconds

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
