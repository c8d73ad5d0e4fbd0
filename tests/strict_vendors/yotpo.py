"""Yotpo Loyalty v2, read side, as its reference and the code written against it describe it."""

from typing import Any

from strict_vendors.server import Answer, Call, Stranger

GUID = "strictGuid_0123456789-A"
KEY = "strictYotpoKey0123456789"
BOOLEANS = {"true", "false"}
PARAMETERS: dict[str, set[str]] = {
    "/customers/recent": {"per_page", "page_info"},
    "/customers": {
        "customer_email", "customer_id", "pos_account_id", "phone_number", "country_iso_code",
        "with_referral_code", "with_history",
    },
    "/redemption_options": {
        "is_offline", "customer_email", "customer_id", "phone_number", "discount_type",
    },
    "/campaigns": {"with_status", "customer_email", "customer_id"},
    "/vip_tiers": set(),
}  # fmt: skip
IDENTIFIERS = ("customer_email", "customer_id", "pos_account_id", "phone_number")


class Yotpo(Stranger):
    """A merchant. `people`: e-mail as Yotpo spells it -> record; `history`: the same -> items."""

    base_path = "/loyalty.yotpo/api/v2"

    def __init__(
        self,
        people: dict[str, dict[str, Any]] | None = None,
        history: dict[str, list[dict[str, Any]]] | None = None,
        options: list[dict[str, Any]] | None = None,
        tiers: list[dict[str, Any]] | None = None,
        campaigns: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.people = people or {}
        self.history = history or {}
        self.catalogues = {
            "/redemption_options": options or [],
            "/vip_tiers": tiers or [],
            "/campaigns": campaigns or [],
        }
        self.form = "customers"  # or "bare" (no cursor, everything), "wrapped"
        self.wrapped_catalogues = False
        self.largest_page = 25  # silently
        self.cursor_end: Any = None  # null, "" or "absent" (no metadata at all)
        self.unknown: set[str] = set()  # listed, but 404 when asked for alone
        self.locked: dict[str, int] = {}  # e-mail -> how often 423 comes first
        self.requests_per_second = 5
        self.says_remaining_minute = "0"

    def answer(self, call: Call) -> Answer:
        answer = self._answer(call)
        left = self.requests_per_second - self._used
        answer.headers = {
            "ratelimit-limit": str(self.requests_per_second),
            "ratelimit-remaining": str(max(0, left)),
            "ratelimit-reset": "1",
            **answer.headers,
        }
        return answer

    @property
    def _used(self) -> int:
        return len(self._windows.get(("merchant", 1.0), []))

    def _answer(self, call: Call) -> Answer:
        if call.query.keys() & {"guid", "api_key"}:
            self.breach("a key in the address")
        signed = (call.headers.get("x-guid"), call.headers.get("x-api-key"))
        if signed != (GUID, KEY):
            return Answer(401, {"error": "unauthorized"})
        if self.too_fast("merchant", self.requests_per_second, 1.0, call.arrived):
            self.breach("more requests in a second than the merchant has")
            return Answer(429, "Too Many Requests", media_type="text/plain")
        if call.method != "GET" or call.path not in PARAMETERS:
            return self._refuse(404, f"{call.method} {call.path}")
        if unknown := set(call.query) - PARAMETERS[call.path]:
            return self._refuse(400, f"unknown parameters {sorted(unknown)} for {call.path}")
        if call.path == "/customers/recent":
            return self._recent(call)
        if call.path == "/customers":
            return self._one(call)
        rows = self.catalogues[call.path]
        return Answer(body={call.path.strip("/"): rows} if self.wrapped_catalogues else rows)

    def _recent(self, call: Call) -> Answer:
        asked = call.query.get("per_page", "10")
        if not asked.isdigit() or not 1 <= int(asked) <= 100:
            return self._refuse(400, "per_page out of range")
        people = list(self.people.values())
        if self.form == "bare":
            return Answer(body=people)
        start = 0
        if "page_info" in call.query:
            if not call.query["page_info"].startswith("after-"):
                return self._refuse(400, "a page_info we never gave")
            start = int(call.query["page_info"].removeprefix("after-"))
        end = start + min(int(asked), self.largest_page)
        body: dict[str, Any] = {"customers": people[start:end]}
        if end < len(people):
            body["metadata"] = {"next_page_info": f"after-{end}"}
        elif self.cursor_end != "absent":
            body["metadata"] = {"next_page_info": self.cursor_end}
        return Answer(body=body)

    def _one(self, call: Call) -> Answer:
        if sum(name in call.query for name in IDENTIFIERS) != 1:
            return self._refuse(400, "one identifier is needed, not more")
        for name in ("with_history", "with_referral_code"):
            if call.query.get(name, "false") not in BOOLEANS:
                return self._refuse(400, f"{name} is no boolean")
        asked = call.query.get("customer_email", "").lower()
        if self.locked.get(asked, 0) > 0:
            self.locked[asked] -= 1
            return Answer(423)
        found = next((e for e in self.people if e.strip().lower() == asked), None)
        if found is None or asked in self.unknown:
            return Answer(404, "Could not find customer", media_type="text/plain")
        body = {**self.people[found], "credit_balance": "$2,620", "birthday_year": None}
        if call.query.get("with_history") == "true":
            body["history_items"] = self.history.get(found, [])
        if call.query.get("with_referral_code") == "true":
            # the newer programme: a link without a scheme
            body["referral_link"] = {
                "link": f"rwrd.io/ref_{abs(hash(found)) % 10**6}",
                "code": "ref", "expired": False, "customer_id": 3280744094,
            }  # fmt: skip
        return Answer(body=body)

    def _refuse(self, status: int, what: str) -> Answer:
        self.breach(what)
        return Answer(status, {"message": what})
