"""Types of fields as Rule knows them, to tell which rows a refusal is about.

A field keeps the type it was made with, and Rule refuses a call in which one has another; the 400
does not say whom it refused. So after a refusal the account's fields are read once
(`GET /api/v2/customizations`), rows that disagree with them are tried apart from the rest, one row
first: if that is refused too, the others are set aside without asking. Whether Rule changes the
type instead is not known: then the one row is accepted, and the others follow.
"""

from collections.abc import Iterator, Sequence

import orjson

from reverse_etl.destinations.base import Outcome
from reverse_etl.planned import PlannedRow
from vendor_http import ApiClient, RequestRefusedError

CUSTOMIZATIONS = "/api/v2/customizations"
REASON_CODE = "field_type_differs"
# `limit` above 100 is a 400. An account of more than 10,000 groups is none we could tell about.
_PAGE_GROUPS = 100
_MOST_PAGES = 100


class FieldTypes:
    """What is known of the account's fields, and which disagreements Rule has refused or taken."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._types: dict[str, str] | None = None
        self._refused: set[str] = set()
        self._taken: set[str] = set()

    def __repr__(self) -> str:
        return f"FieldTypes({len(self._types or {})} fields)"

    def set_aside(self, rows: Sequence[PlannedRow]) -> tuple[list[PlannedRow], tuple[Outcome, ...]]:
        """Rows that may be sent, and the outcomes of those known to be refused."""
        if not self._refused:
            return list(rows), ()
        kept, outcomes = [], []
        for row in rows:
            if self.conflict(row) in self._refused:
                outcomes.append(self.outcome(row))
            else:
                kept.append(row)
        return kept, tuple(outcomes)

    def divide(self, rows: Sequence[PlannedRow]) -> tuple[list[PlannedRow], list[list[PlannedRow]]]:
        """Of a refused call: rows that agree with Rule's types, and parts that do not.

        Each disagreement gives a part of one row, then one of the others.
        """
        agreeing: list[PlannedRow] = []
        doubtful: dict[str, list[PlannedRow]] = {}
        for row in rows:
            conflict = self.conflict(row)
            if conflict and conflict not in self._taken:
                doubtful.setdefault(conflict, []).append(row)
            else:
                agreeing.append(row)
        parts = [part for found in doubtful.values() for part in (found[:1], found[1:]) if part]
        return agreeing, parts

    def note(self, row: PlannedRow, *, is_refused: bool) -> bool:
        """Learn from a call with one row; True = it was refused for a type."""
        conflict = self.conflict(row) if is_refused or self._types is not None else ""
        if conflict:
            (self._refused if is_refused else self._taken).add(conflict)
        return bool(conflict) and is_refused

    def outcome(self, row: PlannedRow) -> Outcome:
        """The outcome of a row that disagrees; names fields and types, no value."""
        return Outcome(row.email, "rejected", REASON_CODE, self.conflict(row))

    def conflict(self, row: PlannedRow) -> str:
        """`Loyalty.TierAtRisk is date at Rule, text here`; "" where nothing disagrees."""
        if self._types is None:
            self._types = dict(self._read())
        found = []
        for field in orjson.loads(row.body):
            known, sent = self._types.get(field["key"]), field.get("type")
            if known and sent and known != sent:
                found.append(f"{field['key']} is {known} at Rule, {sent} here")
        return "; ".join(found)

    def _read(self) -> Iterator[tuple[str, str]]:
        for page in range(1, _MOST_PAGES + 1):
            try:
                answer = self._api.get_json(
                    CUSTOMIZATIONS,
                    params={"limit": _PAGE_GROUPS, "page": page},
                    name="GET customizations",
                )
            except RequestRefusedError:
                return  # then nothing is known, and refused calls are split as they are
            for group in answer.get("groups") or ():
                for field in group.get("fields") or ():
                    yield f"{group.get('name')}.{field.get('name')}", str(field.get("type") or "")
            # The address of the next page holds the key: only that there is one is taken from it.
            if not (answer.get("meta") or {}).get("next"):
                return
