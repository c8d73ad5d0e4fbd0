"""HTTP to a vendor: limits, retries and errors in one place, for readers and writers alike.

A leaf package: extraction (`dlt_sources`) and reverse ETL (`reverse_etl`) both stand on it and do
not know each other. It knows no vendor: addresses, headers, limits and the meaning of a pause are
given to it.
"""

from vendor_http.client import ApiClient
from vendor_http.errors import (
    ConfigurationError,
    LoyaltyError,
    RequestRefusedError,
    VendorUnavailableError,
)
from vendor_http.limits import RateLimit
from vendor_http.pauses import retry_after_seconds
from vendor_http.traffic import Traffic

__all__ = [
    "ApiClient",
    "ConfigurationError",
    "LoyaltyError",
    "RateLimit",
    "RequestRefusedError",
    "Traffic",
    "VendorUnavailableError",
    "retry_after_seconds",
]
