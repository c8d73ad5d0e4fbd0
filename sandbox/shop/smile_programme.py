"""The Smile programme lived through day by day: who joins, earns, spends, climbs and loses points.

`step(day)` lives one business day; the same days give the same records, however they are grouped.
Whatever changes a balance goes through `_book`, so the ledger ties by construction. It knows
nothing of HTTP. One class, because every event touches the same handful of records.

Longer than most modules: one set of rules of one programme, each a short method over the same
state of the shop; Smile's records and catalogue are modules of their own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sandbox.shop import smile_catalogue as catalogue
from sandbox.shop.agenda import DAY_MS, Agenda, end_stamp, plus_days, stamp
from sandbox.shop.dice import below, code, mix, unit
from sandbox.shop.history import History, Purchase
from sandbox.shop.people import YEARLESS, Person
from sandbox.shop.smile_catalogue import CouponKind
from sandbox.shop.smile_records import Coupon, Customer, Transaction, VipStatus
from sandbox.shop.smile_vip import current_tier, vip_status

_MINUTE_MS = 60_000
_RECENT_DAYS = 300
"""The merchant corrects balances of people who were active lately."""


def _date_of_birth(person: Person) -> str | None:
    if person.birthday is None:
        return None
    year, month, day = person.birthday
    return f"{year or YEARLESS:04}-{month:02}-{day:02}"


class SmileProgramme:
    """Customers, ledger, coupons and catalogue of the Smile account.

    `version` grows with every change. Lists are in the order of ids, oldest first.
    """

    def __init__(self, seed: int, people: Mapping[int, Person], history: History) -> None:
        self._salt = seed * 2 + 1
        self._people = {number: who for number, who in people.items() if who.smile}
        self._history = history
        self._agenda = Agenda()
        self._birthdays: dict[tuple[int, int], list[int]] = {}
        for number, who in self._people.items():
            if who.birthday is not None:
                self._birthdays.setdefault(who.birthday[1:], []).append(number)
        self._by_number: dict[int, Customer] = {}
        self._members: list[Customer] = []
        self._happened: Counter[str] = Counter()
        self.day = history.first_day - 1
        self.version = 0
        self.basis = "points"
        self.timeframe = "calendar_year"
        self.expiry_days: int | None = catalogue.EXPIRY_DAYS
        self.customers: dict[int, Customer] = {}
        self.transactions: list[Transaction] = []
        self.coupons: list[Coupon] = []
        self.products: list[dict[str, Any]] = copy.deepcopy(list(catalogue.PRODUCTS))
        self.tiers: list[dict[str, Any]] = copy.deepcopy(list(catalogue.TIERS))
        self.rules: list[dict[str, Any]] = copy.deepcopy(list(catalogue.EARNING_RULES))
        self._milestones = {basis: list(row) for basis, row in catalogue.MILESTONES.items()}
        self.settings: dict[str, Any] = copy.deepcopy(catalogue.POINTS_SETTINGS)
        self._customer_id = 304_169_000
        self._transaction_id = 825_673_000
        self._coupon_id = 625_478_000

    # Reading --------------------------------------------------------------------------------

    @property
    def milestones(self) -> Sequence[float]:
        return self._milestones[self.basis]

    def vip(self, customer: Customer) -> VipStatus:
        """The customer's VIP status as of the last day lived."""
        year = date.fromordinal(self.day).year
        return vip_status(customer, year, self.basis, self.timeframe, self.milestones)

    def _tier_on(self, customer: Customer, day: int) -> int:
        year = date.fromordinal(day).year
        return current_tier(customer, year, self.basis, self.timeframe, self.milestones)

    # Living ---------------------------------------------------------------------------------

    def step(self, day: int) -> Counter[str]:
        """Live the next business day; returns what happened, by kind."""
        self._happened = Counter()
        today, before = date.fromordinal(day), date.fromordinal(self.day)
        self.day = day
        if today.year != before.year:
            self.retier_all()
        for index, purchase in enumerate(self._history.on(day)):
            if purchase.customer in self._people:
                ms = below(DAY_MS - 60 * _MINUTE_MS, purchase.customer, day, index, 51)
                self._agenda.add(day, ms, self._purchase, purchase)
        celebrated = [(today.month, today.day)]
        if celebrated == [(2, 28)] and not _is_leap(today.year):
            celebrated.append((2, 29))
        for key in celebrated:
            for number in self._birthdays.get(key, ()):
                ms = 7 * 3_600_000 + below(_MINUTE_MS, number, day, 52)
                self._agenda.add(day, ms, self._birthday, number)
        for turn in range(self._corrections(day)):
            ms = below(DAY_MS - _MINUTE_MS, day, turn, 53)
            self._agenda.add(day, ms, self._correction, turn)
        self._agenda.run(day)
        self.version += 1
        return self._happened

    def _dice(self, *parts: int) -> float:
        return unit(self._salt, *parts)

    def _soon(self, day: int, ms: int, minutes: int, action: Any, *arguments: Any) -> None:
        ms += minutes * _MINUTE_MS + 417
        self._agenda.add(day + ms // DAY_MS, ms % DAY_MS, action, *arguments)

    def _arrive(self, day: int, ms: int, number: int) -> Customer:
        who = self._people[number]
        moment = stamp(day, ms)
        self._customer_id += 1 + below(5, self._salt, number, 54)
        customer = Customer(
            id=self._customer_id,
            number=number,
            first_name=who.first_name,
            last_name=who.last_name,
            email=who.smile_email,
            state="candidate",
            date_of_birth=_date_of_birth(who),
            referral_code=code(8, self._salt, number, 55),
            created_at=moment,
            updated_at=moment,
            touched_at=moment,
            active_on=day,
        )
        self.customers[customer.id] = customer
        self._by_number[number] = customer
        eager = self._dice(number, 56)
        if eager < 0.82:
            self._join(day, ms, customer)
        elif eager < 0.93:
            wait = 1 + below(400, self._salt, number, 57)
            self._agenda.add(day + wait, ms, self._join, customer)
        elif eager < 0.945:
            self._book(day, ms, customer, 150 + 50 * below(20, number, 58), "import")
        if self._dice(number, 59) < 0.015:
            wait = 20 + below(420, self._salt, number, 60)
            self._agenda.add(day + wait, ms, self._exclude, customer)
        if self._dice(number, 61) < 0.06 and self._members:
            sender = self._members[below(len(self._members), self._salt, number, 62)]
            if sender is not customer:
                coupon = self._issue(day, ms, customer, catalogue.FRIEND_COUPON)
                self._use(day, ms, customer, coupon)
                self._agenda.add(day + 2, ms, self._referral, sender)
        return customer

    def _join(self, day: int, ms: int, customer: Customer) -> None:
        if customer.state == "candidate" and customer.id in self.customers:
            customer.state = "member"
            customer.touched_at = stamp(day, ms)
            self._members.append(customer)
            self._book(day, ms, customer, catalogue.SIGNUP_POINTS, "signup")
            self._happened["joined"] += 1

    def _exclude(self, day: int, ms: int, customer: Customer) -> None:
        customer.state = "disabled"
        customer.tier = -1
        customer.touched_at = customer.updated_at = stamp(day, ms)
        self._happened["excluded"] += 1

    def _purchase(self, day: int, ms: int, purchase: Purchase) -> None:
        number = purchase.customer
        customer = self._by_number.get(number) or self._arrive(day, ms, number)
        if customer.id not in self.customers:
            return
        year = int(stamp(day, ms)[:4])
        customer.spent[year] = customer.spent.get(year, 0) + purchase.cents
        if customer.state != "member":
            return
        for coupon in customer.coupons:
            if self._is_usable(coupon, day, ms) and self._dice(coupon.lot, day, 63) < 0.55:
                self._use(day, ms, customer, coupon)
                break
        points = purchase.cents * catalogue.POINTS_PER_DOLLAR // 100
        if points:
            self._book(day, ms, customer, points, "order")
            if customer.tier >= catalogue.BONUS_FROM_TIER:
                bonus = purchase.cents * catalogue.BONUS_POINTS_PER_DOLLAR // 100
                if bonus:
                    self._book(day, ms, customer, bonus, "order")
                    points += bonus
            if self._dice(number, day, 64) < 0.025:
                wait = 3 + below(24, number, day, 65)
                self._agenda.add(
                    day + wait, ms, self._refund, customer, points, purchase.cents, year
                )
        if self._dice(number, day, 66) < 0.16:
            self._soon(day, ms, 4 + below(50, number, day, 67), self._consider, customer)
        if self._dice(number, day, 68) < 0.35:
            self._agenda.add(day + 5 + below(70, number, day, 69), ms, self._consider, customer)

    def _refund(
        self, day: int, ms: int, customer: Customer, points: int, cents: int, year: int
    ) -> None:
        if customer.id not in self.customers:
            return
        customer.spent[year] -= cents
        self._book(day, ms, customer, -points, "refund", counts_in=year)
        self._happened["refunds"] += 1

    def _referral(self, day: int, ms: int, sender: Customer) -> None:
        if sender.state == "member" and sender.id in self.customers:
            self._book(day, ms, sender, catalogue.REFERRAL_POINTS, "referral")
            self._happened["referrals"] += 1

    def _birthday(self, day: int, ms: int, number: int) -> None:
        customer = self._by_number.get(number)
        if customer is None or customer.state != "member" or customer.id not in self.customers:
            return
        self._book(day, ms, customer, catalogue.BIRTHDAY_POINTS, "birthday")
        if customer.tier >= 1:
            self._issue(day, ms, customer, catalogue.BIRTHDAY_COUPON)
        self._happened["birthdays"] += 1

    def _corrections(self, day: int) -> int:
        expected = len(self._members) * 0.0004
        return int(expected) + (self._dice(day, 70) < expected % 1)

    def _correction(self, day: int, ms: int, turn: int) -> None:
        if not self._members:
            return
        customer = self._members[below(len(self._members), self._salt, day, turn, 71)]
        if customer.state != "member" or customer.active_on < day - _RECENT_DAYS:
            return
        balance = customer.points_balance
        kind = self._dice(day, turn, 72)
        above = [price for price in self._prices() if price > balance]
        if kind < 0.6 and above and above[0] - balance <= 400:
            change, note = above[0] - balance, "Rounded up as a favour"
        elif kind < 0.75:
            change, note = -min(25, max(balance, 0)), f"Due to issue with order #{6000 + turn}"
        else:
            change, note = 50, "Late delivery"
        if change:
            self._book(day, ms, customer, change, "adjust", note=note)
            self._happened["adjustments"] += 1

    def _prices(self) -> list[int]:
        return sorted(
            product["points_price"] or product["variable_points_min"] for product in self.products
        )

    # Rewards --------------------------------------------------------------------------------

    def _consider(self, day: int, ms: int, customer: Customer) -> None:
        """Spend points on one of the rewards in reach."""
        if customer.state != "member" or customer.id not in self.customers:
            return
        balance = customer.points_balance
        options = [
            (product, price)
            for product in self.products
            if product["id"] in catalogue.COUPONS
            and (price := product["points_price"] or product["variable_points_min"]) <= balance
        ]
        if not options:
            return
        product, price = options[below(len(options), customer.number, day, 73)]
        if product["exchange_type"] == "variable":
            step = product["variable_points_step"]
            most = min(balance, product["variable_points_max"] or balance) // step
            price = step * (
                price // step + below(most - price // step + 1, customer.number, day, 74)
            )
        kind = catalogue.COUPONS[product["id"]]
        name = kind.name
        if product["exchange_type"] == "variable":
            value = price // step * product["variable_points_step_reward_value"]
            name = f"${value} off coupon"
        self._book(day, ms, customer, -price, "redeem", detail=name)
        self._issue(day, ms, customer, kind, name, price)
        self._happened["redemptions"] += 1

    def _issue(
        self,
        day: int,
        ms: int,
        customer: Customer,
        kind: CouponKind,
        name: str | None = None,
        points: int = 0,
    ) -> Coupon:
        self._coupon_id += 1 + below(4, self._salt, customer.id, day, 75)
        moment = stamp(day, ms)
        coupon = Coupon(
            id=self._coupon_id,
            lot=mix(self._salt, customer.number, len(customer.coupons)),
            customer_id=customer.id,
            name=name or kind.name,
            code=None,
            terms=kind.terms,
            status="pending",
            usage_status="unused" if kind.tracked else "untracked",
            expires_at=None,
            used_at=None,
            points=points,
            created_at=moment,
            updated_at=moment,
        )
        self.coupons.append(coupon)
        customer.coupons.append(coupon)
        if kind.starts_pending:
            wait = 1 + below(5, coupon.lot, 76)
            self._agenda.add(day + wait, ms, self._fulfil, customer, coupon, kind)
        else:
            self._fulfil(day, ms, customer, coupon, kind)
        return coupon

    def _fulfil(
        self, day: int, ms: int, customer: Customer, coupon: Coupon, kind: CouponKind
    ) -> None:
        if coupon.status != "pending":
            return
        moment = stamp(day, ms)
        luck = self._dice(coupon.lot, 77)
        coupon.updated_at = moment
        if kind.starts_pending and luck < 0.08:
            coupon.status = "failed"
            self._give_back(day, ms, customer, coupon)
            return
        coupon.status = "issued"
        coupon.code = f"{kind.prefix}-{code(12, self._salt, coupon.lot, 78)}"
        if kind.days is not None:
            coupon.expires_at = f"{plus_days(moment, kind.days)[:10]}T23:59:59.999Z"
        if coupon.points and luck > 0.98:
            wait = 1 + below(9, coupon.lot, 79)
            self._agenda.add(day + wait, ms, self._cancel, customer, coupon)

    def _cancel(self, day: int, ms: int, customer: Customer, coupon: Coupon) -> None:
        if coupon.status == "issued" and coupon.usage_status != "used":
            coupon.status = "cancelled"
            coupon.updated_at = stamp(day, ms)
            self._give_back(day, ms, customer, coupon)
            self._happened["coupons_cancelled"] += 1

    def _give_back(self, day: int, ms: int, customer: Customer, coupon: Coupon) -> None:
        if coupon.points and customer.id in self.customers:
            self._book(day, ms, customer, coupon.points, "return", detail=coupon.name)

    @staticmethod
    def _is_usable(coupon: Coupon, day: int, ms: int) -> bool:
        return (
            coupon.status == "issued"
            and coupon.usage_status == "unused"
            and (coupon.expires_at is None or coupon.expires_at > stamp(day, ms))
        )

    def _use(self, day: int, ms: int, customer: Customer, coupon: Coupon) -> None:
        coupon.usage_status = "used"
        coupon.used_at = coupon.updated_at = stamp(day, ms)
        customer.updated_at = coupon.updated_at
        self._happened["coupons_used"] += 1

    # Ledger, tiers, expiry ------------------------------------------------------------------

    def _book(
        self,
        day: int,
        ms: int,
        customer: Customer,
        change: int,
        kind: str,
        *,
        detail: str = "",
        note: str | None = None,
        counts_in: int | None = None,
    ) -> None:
        moment = stamp(day, ms) if ms < DAY_MS else end_stamp(day)
        self._transaction_id += 1 + below(3, self._salt, self._transaction_id, 80)
        row = Transaction(
            self._transaction_id, customer.id, change, kind, detail, note, moment, moment
        )
        self.transactions.append(row)
        customer.ledger.append(row)
        customer.points_balance += change
        customer.updated_at = moment
        if kind in catalogue.EARNING_KINDS or counts_in is not None:
            year = counts_in or int(moment[:4])
            customer.earned[year] = customer.earned.get(year, 0) + change
            self._retier(day, ms, customer)
        if kind in catalogue.ACTIVITY_KINDS:
            customer.active_on = day
        if self.expiry_days is not None and not customer.expiry_checked:
            customer.expiry_checked = True
            self._agenda.add(
                max(customer.active_on + self.expiry_days, day + 1),
                DAY_MS - 1,
                self._check_expiry,
                customer,
            )

    def _check_expiry(self, day: int, ms: int, customer: Customer) -> None:
        customer.expiry_checked = False
        if self.expiry_days is None or customer.id not in self.customers:
            return
        due = customer.active_on + self.expiry_days
        if due > day:
            customer.expiry_checked = True
            self._agenda.add(due, DAY_MS - 1, self._check_expiry, customer)
        elif customer.points_balance > 0 and customer.state != "candidate":
            self._book(day, ms, customer, -customer.points_balance, "expire")
            self._happened["expiries"] += 1

    def _retier(self, day: int, ms: int, customer: Customer) -> None:
        position = self._tier_on(customer, day)
        if position == customer.tier:
            return
        climbed = position > customer.tier
        customer.tier = position
        customer.updated_at = stamp(day, ms) if ms < DAY_MS else end_stamp(day)
        self._happened["tier_changes"] += 1
        if climbed and self.tiers[position]["entry_rewards"] and ms < DAY_MS:
            self._issue(day, ms, customer, catalogue.ENTRY_COUPON)

    def retier_all(self) -> None:
        """Place everybody anew: at a new year, or when the programme's basis changed."""
        for customer in self.customers.values():
            position = self._tier_on(customer, self.day)
            if position != customer.tier:
                customer.tier = position
                self._happened["tier_changes"] += 1
        self.version += 1

    def set_basis(self, basis: str, timeframe: str) -> None:
        """Count points or amounts, per calendar year or for life, from the beginning on."""
        if (basis, timeframe) != (self.basis, self.timeframe):
            self.basis, self.timeframe = basis, timeframe
            self.retier_all()

    # Changes by hand (control API) ----------------------------------------------------------

    def set_milestone(self, position: int, value: float) -> None:
        """Move a tier's milestone, of the present basis; everybody is placed anew."""
        self._milestones[self.basis][position] = value
        self.retier_all()

    def add(self, fields: Mapping[str, Any]) -> Customer:
        """A new customer at the clock's present moment; a member unless said otherwise."""
        self._customer_id += 1
        moment = end_stamp(self.day)
        customer = Customer(
            id=self._customer_id,
            number=-self._customer_id,
            first_name=None,
            last_name=None,
            email=None,
            state="member",
            date_of_birth=None,
            referral_code=code(8, self._salt, self._customer_id, 55),
            created_at=moment,
            updated_at=moment,
            touched_at=moment,
            active_on=self.day,
        )
        self.customers[customer.id] = customer
        self._by_number[customer.number] = customer
        self.change(customer, fields)
        if customer.state == "member":
            self._members.append(customer)
        return customer

    def change(self, customer: Customer, fields: Mapping[str, Any]) -> None:
        """Set fields; a new balance is booked as a correction, so that the ledger still ties."""
        moment = end_stamp(self.day)
        for name, value in fields.items():
            if name == "points_balance":
                change = value - customer.points_balance
                if change:
                    customer.active_on = self.day
                    self._book(self.day, DAY_MS, customer, change, "adjust", note="By hand")
            elif name in ("points_earned", "amount_spent"):
                counter = customer.earned if name == "points_earned" else customer.spent
                counter[date.fromordinal(self.day).year] = (
                    value if name == "points_earned" else round(value * 100)
                )
            else:
                setattr(customer, name, value)
        customer.touched_at = customer.updated_at = moment
        self._retier(self.day, DAY_MS, customer)
        self.version += 1

    def remove(self, customer: Customer) -> None:
        """Delete without a trace; ledger rows and coupons stay (whether listed: a switch)."""
        del self.customers[customer.id]
        self._members = [member for member in self._members if member is not customer]
        self.version += 1

    def give_coupon(self, customer: Customer, fields: Mapping[str, Any]) -> Coupon:
        """A coupon by hand, e.g. one that expires at a chosen moment."""
        self._coupon_id += 1
        moment = end_stamp(self.day)
        coupon = Coupon(
            id=self._coupon_id,
            lot=mix(self._salt, customer.number, len(customer.coupons)),
            customer_id=customer.id,
            name=fields.get("name", "$5 off coupon"),
            code=fields.get("code", f"hand-{self._coupon_id}"),
            terms=None,
            status=fields.get("fulfillment_status", "issued"),
            usage_status=fields.get("usage_status", "unused"),
            expires_at=fields.get("expires_at"),
            used_at=fields.get("used_at"),
            points=0,
            created_at=moment,
            updated_at=moment,
        )
        self.coupons.append(coupon)
        customer.coupons.append(coupon)
        self.version += 1
        return coupon


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
