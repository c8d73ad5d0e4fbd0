"""The HTTP client of one Yotpo Loyalty account."""

from dlt_sources.yotpo.quota import MinuteQuota, stated_limits
from vendor_http import ApiClient, RateLimit

BASE_URL = "https://loyalty.yotpo.com/api/v2"
# https://loyaltyapi.yotpo.com/reference/guidelines-and-conventions says 10 requests a second per
# merchant, older pages say 5, and every integration of the merchant shares them.
REQUESTS_PER_SECOND = 5.0


def client(
    guid: str,
    api_key: str,
    base_url: str = BASE_URL,
    requests_per_second: float = REQUESTS_PER_SECOND,
) -> ApiClient:
    """A client whose limiter all reads of this account share; tightened by what answers state.

    The credentials travel as headers, never in the URL, where they would end up in logs
    (https://loyaltyapi.yotpo.com/reference/authentication allows both).
    """
    return ApiClient(
        vendor="Yotpo",
        base_url=base_url,
        headers={"x-guid": guid, "x-api-key": api_key, "Accept": "application/json"},
        key_variables=["YOTPO_GUID", "YOTPO_API_KEY"],
        limits={"default": RateLimit(max(1, int(requests_per_second)), 1.0, is_even=True)},
        pause_seconds=MinuteQuota().pause_seconds,
        learn_limits=stated_limits,
        base_url_variable="YOTPO_BASE_URL",
    )
