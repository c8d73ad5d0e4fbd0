"""Errors classed by what to do next.

    LoyaltyError                  one line: what failed, for which record, what to do
    ├── ConfigurationError        tell and stop: a key, a scope, a setting
    ├── VendorUnavailableError    trouble that passes outlived the retries: run again later
    └── RequestRefusedError       the vendor refuses this request: repair it or set the record aside

Messages never hold e-mails, payloads or keys.
"""


class LoyaltyError(Exception):
    """Anything this product explains in one line; shown to people without a traceback."""


class ConfigurationError(LoyaltyError):
    """Something only a person can put right: names the setting and the remedy."""


class VendorUnavailableError(LoyaltyError):
    """429, 5xx, a cut connection, a timeout or a truncated answer outlived all retries."""


class RequestRefusedError(LoyaltyError):
    """A 4xx that repeating cannot cure.

    Attributes:
        status: the HTTP status.
        body: the answer as bytes; for code, never for a log (it may repeat the payload).
    """

    def __init__(self, message: str, *, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
