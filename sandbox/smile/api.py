"""The Smile API: seven read resources over the Smile programme (smile.md §1 to §5).

Pages are serialised once and kept until a record or a switch changes. The key may read only: the
documented writes answer 403. One class, because the resources share switches, caches and programme.

Longer than most modules: one short handler per documented endpoint, side by side.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.context import SandboxContext
from sandbox.core.app import Route, VendorApp
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.limits import Verdict, Window
from sandbox.credentials import SMILE_API_KEY
from sandbox.shop.dice import mix
from sandbox.shop.smile_records import NO_VIP
from sandbox.smile import parameters, rows
from sandbox.smile.control import SmileControl
from sandbox.smile.lists import CursorLists
from sandbox.smile.paging import Cursor, cut_page
from sandbox.smile.switches import FAULTS, SWITCHES

_STATES = ("candidate", "member", "disabled")
_FULFILMENT = ("pending", "issued", "cancelled", "failed")
_USAGE = ("used", "unused", "untracked")


class SmileApp(VendorApp):
    """`/smile/v1`."""

    vendor = "smile"
    prefix = "/smile/v1"
    SWITCHES = SWITCHES
    FAULTS = FAULTS
    LIMITS = {"default": (Window(10, 1.0),)}  # noqa: RUF012 - declared as ClassVar by the base

    def __init__(self, context: SandboxContext) -> None:
        self.programme = context.shop.smile
        self._controls = SmileControl(self.programme)
        self._pages: dict[tuple[str, bytes], Reply] = {}
        self._seen_version = -1
        self._requests = 0
        self._bearer = f"Bearer {SMILE_API_KEY}".encode()
        super().__init__(context)
        self._lists = CursorLists(self.switches)

    # Declarations ---------------------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/customers", self._cached(self._customers, "customer:read")),
            Route("GET", "/customers/{id}", self._scoped(self._customer, "customer:read")),
            Route(
                "GET",
                "/points_transactions",
                self._cached(self._transactions, "points_transaction:read"),
            ),
            Route(
                "GET",
                "/points_transactions/{id}",
                self._scoped(self._transaction, "points_transaction:read"),
            ),
            Route(
                "GET",
                "/reward_fulfillments",
                self._cached(self._fulfillments, "reward_fulfillment:read"),
            ),
            Route("GET", "/points_products", self._cached(self._products, "points_product:read")),
            Route(
                "GET", "/points_products/{id}", self._scoped(self._product, "points_product:read")
            ),
            Route("GET", "/vip_tiers", self._cached(self._tiers, "vip_tier:read")),
            Route("GET", "/earning_rules", self._cached(self._rules, "earning_rule:read")),
            Route("GET", "/points_settings", self._scoped(self._settings, "points_settings:read")),
            *(
                Route("POST", path, self._read_only)
                for path in (
                    "/activities",
                    "/customer_identities/create_or_update",
                    "/points_transactions",
                    "/points_products/{id}/purchase",
                )
            ),
        )

    def control_routes(self) -> Sequence[Route]:
        return self._controls.routes()

    def authenticate(self, call: Call) -> Reply | None:
        if call.header(b"authorization") == self._bearer:
            return None
        return self.error(401, "Your credentials are missing or incorrect.", call)

    def error(self, status: int, message: str, call: Call) -> Reply:
        """Smile's error object (smile.md §4)."""
        del call
        self._requests += 1
        seed = self.context.config.seed
        high, low = mix(seed, self._requests), mix(seed, self._requests, 1)
        request_id = str(uuid.UUID(int=high << 64 | low, version=4))
        return json_reply({"error": {"message": message, "request_id": request_id}}, status)

    def throttled(self, call: Call, verdict: Verdict) -> Reply:
        reply = self.error(429, "You have exceeded the rate limit.", call)
        if self.switches["retry_after_header"]:
            return reply.with_headers({"retry-after": str(verdict.retry_after_seconds)})
        return reply

    def switched(self) -> None:
        super().switched()
        self._seen_version = -1
        days = self.switches["points_expiry_days"]
        self.programme.expiry_days = days if days > 0 else None
        self.programme.set_basis(self.switches["tier_basis"], self.switches["vip_timeframe"])

    # Caching, scopes ------------------------------------------------------------------------

    def _fresh(self) -> None:
        if self._seen_version != self.programme.version:
            self._pages.clear()
            self._lists.forget()
            self._seen_version = self.programme.version

    def _scoped(self, handler: Callable[[Call], Reply], scope: str) -> Callable[[Call], Reply]:
        def answer(call: Call) -> Reply:
            if self.switches["missing_scope"] == scope:
                return self.error(403, "You are not allowed to access this resource.", call)
            try:
                return handler(call)
            except parameters.RefusedError as refusal:
                return self.error(refusal.status, str(refusal), call)

        return answer

    def _cached(self, handler: Callable[[Call], Reply], scope: str) -> Callable[[Call], Reply]:
        scoped = self._scoped(handler, scope)

        def answer(call: Call) -> Reply:
            self._fresh()
            if self.faults.active and self.faults.spoil_list(call, "cursor"):
                return self.error(400, "`cursor` is not valid.", call)
            key = (call.operation, call.query_bytes)
            reply = self._pages.get(key) if call.list_share == 1 else None
            if reply is None:
                reply = scoped(call)
                if reply.status == 200 and call.list_share == 1:
                    self._pages[key] = reply
            if self.faults.active and self.faults.draw("page_drift", call.operation) is not None:
                self._controls.drift(call.path)
            return reply

        return answer

    def _read_only(self, call: Call) -> Reply:
        return self.error(403, "This API key may only read.", call)

    # Lists ----------------------------------------------------------------------------------

    def _size(self, call: Call, name: str) -> int:
        return parameters.size(call.query.get(name), name, self.switches["page_size_out_of_range"])

    # Resources ------------------------------------------------------------------------------

    def _customer_row(self, customer: Any, includes: set[str]) -> rows.Row:
        programme = self.programme
        habits = self.switches.values()
        vip = programme.vip(customer)
        is_off = habits["vip_programme"] == "off"
        row = rows.customer_row(customer, NO_VIP if is_off else vip, programme.tiers, habits)
        if self.switches["unknown_state"] == "one" and customer.id == max(programme.customers):
            row["state"] = "paused"
        if includes:
            status = rows.vip_row(vip, programme.tiers, habits)
            if status is not None and not is_off:
                for name, tier in (("vip_tier", vip.tier), ("next_vip_tier", vip.next_tier)):
                    if f"vip_status.{name}" in includes:
                        status[name] = None if tier is None else self._tier(tier)
            row["vip_status"] = status
        elif self.switches["absent_include"] == "null":
            row["vip_status"] = None
        return row

    def _customers(self, call: Call) -> Reply:
        includes = parameters.includes(call.query.get("include", ""), ("vip_status",))
        return self._lists.page(
            call,
            "customers",
            lambda: list(self.programme.customers.values()),
            {
                "email": lambda value: lambda record: bool(record.email == value),
                "state": self._lists.one_of("state", "state", _STATES),
                "updated_at_min": self._lists.since(inclusive=False),
            },
            lambda record: self._customer_row(record, includes),
        )

    def _customer(self, call: Call) -> Reply:
        known = ("vip_status", "vip_status.vip_tier", "vip_status.next_vip_tier")
        includes = parameters.includes(call.query.get("include", ""), known)
        number = parameters.integer(call.path_params["id"], "id")
        customer = self.programme.customers.get(number or 0)
        if customer is None:
            raise parameters.RefusedError("The customer does not exist.", 404)
        return json_reply({"customer": self._customer_row(customer, includes)})

    def _listed(self, records: Sequence[Any]) -> Sequence[Any]:
        if self.switches["deleted_customer"] == "rows_stay":
            return records
        known = self.programme.customers
        return [record for record in records if record.customer_id in known]

    def _transactions(self, call: Call) -> Reply:
        habits = self.switches.values()
        return self._lists.page(
            call,
            "points_transactions",
            lambda: self._listed(self.programme.transactions),
            {
                "customer_id": self._lists.of_customer,
                "updated_at_min": self._lists.since(inclusive=True),
            },
            lambda record: rows.transaction_row(record, habits),
        )

    def _transaction(self, call: Call) -> Reply:
        number = parameters.integer(call.path_params["id"], "id") or 0
        page, _, _ = cut_page(self.programme.transactions, Cursor(number + 1, "next"), 1)
        if not page or page[0].id != number:
            raise parameters.RefusedError("The points transaction does not exist.", 404)
        row = rows.transaction_row(page[0], self.switches.values())
        return json_reply({"points_transaction": row})

    def _fulfillments(self, call: Call) -> Reply:
        habits = self.switches.values()
        return self._lists.page(
            call,
            "reward_fulfillments",
            lambda: self._listed(self.programme.coupons),
            {
                "customer_id": self._lists.of_customer,
                "fulfillment_status": self._lists.one_of(
                    "status", "fulfillment_status", _FULFILMENT
                ),
                "usage_status": self._lists.one_of("usage_status", "usage_status", _USAGE),
                "updated_at_min": self._lists.since(inclusive=False),
            },
            lambda record: rows.coupon_row(record, habits),
        )

    def _product_row(self, product: Mapping[str, Any]) -> rows.Row:
        row = dict(product)
        if self.switches["variable_points_max"] == "null":
            row["variable_points_max"] = None
        return row

    def _products(self, call: Call) -> Reply:
        size = self._size(call, "page_size")
        number = parameters.integer(call.query.get("page"), "page")
        page = 1 if number is None else number
        if page < 1:
            raise parameters.RefusedError("`page` must be at least 1.")
        kind = parameters.choice(
            call.query.get("exchange_type"), "exchange_type", ("fixed", "variable")
        )
        products = sorted(
            (row for row in self.programme.products if kind in (None, row["exchange_type"])),
            key=lambda row: int(row["id"]),
            reverse=self.switches["points_products_order"] == "id_descending",
        )
        products = products[: math.ceil(len(products) * call.list_share)]
        chosen = products[(page - 1) * size : page * size]
        return json_reply({"points_products": [self._product_row(row) for row in chosen]})

    def _product(self, call: Call) -> Reply:
        number = parameters.integer(call.path_params["id"], "id")
        for row in self.programme.products:
            if row["id"] == number:
                return json_reply({"points_product": self._product_row(row)})
        raise parameters.RefusedError("The points product does not exist.", 404)

    def _tier(self, position: int) -> rows.Row:
        programme = self.programme
        return rows.tier_row(programme.tiers[position], programme.milestones[position])

    def _tiers(self, call: Call) -> Reply:
        includes = parameters.includes(call.query.get("include", ""), ("perks", "entry_rewards"))
        if self.switches["vip_programme"] == "off":
            return json_reply({"vip_tiers": []})
        tiers = []
        for position, tier in enumerate(self.programme.tiers):
            row = self._tier(position)
            for name in ("perks", "entry_rewards"):
                if name in includes:
                    row[name] = tier[name]
                elif self.switches["absent_include"] == "null":
                    row[name] = None
            tiers.append(row)
        return json_reply({"vip_tiers": tiers})

    def _rules(self, call: Call) -> Reply:
        by_id = {row["id"]: row for row in self.programme.rules}
        return self._lists.page(
            call,
            "earning_rules",
            lambda: [_Numbered(number) for number in sorted(by_id)],
            {},
            lambda record: by_id[record.id],
        )

    def _settings(self, call: Call) -> Reply:
        del call
        if self.switches["points_programme"] == "none":
            raise parameters.RefusedError("The account has no active points program.", 404)
        return json_reply({"points_settings": self.programme.settings})


class _Numbered:
    """A catalogue row's id, for the cursor list."""

    def __init__(self, number: int) -> None:
        self.id = number


def build(context: SandboxContext) -> SmileApp:
    """The Smile vendor of a sandbox."""
    return SmileApp(context)
