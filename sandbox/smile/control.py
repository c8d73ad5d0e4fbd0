"""Control operations of the Smile programme: change, add and remove customers; change catalogues.

    PATCH  /_sandbox/smile/customers/{id or email}   {"points_balance": 500, "state": "disabled"}
    POST   /_sandbox/smile/customers/{email}         {"first_name": "Ada"}
    POST   /_sandbox/smile/customers                 {"email": null}
    DELETE /_sandbox/smile/customers/{id or email}
    POST   /_sandbox/smile/customers/{id or email}/coupons   {"expires_at": "2026-12-01T00:00:00Z"}
    PATCH|DELETE /_sandbox/smile/{points_products|vip_tiers|earning_rules}/{id}
    PATCH  /_sandbox/smile/points_settings           {"points_label": {...}}

A changed balance is booked in the ledger, so that it still ties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.errors import SandboxError
from sandbox.shop.agenda import normalise
from sandbox.shop.smile_programme import SmileProgramme
from sandbox.shop.smile_records import Customer

_TEXTS = (str, type(None))
CUSTOMER_FIELDS: Mapping[str, tuple[type, ...]] = {
    "email": _TEXTS,
    "first_name": _TEXTS,
    "last_name": _TEXTS,
    "state": (str,),
    "date_of_birth": _TEXTS,
    "points_balance": (int,),
    "points_earned": (int,),
    "amount_spent": (int, float),
}
"""What can be set; points_earned and amount_spent are this year's counters towards tiers."""
COUPON_FIELDS = (
    "name",
    "code",
    "fulfillment_status",
    "usage_status",
    "expires_at",
    "used_at",
)


class SmileControl:
    """Changes the programme by hand, for tests."""

    def __init__(self, programme: SmileProgramme) -> None:
        self._programme = programme
        self._drifted = 0

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/customers", self._add),
            Route("POST", "/customers/{key}", self._add),
            Route("GET", "/customers/{key}", self._show),
            Route("PATCH", "/customers/{key}", self._change),
            Route("DELETE", "/customers/{key}", self._remove),
            Route("POST", "/customers/{key}/coupons", self._coupon),
            Route("PATCH", "/points_settings", self._settings),
            Route("PATCH", "/{catalogue}/{id}", self._change_catalogue),
            Route("DELETE", "/{catalogue}/{id}", self._remove_catalogue),
        )

    def drift(self, path: str) -> None:
        """A new row at the head of the list and an updated one further down."""
        programme = self._programme
        self._drifted += 1
        customers = list(programme.customers.values())
        customer = customers[len(customers) // 3]
        if path == "/customers":
            programme.add({"email": f"drift{self._drifted}@mail.loyalty-sandbox.dev"})
        if path == "/reward_fulfillments":
            programme.give_coupon(customer, {})
        programme.change(customer, {"points_balance": customer.points_balance + 1})

    def _find(self, call: Call) -> Customer:
        key = call.path_params["key"]
        customers = self._programme.customers
        if key.isdigit() and int(key) in customers:
            return customers[int(key)]
        wanted = key.strip().lower()
        for customer in customers.values():
            if customer.email is not None and customer.email.lower() == wanted:
                return customer
        raise SandboxError("Smile has no such customer; give an id or an e-mail.", 404)

    @staticmethod
    def _checked(call: Call) -> dict[str, Any]:
        fields = call.json() if call.body else {}
        for name, value in fields.items():
            if name not in CUSTOMER_FIELDS:
                raise SandboxError(f"'{name}' is none of {', '.join(CUSTOMER_FIELDS)}.")
            if not isinstance(value, CUSTOMER_FIELDS[name]):
                raise SandboxError(f"'{name}' has the wrong type.")
        return dict(fields)

    def _answer(self, customer: Customer, status: int = 200) -> Reply:
        vip = self._programme.vip(customer)
        return json_reply(
            {
                "id": customer.id,
                "email": customer.email,
                "first_name": customer.first_name,
                "last_name": customer.last_name,
                "state": customer.state,
                "points_balance": customer.points_balance,
                "ledger_points": sum(row.change for row in customer.ledger),
                "tier": None if vip.tier is None else self._programme.tiers[vip.tier]["name"],
                "updated_at": customer.updated_at,
            },
            status,
        )

    def _show(self, call: Call) -> Reply:
        return self._answer(self._find(call))

    def _add(self, call: Call) -> Reply:
        fields = self._checked(call)
        if "key" in call.path_params:
            fields["email"] = call.path_params["key"]
        return self._answer(self._programme.add(fields), 201)

    def _change(self, call: Call) -> Reply:
        customer = self._find(call)
        self._programme.change(customer, self._checked(call))
        return self._answer(customer)

    def _remove(self, call: Call) -> Reply:
        customer = self._find(call)
        self._programme.remove(customer)
        return json_reply({"id": customer.id})

    def _coupon(self, call: Call) -> Reply:
        fields = call.json() if call.body else {}
        unknown = set(fields) - set(COUPON_FIELDS)
        if unknown:
            raise SandboxError(f"{sorted(unknown)} is none of {', '.join(COUPON_FIELDS)}.")
        for name in ("expires_at", "used_at"):
            if fields.get(name) is not None:
                fields[name] = normalise(fields[name])
        coupon = self._programme.give_coupon(self._find(call), fields)
        return json_reply({"id": coupon.id, "code": coupon.code}, 201)

    def _catalogue(self, call: Call) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        programme = self._programme
        catalogues = {
            "points_products": programme.products,
            "vip_tiers": programme.tiers,
            "earning_rules": programme.rules,
        }
        catalogue = catalogues.get(call.path_params["catalogue"])
        if catalogue is None:
            raise SandboxError(f"The catalogues are {', '.join(catalogues)}.", 404)
        for row in catalogue:
            if str(row["id"]) == call.path_params["id"]:
                return catalogue, row
        raise SandboxError("The catalogue has no such row.", 404)

    def _change_catalogue(self, call: Call) -> Reply:
        catalogue, row = self._catalogue(call)
        fields = call.json()
        if catalogue is self._programme.tiers and "milestone" in fields:
            self._programme.set_milestone(catalogue.index(row), float(fields.pop("milestone")))
        row.update(fields)
        self._programme.version += 1
        return json_reply(row)

    def _remove_catalogue(self, call: Call) -> Reply:
        catalogue, row = self._catalogue(call)
        if catalogue is self._programme.tiers:
            raise SandboxError("Tiers cannot be removed; switch vip_programme off instead.")
        catalogue.remove(row)
        self._programme.version += 1
        return json_reply({"id": row["id"]})

    def _settings(self, call: Call) -> Reply:
        self._programme.settings.update(call.json())
        self._programme.version += 1
        return json_reply(self._programme.settings)
