"""A small shop of its own in both programmes: every kind of person, and the truth about them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from strict_vendors.klaviyo import Klaviyo
from strict_vendors.rule import Rule
from strict_vendors.smile import Smile
from strict_vendors.yotpo import Yotpo

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
# Beyond 32 bits, and beyond what a double holds exactly.
FIRST_ID = 9_007_199_254_740_993
SILVER, GOLD = FIRST_ID + 1001, FIRST_ID + 1002
MEMBERS = 24
_IMAGE = "https://cdn.strict-shop.se/i.png"


def at(days: float, form: str = "%Y-%m-%dT%H:%M:%S.%fZ") -> str:
    """A moment so many days from now, as text; milliseconds where the form has fractions."""
    text = (NOW + timedelta(days=days)).strftime(form)
    return text.replace("000Z", "Z") if form.endswith("%fZ") else text


@dataclass
class Shop:
    """The four strangers of one shop, and what must be true at the destinations."""

    smile: Smile
    yotpo: Yotpo
    klaviyo: Klaviyo = field(default_factory=Klaviyo)
    rule: Rule = field(default_factory=Rule)

    @property
    def strangers(self) -> tuple[Smile, Yotpo, Klaviyo, Rule]:
        return self.smile, self.yotpo, self.klaviyo, self.rule

    def balances(self) -> dict[str, int]:
        """Who must have a profile, and the points it must show: Smile's where in both."""
        yotpo = {
            email.strip().lower(): int(record["points_balance"])
            for email, record in self.yotpo.people.items()
            if record["opt_in"]
        }
        smile: dict[str, int] = {}
        for row in self.smile.tables.get("customers", []):
            email = (row["email"] or "").strip().lower()
            if row["state"] == "member" and email:
                smile[email] = max(smile.get(email, -(10**9)), row["points_balance"])
        return yotpo | smile

    def customer(self, email: str) -> dict[str, Any]:
        return next(row for row in self.smile.tables["customers"] if row["email"] == email)

    def earn(self, email: str, points: int) -> None:
        """One of Smile's customers gets points."""
        row = self.customer(email)
        row["points_balance"] += points
        row["updated_at"] = at(0.001)
        self.smile.tables["points_transactions"].append(
            _movement(len(self.smile.tables["points_transactions"]), row["id"], points, 0.001)
        )


def open_shop() -> Shop:
    """A new one; nothing is shared between two of them."""
    return Shop(_smile(), _yotpo())


def _smile() -> Smile:
    customers, movements, coupons = [], [], []
    for number in range(MEMBERS):
        balance = (0, 499, 500, 501, -20, 12_000_000_000, 1250, 7)[number % 8]
        customers.append(_customer(number, f"Ida{number}@Strict-Shop.se", "member", balance))
    for number, (email, state, balance) in enumerate(
        (
            ("candidate@strict-shop.se", "candidate", 0),
            ("excluded@strict-shop.se", "disabled", 900),
            ("paused@strict-shop.se", "paused_by_hand", 40),  # a state nobody documented
            (None, "member", 100),
            ("", "member", 100),
            ("shared@strict-shop.se", "member", 10),
            (" SHARED@strict-shop.se ", "member", 700),
            ("both@strict-shop.se", "member", 333),
            ("left.smile@strict-shop.se", "candidate", 0),
        ),
        start=MEMBERS,
    ):
        customers.append(_customer(number, email, state, balance))
    for row in customers:
        if row["points_balance"]:
            movements.append(_movement(len(movements), row["id"], row["points_balance"], -30))
    for number in range(8):
        coupons.append(_coupon(number, customers[number]["id"]))
    smile = Smile(
        customers=customers,
        points_transactions=movements,
        reward_fulfillments=coupons,
        points_products=_products(),
        vip_tiers=[
            _tier(SILVER, "Silver", 0, ["Välkommen"]), _tier(GOLD, "Guld & Co", 1000.0, []),
        ],
        earning_rules=[_earning_rule()],
    )  # fmt: skip
    for number, row in enumerate(customers):
        if number % 3 == 0:
            smile.vip_statuses[row["id"]] = _status(GOLD if number % 2 else SILVER)
        elif number % 3 == 1:
            smile.vip_statuses[row["id"]] = None
    return smile


def _customer(number: int, email: str | None, state: str, balance: int) -> dict[str, Any]:
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if number % 2 else "%Y-%m-%dT%H:%M:%SZ"
    return {
        "id": FIRST_ID + number,
        "first_name": None if number % 5 == 0 else "Åsa",
        "last_name": "Ödman",
        "email": email,
        "state": state,
        "date_of_birth": (None, "1004-02-29", "1988-07-01")[number % 3],
        "points_balance": balance,
        "referral_url": f"https://i.refs.cc/strict{number}",
        "created_at": at(-200, form),
        "updated_at": at(-20, form),
        "shopify": {"tags": ["a", None]},  # a field of next year
        "is_new": True,
    }


def _status(tier: int) -> dict[str, Any]:
    return {
        "vip_tier_id": tier,
        "vip_tier_expires_at": at(30),
        "progress_value": 300,
        "current_vip_period_end": at(30),
        "delta_to_retain_vip_tier": 0 if tier == SILVER else 700.5,
        "next_vip_tier_id": GOLD if tier == SILVER else None,
        "delta_to_next_vip_tier": 700.0 if tier == SILVER else None,
    }


def _movement(number: int, customer: int, points: int, days: float) -> dict[str, Any]:
    return {
        "id": FIRST_ID + 5000 + number,
        "customer_id": str(customer) if number % 2 else customer,  # older documents say text
        "points_change": points,
        "description": "Placed an order",
        "internal_note": None,
        "created_at": at(days),
        "updated_at": at(days),
    }


def _coupon(number: int, customer: int) -> dict[str, Any]:
    expires = (at(10), at(30), None, at(-3), at(45, "%Y-%m-%dT%H:%M:%SZ"))[number % 5]
    return {
        "id": FIRST_ID + 9000 + number,
        "name": "50 kr rabatt",
        "code": None if number == 7 else f"STRICT-{number}",
        "customer_id": str(customer),
        "fulfillment_status": "pending" if number == 7 else "issued",
        "image_url": _IMAGE,
        "action_text": None,
        "action_url": None,
        "usage_instructions": None,
        "terms_and_conditions": "Gäller inte rea.",
        "expires_at": expires,
        "usage_status": "used" if number == 6 else "unused",
        "used_at": None,
        "created_at": at(-5),
        "updated_at": at(-5),
    }


def _products() -> list[dict[str, Any]]:
    """250 of them: exactly one full page, so that the end is an empty second one."""
    variable = {
        "variable_points_step": 100, "variable_points_step_reward_value": 1,
        "variable_points_min": 100, "variable_points_max": None,
    }  # fmt: skip
    none = dict.fromkeys(variable)
    return [
        {
            "id": FIRST_ID + 2000 + number,
            "exchange_type": "variable" if number == 0 else "fixed",
            "exchange_description": "text",
            "points_price": None if number == 0 else 500 * number,
            **(variable if number == 0 else none),
            "reward": {
                "id": FIRST_ID + 3000 + number, "name": f"{number} kr rabatt",
                "description": None, "image_url": _IMAGE, "created_at": at(-300),
                "updated_at": at(-300),
            },
            "created_at": at(-300),
            "updated_at": at(-300),
        }
        for number in range(250)
    ]  # fmt: skip


def _tier(identity: int, name: str, milestone: float, perks: list[str]) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "image_url": _IMAGE, "milestone": milestone,
        "perks": [{"name": perk} for perk in perks], "entry_rewards": [],
    }  # fmt: skip


def _earning_rule() -> dict[str, Any]:
    return {
        "id": FIRST_ID + 4000, "name": "Place an order", "image_url": _IMAGE,
        "action_text": None, "action_url": None, "restricted_to_vip_tier_ids": [GOLD],
        "reward": {"type": "points"},
        "reward_value": {"type": "variable", "variable": {"value": 5.0, "per_amount": 1.0}},
        "earning_limit": None,
    }  # fmt: skip


def _yotpo() -> Yotpo:
    people = {}
    history = {}
    for number in range(30):
        email = f"Bo.{number}@Strict-Shop.SE" if number % 2 else f"bo.{number}@strict-shop.se"
        people[email] = _person(email, number, opt_in=number % 7 != 6)
        history[email] = _history(people[email]["points_balance"], number)
    for number, (email, opt_in) in enumerate(
        (("BOTH@strict-shop.se", True), ("left.smile@strict-shop.se", True)), start=30
    ):
        people[email] = _person(email, number, opt_in=opt_in)
        history[email] = _history(people[email]["points_balance"], number)
    return Yotpo(people, history, _options(), _yotpo_tiers(), _campaigns())


def _person(email: str, number: int, *, opt_in: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "total_spend_cents": 251_200,
        "total_purchases": 8,
        "perks_redeemed": 3,
        "last_purchase_at": "2026-09-10T13:44:15.000Z",
        "first_name": "",
        "last_name": "Chen",
        "email": email,
        "points_balance": (0, 150, 149, 455)[number % 4],
        "points_earned": 850,
        "last_seen_at": "2026-09-10T18:41:13.926507",
        "third_party_id": str(FIRST_ID + number),
        "thirty_party_id": str(FIRST_ID + number),
        "has_store_account": True,
        "opt_in": opt_in,
        "opted_in_at": ("2025-03-24", "2022-02-01T10:00:00", None)[number % 3],
        "vip_tier_actions_completed": {"points_earned": 850, "campaigns_completed": ["7", 8]},
        "brand_new_field": {"nested": True},
    }
    if number % 3 == 0:  # elsewhere the keys vanish
        record |= {
            "birthday_month": 2,
            "birth_day": 29,
            "vip_tier_name": "Silver",
            "vip_tier_entry_date": "2026-02-01T13:05:57.071+02:00",
            "vip_tier_expiration": at(40),
            "points_expire_at": at(50),
            "vip_tier_maintenance_requirements": {"points_needed": 50},
            "vip_tier_upgrade_requirements": {"points_needed": 150, "campaigns_needed": []},
        }
    return record


def _history(balance: int, number: int) -> list[dict[str, Any]]:
    earned = {
        "created_at": "2026-06-28T18:41:13.000Z", "date": "2026-06-28", "action": "Make a Purchase",
        "points": balance + 250, "status": "Approved", "order_ids": [FIRST_ID],
    }  # fmt: skip
    spent = {
        "created_at": "2026-08-28T18:41:13Z", "date": "2026-08-28", "action": "$5 Coupon",
        "completed_at": "2026-08-28T18:41:13.000Z", "action_name": None, "points": -250,
        "status": f"FIVEOFF-{number}", "order_ids": [],
    }  # fmt: skip
    return [spent, earned]


def _options() -> list[dict[str, Any]]:
    base: dict[str, Any] = {
        "icon": "fa-dollar", "type": "Coupon", "discount_amount_cents": None,
        "discount_rate_cents": None, "discount_percentage": None, "discount_value_cents": None,
        "description": "text", "cart_greater_than": None,
    }  # fmt: skip
    return [
        {**base, "id": FIRST_ID, "name": "$15.00 Off", "amount": "150", "cost_text": "150 Points",
         "discount_type": "fixed_amount", "discount_amount_cents": 1500},
        {**base, "id": 2, "name": "20%", "amount": 400, "cost_text": None,
         "discount_type": "percentage", "discount_percentage": 20},
        {**base, "id": 3, "name": "Any", "amount": None, "discount_type": "variable",
         "discount_rate_cents": 1.5},
        {**base, "id": 4, "name": "Later", "amount": 0, "discount_type": "shipping"},
    ]  # fmt: skip


def _yotpo_tiers() -> list[dict[str, Any]]:
    def threshold(cents: int) -> dict[str, Any]:
        return {
            "points_earned": 0, "amount_spent_cents": cents, "purchases_made": 0,
            "referrals_completed": 0, "mode": "all_requirements",
        }  # fmt: skip

    return [
        {"id": 1, "name": "Silver", "description": "", "type": "x", "points_multiplier": 1,
         "points_reward": None, "coupon_reward": None, "entry_threshold": threshold(0),
         "retain_threshold": threshold(0), "regain_threshold": None},
        {"id": 2, "name": "Gold", "description": "", "type": "x", "points_multiplier": 1.5,
         "points_reward": 500, "coupon_reward": None, "entry_threshold": threshold(10_000),
         "retain_threshold": threshold(10_000), "regain_threshold": threshold(10_000)},
    ]  # fmt: skip


def _campaigns() -> list[dict[str, Any]]:
    return [
        {"id": 12345, "title": "Make a Purchase", "details": "Earn 1 point per $1.",
         "type": "CampaignOfNextYear", "reward_text": "1 Point per $1", "expires_at": None,
         "created_at": "2016-08-14T18:41:13.000Z", "ask_year": False, "hashtags": "#a"}
    ]  # fmt: skip
