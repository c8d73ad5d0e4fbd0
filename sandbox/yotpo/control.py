"""Control operations of the Yotpo programme: change, add and remove members; change catalogues.

    PATCH  /_sandbox/yotpo/customers/{email}   {"points_balance": 150, "opt_in": false}
    POST   /_sandbox/yotpo/customers/{email}   {"first_name": "Ada"}
    DELETE /_sandbox/yotpo/customers/{email}
    PATCH|DELETE /_sandbox/yotpo/{redemption_options|campaigns}/{id}
    POST   /_sandbox/yotpo/webhooks            {"url": "http://127.0.0.1:8770/webhooks/yotpo",
                                                "secret": "…", "header": "Authorization",
                                                "topics": ["loyalty/opt_in"], "email": "…",
                                                "serial": 1}; only `url` and `secret` must be

A changed balance becomes a history item, so that the history still ties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.errors import SandboxError
from sandbox.shop.yotpo_catalogue import TIERS
from sandbox.shop.yotpo_programme import YotpoProgramme
from sandbox.shop.yotpo_records import Member
from sandbox.yotpo.webhook_parts import Occasion
from sandbox.yotpo.webhook_posts import post
from sandbox.yotpo.webhooks import TOPICS

_TEXTS = (str, type(None))
_WEBHOOKS = {"url", "secret", "header", "topics", "email", "serial"}
FIELDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "email": ("email", (str,)),
    "first_name": ("first_name", _TEXTS),
    "last_name": ("last_name", _TEXTS),
    "phone_number": ("phone", _TEXTS),
    "third_party_id": ("third_party_id", _TEXTS),
    "points_balance": ("points_balance", (int,)),
    "points_earned": ("points_earned", (int,)),
    "opt_in": ("opt_in", (bool,)),
    "birthday": ("birthday", (list, type(None))),
    "total_spend_cents": ("total_spend_cents", (int,)),
    "total_purchases": ("total_purchases", (int,)),
    "tier_amount_spent_cents": ("tier_cents", (int,)),
    "tier_purchases_made": ("tier_purchases", (int,)),
}
"""What can be set: name here -> (name of the record's field, types). A birthday is a list of year
or null, month, day; `tier_*` are the counters of the present tier window."""


class YotpoControl:
    """Changes the programme by hand, for tests."""

    def __init__(self, programme: YotpoProgramme) -> None:
        self._programme = programme
        self._drifted = 0

    def routes(self) -> Sequence[Route]:
        return (
            Route("POST", "/customers/{key}", self._add),
            Route("GET", "/customers/{key}", self._show),
            Route("PATCH", "/customers/{key}", self._change),
            Route("DELETE", "/customers/{key}", self._remove),
            Route("POST", "/webhooks", self._post_webhooks),
            Route("PATCH", "/{catalogue}/{id}", self._change_catalogue),
            Route("DELETE", "/{catalogue}/{id}", self._remove_catalogue),
        )

    def drift(self) -> None:
        """Somebody new appears, and somebody from the middle of the list is seen again."""
        programme = self._programme
        self._drifted += 1
        members = list(programme.members.values())
        member = members[len(members) // 3]
        programme.add(f"drift{self._drifted}@mail.loyalty-sandbox.dev", {})
        programme.change(member, {"points_balance": member.points_balance + 1})

    def _find(self, call: Call) -> Member:
        member = self._programme.find(call.path_params["key"])
        if member is None:
            raise SandboxError("Yotpo has no customer with this e-mail.", 404)
        return member

    @staticmethod
    def _checked(call: Call) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name, value in (call.json() if call.body else {}).items():
            if name not in FIELDS:
                raise SandboxError(f"'{name}' is none of {', '.join(FIELDS)}.")
            field, types = FIELDS[name]
            if not isinstance(value, types):
                raise SandboxError(f"'{name}' has the wrong type.")
            fields[field] = value
        return fields

    @staticmethod
    def _answer(member: Member, status: int = 200) -> Reply:
        return json_reply(
            {
                "email": member.email,
                "first_name": member.first_name,
                "last_name": member.last_name,
                "opt_in": member.opt_in,
                "points_balance": member.points_balance,
                "ledger_points": sum(item.points for item in member.history if item.counts),
                "tier": TIERS[member.tier].name if member.tier >= 0 else None,
                "last_seen_at": member.last_seen_at,
            },
            status,
        )

    def _show(self, call: Call) -> Reply:
        return self._answer(self._find(call))

    def _add(self, call: Call) -> Reply:
        email = call.path_params["key"]
        if self._programme.find(email) is not None:
            raise SandboxError("Yotpo already has a customer with this e-mail.", 409)
        return self._answer(self._programme.add(email, self._checked(call)), 201)

    def _change(self, call: Call) -> Reply:
        member = self._find(call)
        fields = self._checked(call)
        other = self._programme.find(fields.get("email", member.email))
        if other is not None and other is not member:
            raise SandboxError("Yotpo already has a customer with this e-mail.", 409)
        self._programme.change(member, fields)
        return self._answer(member)

    def _remove(self, call: Call) -> Reply:
        member = self._find(call)
        self._programme.remove(member)
        return json_reply({"email": member.email})

    def _post_webhooks(self, call: Call) -> Reply:
        """Post documented webhooks; without `email` of somebody who earned and redeemed."""
        order = call.json()
        if not isinstance(order, dict) or not {"url", "secret"} <= set(order) <= _WEBHOOKS:
            raise SandboxError(f"Webhooks take {', '.join(sorted(_WEBHOOKS))}.")
        member = self._programme.find(order.get("email", "")) or self._busy()
        if order.get("email") and member.key != order["email"].strip().lower():
            raise SandboxError("Yotpo has no customer with this e-mail.", 404)
        friend = next(each for each in self._programme.members.values() if each is not member)
        sent = post(
            order["url"],
            order.get("header", "Authorization"),
            order["secret"],
            order.get("topics", list(TOPICS)),
            Occasion(self._programme, member, friend, int(order.get("serial", 0))),
        )
        return json_reply({"sent": sent})

    def _busy(self) -> Member:
        """The first member who earned and redeemed; the first one of all where nobody did."""
        members = list(self._programme.members.values())
        names = {option["name"] for option in self._programme.options}
        busy = (
            member
            for member in members
            if member.opt_in
            and any(item.action in names for item in member.history)
            and any(item.counts and item.points > 0 for item in member.history)
        )
        return next(busy, members[0])

    def _catalogue(self, call: Call) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        programme = self._programme
        catalogues = {"redemption_options": programme.options, "campaigns": programme.campaigns}
        catalogue = catalogues.get(call.path_params["catalogue"])
        if catalogue is None:
            raise SandboxError(f"The catalogues are {', '.join(catalogues)}.", 404)
        for row in catalogue:
            if str(row["id"]) == call.path_params["id"]:
                return catalogue, row
        raise SandboxError("The catalogue has no such row.", 404)

    def _change_catalogue(self, call: Call) -> Reply:
        _, row = self._catalogue(call)
        row.update(call.json())
        self._programme.version += 1
        return json_reply(row)

    def _remove_catalogue(self, call: Call) -> Reply:
        catalogue, row = self._catalogue(call)
        catalogue.remove(row)
        self._programme.version += 1
        return json_reply({"id": row["id"]})
