"""Every request of these suites is judged: to Klaviyo by its published OpenAPI document, to Rule by
what may be sent there.
"""

from klaviyo_witness import klaviyo_witness
from rule_witness import rule_witness

__all__ = ["klaviyo_witness", "rule_witness"]
