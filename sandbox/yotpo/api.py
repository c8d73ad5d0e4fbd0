"""The Yotpo Loyalty API: six read resources over the Yotpo programme (yotpo.md §1 to §3).

Pages of the bulk list are serialised once and kept until a record or a switch changes; single
customers are serialised when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sandbox.context import SandboxContext
from sandbox.core.app import Route, VendorApp
from sandbox.core.calls import Call, Reply, json_reply, text_reply
from sandbox.core.errors import SandboxError
from sandbox.core.limits import Verdict, Window
from sandbox.credentials import YOTPO_API_KEY, YOTPO_GUID
from sandbox.shop.yotpo_catalogue import TIERS
from sandbox.shop.yotpo_records import Member
from sandbox.yotpo import rows
from sandbox.yotpo.bulk import BulkLists, RefusedError
from sandbox.yotpo.control import YotpoControl
from sandbox.yotpo.switches import FAULTS, SWITCHES


class YotpoApp(VendorApp):
    """`/yotpo/api/v2`."""

    vendor = "yotpo"
    prefix = "/yotpo/api/v2"
    SWITCHES = SWITCHES
    FAULTS = FAULTS

    def __init__(self, context: SandboxContext) -> None:
        self.programme = context.shop.yotpo
        self._controls = YotpoControl(self.programme)
        self._pages: dict[tuple[str, bytes], Reply] = {}
        self._seen_version = -1
        self._habits: Mapping[str, Any] = {}
        super().__init__(context)
        self._habits = self.switches.values()
        self._bulk = BulkLists(self.programme, self.switches)

    # Declarations ---------------------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/customers/recent", self._cached(lambda call: self._bulk.recent(call))),
            Route("GET", "/customers/all", self._cached(lambda call: self._bulk.everybody(call))),
            Route("GET", "/customers", self._guarded(self._customer)),
            Route("GET", "/customer_anniversary", self._guarded(self._anniversary)),
            Route("GET", "/redemption_options", self._guarded(self._options)),
            Route("GET", "/campaigns", self._guarded(self._campaigns)),
            Route("GET", "/vip_tiers", self._guarded(self._tiers)),
        )

    def control_routes(self) -> Sequence[Route]:
        return self._controls.routes()

    def limit_windows(self) -> Mapping[str, Sequence[Window]]:
        per_second, per_minute = self.switches["requests_per_second"], self.switches["minute_quota"]
        return {"default": (Window(per_second, 1.0), Window(per_minute, 60.0))}

    def authenticate(self, call: Call) -> Reply | None:
        """Headers x-guid and x-api-key, or the query parameters guid and api_key."""
        guid, key = call.header(b"x-guid"), call.header(b"x-api-key")
        if guid is None and key is None:
            guid = call.query.get("guid", "").encode()
            key = call.query.get("api_key", "").encode()
        if guid == YOTPO_GUID.encode() and key == YOTPO_API_KEY.encode():
            return None
        return self.error(401, "Unauthorized", call)

    def error(self, status: int, message: str, call: Call) -> Reply:
        del call
        style = self.switches["error_body"]
        if style == "empty":
            return Reply(status, b"", content_type="")
        if style == "text":
            return text_reply(message, status)
        return json_reply(
            {"errors": [message]} if style == "errors" else {"message": message}, status
        )

    def limit_headers(self, verdict: Verdict) -> Mapping[str, str]:
        second, minute = verdict.states
        return {
            "ratelimit-limit": str(second.limit),
            "ratelimit-remaining": str(second.remaining),
            "ratelimit-reset": str(verdict_reset(verdict)),
            "x-ratelimit-limit-minute": str(minute.limit),
            "x-ratelimit-remaining-minute": str(minute.remaining),
        }

    def throttled(self, call: Call, verdict: Verdict) -> Reply:
        headers = dict(self.limit_headers(verdict))
        if self.switches["retry_after_header"]:
            headers["retry-after"] = str(verdict.retry_after_seconds)
        return self.error(429, "Too Many Requests", call).with_headers(headers)

    def switched(self) -> None:
        super().switched()
        self._habits = self.switches.values()
        self._seen_version = -1
        self.programme.set_points_method(self.switches["points_method"])
        self.programme.set_tier_term(self.switches["tier_term"])

    # Caching --------------------------------------------------------------------------------

    def _fresh(self) -> None:
        if self._seen_version != self.programme.version:
            self._pages.clear()
            self._bulk.forget()
            self._seen_version = self.programme.version

    def _guarded(self, handler: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        def answer(call: Call) -> Reply:
            try:
                return handler(call)
            except RefusedError as refusal:
                return self.error(refusal.status, str(refusal), call)

        return answer

    def _cached(self, handler: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
        guarded = self._guarded(handler)

        def answer(call: Call) -> Reply:
            self._fresh()
            if self.faults.active and self.faults.spoil_list(call, "page_info"):
                return self.error(400, "page_info is not valid", call)
            key = (call.operation, call.query_bytes)
            reply = self._pages.get(key) if call.list_share == 1 else None
            if reply is None:
                reply = guarded(call)
                if reply.status == 200 and call.list_share == 1:
                    self._pages[key] = reply
            if self.faults.active and self.faults.draw("page_drift", call.operation) is not None:
                self._controls.drift()
            return reply

        return answer

    # Single objects and catalogues ----------------------------------------------------------

    @staticmethod
    def _flag(call: Call, name: str, *, default: bool = False) -> bool:
        text = call.query.get(name)
        return default if text is None else text.lower() == "true"

    def _lookup(self, call: Call) -> Member | None:
        """The customer named by exactly one of the four identifiers."""
        query = call.query
        if "customer_email" in query:
            return self.programme.find(query["customer_email"])
        for parameter, field in (
            ("customer_id", "third_party_id"),
            ("pos_account_id", "pos_account_id"),
            ("phone_number", "phone"),
        ):
            if parameter in query:
                wanted = query[parameter].replace(" ", "+")
                for member in self.programme.members.values():
                    if getattr(member, field) == wanted:
                        return member
                return None
        raise RefusedError("customer_email, customer_id, pos_account_id or phone_number is needed")

    def _customer(self, call: Call) -> Reply:
        if self.faults.active and self.faults.draw("locked", call.operation) is not None:
            raise RefusedError("Locked", 423)
        member = self._lookup(call)
        if member is None:
            raise RefusedError("Could not find customer", self.switches["unknown_customer"])
        habits = self._habits
        row = rows.member_row(member, self.programme, habits, is_detailed=True)
        if self._flag(call, "with_referral_code"):
            if habits["referral_program"] == "code":
                row["referral_code"] = rows.referral_code(member)
            else:
                row[habits["referral_link_key"]] = rows.referral_link(member)
        if self._flag(call, "with_history", default=habits["with_history_default"]):
            row["history_items"] = rows.history_rows(member, habits)
        return json_reply(row)

    def _anniversary(self, call: Call) -> Reply:
        """One customer's anniversary, named in the query or in the body of the GET."""
        place = self.switches["anniversary_parameter"]
        email = call.query.get("customer_email") if place != "body" else None
        if email is None and place != "query" and call.body:
            try:
                body = call.json()
            except SandboxError as error:
                raise RefusedError("the body is not valid JSON") from error
            email = body.get("customer_email") if isinstance(body, dict) else None
        if not isinstance(email, str):
            raise RefusedError("customer_email is needed")
        member = self.programme.find(email)
        row = None if member is None else rows.anniversary_row(member)
        if row is None:
            raise RefusedError("Could not find anniversary", 404)
        return json_reply(row)

    def _named(self, call: Call) -> Member | None:
        names = ("customer_email", "customer_id", "phone_number")
        return self._lookup(call) if any(name in call.query for name in names) else None

    def _options(self, call: Call) -> Reply:
        kind = call.query.get("discount_type")
        options = [
            option for option in self.programme.options if kind in (None, option["discount_type"])
        ]
        if self._flag(call, "is_offline"):
            options = []
        member = self._named(call)
        if member is not None:
            balance = member.points_balance
            options = [option for option in options if (option["amount"] or 0) <= balance]
        return json_reply([rows.option_row(option, self._habits) for option in options])

    def _campaigns(self, call: Call) -> Reply:
        member = self._named(call)
        campaigns = [dict(campaign) for campaign in self.programme.campaigns]
        if member is not None and self._flag(call, "with_status"):
            for campaign in campaigns:
                done = sum(
                    item.counts and item.action == campaign["title"] for item in member.history
                )
                campaign["status"] = {
                    "global_completions_left": None,
                    "customer_actions_completed": done,
                    "customer_times_completed": done,
                    "customer_minutes_until_next_action": 0,
                    "customer_minutes_until_next_completion": 0,
                }
        today = date.fromordinal(self.programme.day).isoformat()
        return json_reply(
            [one for one in campaigns if one["ends_at"] is None or one["ends_at"] >= today]
        )

    def _tiers(self, call: Call) -> Reply:
        del call
        tiers = [rows.tier_row(tier, self._habits) for tier in TIERS]
        return json_reply(
            {"vip_tiers": tiers} if self.switches["vip_tiers_wrapper"] == "vip_tiers" else tiers
        )


def verdict_reset(verdict: Verdict) -> int:
    """Whole seconds until the second's window starts anew, at least 1."""
    return max(1, round(verdict.states[0].reset_seconds))


def build(context: SandboxContext) -> YotpoApp:
    """The Yotpo vendor of a sandbox."""
    return YotpoApp(context)
