"""Every request to Klaviyo in these suites is held against its published OpenAPI document."""

from klaviyo_witness import klaviyo_witness

__all__ = ["klaviyo_witness"]
