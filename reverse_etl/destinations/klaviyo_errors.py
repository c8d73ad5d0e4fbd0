"""Klaviyo's error objects: which row, which field, which reason code.

Envelope `{"errors": [{id, status, code, title, detail, source: {pointer | parameter}}]}`:
https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reverse_etl.destinations.base import Outcome
from vendor_http import RequestRefusedError

_ROW = re.compile(r"/profiles/data/(\d+)(?:/|$)")
_FIELD = re.compile(r"/attributes/([a-z_]+)/?$")


@dataclass(frozen=True, repr=False)
class ApiProblem:
    """One error object. `detail` may repeat data: for the ledger, never for a log."""

    code: str
    detail: str
    pointer: str
    parameter: str

    def __repr__(self) -> str:
        return f"ApiProblem({self.code})"

    @property
    def reason_code(self) -> str:
        """`invalid_email`: the vendor's code, with the field it points at."""
        field = _FIELD.search(self.pointer)
        if field and field[1] not in self.code:
            return f"{self.code}_{field[1]}"
        if self.pointer.endswith("/attributes/"):
            return f"{self.code}_identifier"
        return self.code

    @property
    def is_about_request(self) -> bool:
        """True when a header or query parameter is to blame, not a row."""
        return bool(self.parameter) or "revision" in self.pointer


def problems(refusal: RequestRefusedError) -> list[ApiProblem]:
    """The errors of a refused request; at least one, whatever the body looks like."""
    try:
        body = orjson.loads(refusal.body)
        found = [_problem(error) for error in body["errors"] if isinstance(error, Mapping)]
    except (ValueError, KeyError, TypeError):
        found = []
    if refusal.status == 413:
        return [ApiProblem("payload_too_large", "too large for one request", "", "")]
    return found or [ApiProblem(f"refused_{refusal.status}", "no explanation given", "", "")]


def row_index(pointer: str) -> int | None:
    """Place of the row that a pointer names: `/data/attributes/profiles/data/3/...` -> 3."""
    match = _ROW.search(pointer)
    return int(match[1]) if match else None


def rejected(email: str, problem: ApiProblem) -> Outcome:
    """The outcome of a refused row, its own address taken out of the vendor's words."""
    reason = re.sub(re.escape(email), "(e-mail)", problem.detail, flags=re.IGNORECASE)
    return Outcome(email, "rejected", problem.reason_code, reason[:500])


def import_failure(
    error: Mapping[str, Any], emails: Sequence[str], known: Collection[str]
) -> tuple[str | None, ApiProblem]:
    """The row that an import error is about: by its original payload, else by its pointer.

    `emails` are in the order of the request, `known` the same as a set.
    """
    attributes = error.get("attributes") or {}
    problem = _problem(attributes)
    email = _email_of(attributes.get("original_payload"))
    if email is not None and email in known:
        return email, problem
    index = row_index(problem.pointer)
    if index is not None and index < len(emails):
        return emails[index], problem
    return None, problem


def _problem(error: Mapping[str, Any]) -> ApiProblem:
    source = error.get("source")
    source = source if isinstance(source, Mapping) else {}
    return ApiProblem(
        code=str(error.get("code") or "refused"),
        detail=str(error.get("detail") or error.get("title") or ""),
        pointer=str(source.get("pointer") or ""),
        parameter=str(source.get("parameter") or source.get("header") or ""),
    )


def _email_of(payload: Any) -> str | None:
    """E-mail in an original payload, whether it is the attributes, the profile or the request."""
    for _ in range(3):
        if not isinstance(payload, Mapping):
            return None
        if isinstance(payload.get("email"), str):
            return str(payload["email"]).strip().lower()
        payload = payload.get("attributes") or payload.get("data")
    return None
