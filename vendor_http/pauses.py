"""What an answer says about when the next request may go out."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx


def retry_after_seconds(response: httpx.Response) -> float | None:
    """Seconds to stay silent after this answer, or None.

    Reads `Retry-After` of RFC 9110 §10.2.3 (seconds, or an HTTP date compared with the answer's own
    `Date`). A form that is neither is no advice: None.
    """
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = _http_date(value)
    except ValueError:
        return None
    wait: float = (moment - answer_date(response)).total_seconds()
    return max(0.0, wait)


def answer_date(response: httpx.Response) -> datetime:
    """The vendor's own clock when it answered (`Date` header), else ours; aware, UTC."""
    try:
        return _http_date(response.headers["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)


def _http_date(value: str) -> datetime:
    """An HTTP date is in GMT, also where its zone cannot be read (a proxy that adds a second)."""
    moment = parsedate_to_datetime(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
