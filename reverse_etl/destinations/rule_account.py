"""One Rule account: where it answers, what it allows, and the client that keeps to it."""

from collections.abc import Mapping, Sequence

from reverse_etl.destinations.rule_pauses import AnswerWatch
from vendor_http import ApiClient, RateLimit

BASE_URL = "https://app.rule.io"
# A 429 asks for up to ten minutes. Longer than this a run does not wait: the rest is `aborted`, and
# the next run goes on there.
LONGEST_PAUSE_SECONDS = 120.0
# 2,000 requests per ten minutes and account (SDK, observed header `RequestsCount-Allowed`), shared
# with everybody who uses the account: a little is left to them.
ACCOUNT_REQUESTS, WINDOW_SECONDS = 2_000, 600
_LEFT_TO_OTHERS = 0.01


def limits(
    account_requests: int = ACCOUNT_REQUESTS, share: float = 1.0
) -> Mapping[str, Sequence[RateLimit]]:
    """What we allow ourselves.

    Args:
        account_requests: what Rule grants the account in ten minutes.
        share: of that; what runs beside a sync, and does not know of it, takes a part.
    """
    ours = account_requests * share * (1 - _LEFT_TO_OTHERS)
    return {"default": (RateLimit(int(ours), WINDOW_SECONDS),)}


LIMITS = limits()


def client(
    api_key: str,
    watch: AnswerWatch,
    base_url: str = BASE_URL,
    limits: Mapping[str, Sequence[RateLimit]] = LIMITS,
    longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    max_attempts: int = 4,
) -> ApiClient:
    """A client of one Rule account; the key travels in the header, never in the address.

    Args:
        api_key: made under Settings -> Developer.
        watch: sees every answer; give the same one to `RuleSubscribers`.
        base_url: without `/api`.
        limits: requests per window.
        longest_pause_seconds: a 429 that asks for more ends the run.
        max_attempts: tries per request; few, for failures count towards the error share.
    """
    return ApiClient(
        vendor="Rule",
        base_url=base_url,
        headers={"authorization": f"Bearer {api_key}", "accept": "application/json"},
        key_variables=["RULE_API_KEY"],
        limits=limits,
        max_attempts=max_attempts,
        pause_seconds=watch,
        longest_pause_seconds=longest_pause_seconds,
        base_url_variable="RULE_BASE_URL",
    )
