"""Smile.io after its published OpenAPI document: fourteen paths, of which seven are bulk reads."""

import base64
from datetime import datetime
from typing import Any
from uuid import uuid4

from strict_vendors.server import Answer, Call, Stranger

KEY = "api_strictSmileKey01"
CURSOR_LISTS = {
    "/customers": {"email", "state", "updated_at_min", "limit", "cursor", "include"},
    "/points_transactions": {"customer_id", "updated_at_min", "limit", "cursor"},
    "/reward_fulfillments": {
        "customer_id", "fulfillment_status", "usage_status", "updated_at_min", "limit", "cursor",
    },
    "/earning_rules": {"limit", "cursor"},
}  # fmt: skip
INCLUDES = {"/customers": {"vip_status"}, "/vip_tiers": {"perks", "entry_rewards"}}
OTHERS = {
    "/points_products": {"exchange_type", "page_size", "page"},
    "/vip_tiers": {"include"},
    "/points_settings": set(),
}


class Smile(Stranger):
    """An account; `tables` maps a path's name to records as a GET without includes shows them."""

    base_path = "/gateway/smile/v1"
    ends_with_slash = True

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        super().__init__()
        self.tables = tables
        self.vip_statuses: dict[int, Any] = {}
        self.points_settings: dict[str, Any] | None = {
            "points_label": {"one": "Krona", "other": "Kronor"}
        }
        self.cursor_end: Any = None  # null, "" or "absent"
        self.page_limit = 250  # smaller: fewer rows than asked for, as a stranger may decide
        self.requests_per_second = 10

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "You are not signed in.")
        if "application/json" not in call.headers.get("accept", ""):
            self.breach("a request without Accept: application/json")
            return _error(401, "Say what you accept.")
        if self.too_fast("token", self.requests_per_second, 1.0, call.arrived):
            self.breach("more than 10 requests in a second")
            return Answer(429, None)
        if call.method != "GET":
            return self._refuse(403, f"{call.method} to a reader's key")
        allowed = {**CURSOR_LISTS, **OTHERS}.get(call.path)
        if allowed is None:
            return self._refuse(404, f"no such path: {call.path}")
        if unknown := set(call.query) - allowed:
            return self._refuse(400, f"unknown parameters {sorted(unknown)} for {call.path}")
        wanted = {part for part in call.query.get("include", "").split(",") if part}
        if wanted - INCLUDES.get(call.path, set()):
            return self._refuse(400, f"include={call.query['include']} for {call.path}")
        if call.path == "/points_settings":
            if self.points_settings is None:
                return _error(404, "No points program.")
            return Answer(body={"points_settings": self.points_settings})
        if call.path == "/vip_tiers":
            return Answer(body={"vip_tiers": [_trim(row, wanted) for row in self._rows(call)]})
        if call.path == "/points_products":
            return self._numbered(call)
        return self._chained(call, wanted)

    def _rows(self, call: Call) -> list[dict[str, Any]]:
        return self.tables.get(call.path.strip("/"), [])

    def _numbered(self, call: Call) -> Answer:
        size, page = int(call.query.get("page_size", 50)), int(call.query.get("page", 1))
        if not 1 <= size <= 250 or page < 1:
            return self._refuse(400, "page_size or page out of range")
        return Answer(body={"points_products": self._rows(call)[size * (page - 1) : size * page]})

    def _chained(self, call: Call, wanted: set[str]) -> Answer:
        size = int(call.query.get("limit", 50))
        if not 1 <= size <= 250:
            return self._refuse(400, "limit out of range")
        rows = sorted(self._rows(call), key=lambda row: -row["id"])
        if since := call.query.get("updated_at_min"):
            try:
                moment = _moment(since)
            except ValueError:
                return self._refuse(400, "updated_at_min is no date-time")
            rows = [row for row in rows if _moment(row["updated_at"]) > moment]
        before: int | None = None
        if "cursor" in call.query:
            try:
                text = base64.b64decode(call.query["cursor"], validate=True).decode()
                before = int(text.removeprefix("id:").removesuffix(",direction:next"))
            except ValueError:
                return self._refuse(400, "a cursor we never gave")
            rows = [row for row in rows if row["id"] < before]
        page = rows[: min(size, self.page_limit)]
        metadata: dict[str, Any] = {"previous_cursor": "" if before is None else _cursor(before)}
        if len(rows) > len(page):
            metadata["next_cursor"] = _cursor(page[-1]["id"])
        elif self.cursor_end != "absent":
            metadata["next_cursor"] = self.cursor_end
        if call.path == "/customers" and "vip_status" in wanted:
            page = [self._with_status(row) for row in page]
        return Answer(body={call.path.strip("/"): page, "metadata": metadata})

    def _with_status(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] not in self.vip_statuses:
            return row
        return {**row, "vip_status": self.vip_statuses[row["id"]]}

    def _refuse(self, status: int, what: str) -> Answer:
        self.breach(what)
        return _error(status, what)


def _trim(row: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if key not in {"perks", "entry_rewards"} or key in wanted
    }


def _cursor(identity: int) -> str:
    return base64.b64encode(f"id:{identity},direction:next".encode()).decode()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"message": message, "request_id": str(uuid4())}})
