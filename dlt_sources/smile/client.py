"""The HTTP client of one Smile.io account."""

import httpx

from vendor_http import ApiClient, RateLimit, retry_after_seconds

BASE_URL = "https://api.smile.io/v1"
# https://dev.smile.io/api/rate-limits: 10 requests a second per token; after a 429 the limit is
# fresh one second later, and no header says so.
REQUESTS_PER_SECOND = 10.0
_PAUSE_AFTER_429_SECONDS = 1.0


def client(
    api_key: str, base_url: str = BASE_URL, requests_per_second: float = REQUESTS_PER_SECOND
) -> ApiClient:
    """A client whose limiter all chains of this account share.

    Args:
        requests_per_second: higher for an Enterprise plan with a limit of its own.
    """
    return ApiClient(
        vendor="Smile.io",
        base_url=base_url,
        headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
        key_variables=["SMILE_API_KEY"],
        limits={"default": RateLimit(max(1, int(requests_per_second)), 1.0, is_even=True)},
        pause_seconds=_pause_seconds,
        base_url_variable="SMILE_BASE_URL",
    )


def _pause_seconds(response: httpx.Response) -> float | None:
    asked = retry_after_seconds(response)
    if asked is None and response.status_code == 429:
        return _PAUSE_AFTER_429_SECONDS
    return asked
