"""How long a request is tried again: failures are counted, a 429 is waited out by the clock.

Owns the two kinds of passing trouble and the rule that ends the tries. Must not send or sleep:
`vendor_http.client` does, with tenacity.
"""

from tenacity import RetryCallState

# A 429 is no failure but a request to wait, and others spend the same budget. It is given up only
# after more than the longest window that vendors document, a minute; except Rule's ten minutes,
# which its Retry-After names.
THROTTLED_SECONDS = 180.0
_THROTTLED_TRIES = 60


class PassingTroubleError(Exception):
    """This try failed, the next may not."""


class ThrottledError(PassingTroubleError):
    """Not a failure: the vendor wants to be asked later."""


class Patience:
    """When to stop trying: after so many failures, or after minutes of nothing but 429."""

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._failures = 0
        self.tries = 0

    def __call__(self, state: RetryCallState) -> bool:
        self.tries = state.attempt_number
        trouble = state.outcome.exception() if state.outcome else None
        if isinstance(trouble, ThrottledError):
            waited = state.seconds_since_start or 0.0
            return waited >= THROTTLED_SECONDS or self.tries >= _THROTTLED_TRIES
        self._failures += 1
        return self._failures >= self._max_failures
