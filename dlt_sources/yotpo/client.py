"""The HTTP client of one Yotpo Loyalty account."""

import httpx

from vendor_http import ApiClient, RateLimit, retry_after_seconds

BASE_URL = "https://loyalty.yotpo.com/api/v2"
# https://loyaltyapi.yotpo.com/reference/guidelines-and-conventions says 10 requests a second per
# merchant, older pages say 5, and every integration of the merchant shares them.
REQUESTS_PER_SECOND = 5.0
# The reset of the window is not always told; the minute quota is the longest one there is.
_PAUSE_AFTER_429_SECONDS = 60.0


def client(
    guid: str,
    api_key: str,
    base_url: str = BASE_URL,
    requests_per_second: float = REQUESTS_PER_SECOND,
) -> ApiClient:
    """A client whose limiter all reads of this account share.

    The credentials travel as headers, never in the URL, where they would end up in logs
    (https://loyaltyapi.yotpo.com/reference/authentication allows both).
    """
    return ApiClient(
        vendor="Yotpo",
        base_url=base_url,
        headers={"x-guid": guid, "x-api-key": api_key, "Accept": "application/json"},
        key_variables=["YOTPO_GUID", "YOTPO_API_KEY"],
        limits={"default": RateLimit(max(1, int(requests_per_second)), 1.0)},
        pause_seconds=_pause_seconds,
        base_url_variable="YOTPO_BASE_URL",
    )


def _pause_seconds(response: httpx.Response) -> float | None:
    """What Yotpo's `ratelimit-*` headers ask for: silence after a 429 or a spent minute quota."""
    asked = retry_after_seconds(response)
    refused = response.status_code == 429
    spent = response.headers.get("x-ratelimit-remaining-minute", "").strip() == "0"
    if asked is not None or not (refused or spent):
        return asked
    try:
        return max(1.0, float(response.headers["ratelimit-reset"]))
    except (KeyError, ValueError):
        return _PAUSE_AFTER_429_SECONDS if refused else None
