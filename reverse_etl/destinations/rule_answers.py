"""What Rule's answers say: who is suppressed, and why a call was refused."""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from reverse_etl.destinations.base import Outcome
from vendor_http import RequestRefusedError


def is_object(response: httpx.Response) -> None:
    """Raise ValueError for an answer that is no JSON object."""
    if not isinstance(orjson.loads(response.content), dict):
        raise ValueError("no object")  # noqa: TRY004 - the client retries on ValueError


def suppressed_in(answer: Mapping[str, Any]) -> frozenset[str]:
    """E-mails that the answer calls suppressed, lower-cased."""
    entries = answer.get("suppressed")
    if not isinstance(entries, list):
        return frozenset()
    return frozenset(
        str(entry["email"]).strip().lower()
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("email")
    )


def refused(email: str, refusal: RequestRefusedError) -> Outcome:
    """Reason code from Rule's error name (`BadRequest`), reason from the fields it mentions."""
    code, reason = f"refused_{refusal.status}", None
    try:
        body = orjson.loads(refusal.body)
        code = str(body.get("error") or code)
        fields = body.get("fields")
        names = ", ".join(sorted(fields)) if isinstance(fields, Mapping) else ""
        reason = f"{body.get('message') or ''} {names}".strip() or None
    except (ValueError, AttributeError):
        pass  # gateways answer with pages
    return Outcome(email, "rejected", code, reason.replace(email, "(e-mail)") if reason else None)
