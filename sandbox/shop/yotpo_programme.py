"""The Yotpo programme lived through day by day: opt-ins, points, redemptions, tiers, expiry.

`step(day)` lives one business day; the same days give the same records, however they are grouped.
A balance is changed together with the history item that explains it, in `_credit` or `_settle`
only, so the history ties by construction. It knows nothing of HTTP. One class, because every event
touches the same handful of records.

Longer than most modules: one set of rules of one programme, each a short method over the same
state of the shop; Yotpo's records and catalogue are modules of their own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from sandbox.shop import yotpo_catalogue as catalogue
from sandbox.shop.agenda import DAY_MS, Agenda, end_stamp, iso_day, stamp
from sandbox.shop.dice import below, code, unit
from sandbox.shop.history import History, Purchase
from sandbox.shop.people import Person
from sandbox.shop.yotpo_catalogue import EXPIRY_DAYS, TIER_DAYS, TIERS
from sandbox.shop.yotpo_records import APPROVED, PENDING, REVERSED, HistoryItem, Member, Referral

_MINUTE_MS = 60_000
_PST_MIDNIGHT_MS = 2 * 3_600_000
"""08:00 UTC, counted from the beginning of a business day: points by date earned go then."""
_RECENT_DAYS = 300
"""Support corrects balances of people who were active lately."""


class YotpoProgramme:
    """Members by normalised e-mail, with history and catalogue; `version` grows with changes.

    points_method: `last_activity`, `date_earned` or `never`; tier_term: `rolling_year`,
    `calendar_year` or `lifetime` (yotpo.md §6.1, §6.3). Both may change while it lives.
    """

    def __init__(self, seed: int, people: Mapping[int, Person], history: History) -> None:
        self._salt = seed * 2
        self._people = {number: who for number, who in people.items() if who.yotpo}
        self._history = history
        self._agenda = Agenda()
        self._birthdays: dict[tuple[int, int], list[int]] = {}
        for number, who in self._people.items():
            if who.birthday is not None:
                self._birthdays.setdefault(who.birthday[1:], []).append(number)
        self._by_number: dict[int, Member] = {}
        self._insiders: list[Member] = []
        self._happened: Counter[str] = Counter()
        self._orders = 5_300_100_000
        self.day = history.first_day - 1
        self.version = 0
        self.points_method = "last_activity"
        self.tier_term = "rolling_year"
        self.members: dict[str, Member] = {}
        self.options: list[dict[str, Any]] = copy.deepcopy(list(catalogue.OPTIONS))
        self.campaigns: list[dict[str, Any]] = copy.deepcopy(list(catalogue.CAMPAIGNS))
        self._member_id = 3_280_700_000

    # Reading --------------------------------------------------------------------------------

    def find(self, email: str) -> Member | None:
        return self.members.get(email.strip().lower())

    def tier_ends(self, member: Member) -> str | None:
        """When the member's tier window ends; None without a tier or for a lifetime term."""
        if member.tier < 0 or self.tier_term == "lifetime":
            return None
        if self.tier_term == "calendar_year":
            began = stamp(member.window_day, member.window_ms)
            return f"{int(began[:4]) + 1}-12-31T23:59:59.999Z"
        return stamp(member.window_day + TIER_DAYS, member.window_ms)

    def points_expire_at(self, member: Member) -> str | None:
        """When points go next; None when never or when there are none."""
        if member.points_balance <= 0 or not member.opt_in or self.points_method == "never":
            return None
        if self.points_method == "date_earned":
            return f"{self.next_batch(member)[0]}T08:00:00.000Z"
        return stamp(member.active_day + EXPIRY_DAYS, member.active_ms)

    def next_batch(self, member: Member) -> tuple[str, int]:
        """By date earned: the day on which the oldest batch goes, and its points."""
        day, points = self._oldest_batch(member)
        return iso_day(max(day + EXPIRY_DAYS, self.day)), points

    def _oldest_batch(self, member: Member) -> tuple[int, int]:
        spent = -sum(item.points for item in member.history if item.counts and item.points < 0)
        batch = (self.day, 0)
        for item in member.history:
            if not item.counts or item.points <= 0:
                continue
            left = item.points - spent
            spent = max(0, -left)
            if left > 0:
                day = date.fromisoformat(item.created_at[:10]).toordinal()
                batch = (day, min(left, member.points_balance))
                break
        return batch

    # Living ---------------------------------------------------------------------------------

    def step(self, day: int) -> Counter[str]:
        """Live the next business day; returns what happened, by kind."""
        self._happened = Counter()
        self.day = day
        today = date.fromordinal(day)
        for index, purchase in enumerate(self._history.on(day)):
            if purchase.customer in self._people:
                ms = below(DAY_MS - 60 * _MINUTE_MS, purchase.customer, day, index, 51)
                self._agenda.add(day, ms, self._purchase, purchase)
        for number in self._birthdays.get((today.month, today.day), ()):
            ms = 7 * 3_600_000 + below(_MINUTE_MS, number, day, 152)
            self._agenda.add(day, ms, self._birthday, number)
        expected = len(self._insiders) * 0.0004
        for turn in range(int(expected) + (self._dice(day, 170) < expected % 1)):
            ms = below(DAY_MS - _MINUTE_MS, day, turn, 153)
            self._agenda.add(day, ms, self._correction, turn)
        if self.points_method == "date_earned":
            for member in self._insiders:
                self._expire_batches(day, member)
        self._agenda.run(day)
        self.version += 1
        return self._happened

    def _dice(self, *parts: int) -> float:
        return unit(self._salt, *parts)

    def _is_gone(self, member: Member) -> bool:
        return not member.opt_in or self.members.get(member.key) is not member

    def _soon(self, day: int, ms: int, minutes: int, action: Any, *arguments: Any) -> None:
        ms += minutes * _MINUTE_MS + 311
        self._agenda.add(day + ms // DAY_MS, ms % DAY_MS, action, *arguments)

    def _arrive(self, day: int, ms: int, number: int, cents: int) -> Member:
        who = self._people[number]
        self._member_id += 1 + below(9, self._salt, number, 154)
        credit = self._dice(number, 155)
        member = Member(
            id=self._member_id,
            number=number,
            email=who.yotpo_email,
            first_name=who.first_name,
            last_name=who.last_name,
            phone=who.phone,
            third_party_id=str(4_302_900_000 + 7 * number) if credit < 0.97 else None,
            pos_account_id=f"pos-{number}" if credit > 0.95 else None,
            has_store_account=self._dice(number, 156) < 0.8,
            birthday=who.birthday,
            referral_code=code(7, self._salt, number, 157),
            last_seen_at=stamp(day, ms),
            credit_cents=below(300_000, number, 158) if credit < 0.02 else 0,
        )
        self.members[member.key] = member
        self._by_number[number] = member
        eager = self._dice(number, 159)
        if eager < 0.84:
            self._opt_in(day, ms, member)
        elif eager < 0.92:
            wait = 2 + below(400, self._salt, number, 160)
            self._agenda.add(day + wait, ms, self._opt_in, member)
        if self._dice(number, 161) < 0.012:
            wait = 30 + below(400, self._salt, number, 162)
            self._agenda.add(day + wait, ms, self._opt_out, member)
        if self._dice(number, 163) < 0.07 and self._insiders:
            referrer = self._insiders[below(len(self._insiders), self._salt, number, 164)]
            if referrer is not member:
                self._agenda.add(day + 2, ms, self._referral, referrer, member, cents)
        if self._dice(number, 165) < 0.15:
            self._agenda.add(day + 1, ms, self._follow, member)
        if self._dice(number, 166) < 0.10:
            self._agenda.add(day + 9, ms, self._review, member)
        return member

    def _opt_in(self, day: int, ms: int, member: Member) -> None:
        if member.opt_in or self.members.get(member.key) is not member:
            return
        member.opt_in = True
        member.opted_in_on = stamp(day, ms)[:10]
        member.last_seen_at = stamp(day, ms)
        self._insiders.append(member)
        self._enter(day, ms, member, 0)
        self._credit(
            day, ms, member, catalogue.SIGNUP_POINTS, "Create an Account", name="create_account"
        )
        self._happened["joined"] += 1

    def _opt_out(self, day: int, ms: int, member: Member) -> None:
        """Leaving removes balance and tier; the date of opting in is kept (yotpo.md §6.4)."""
        if self._is_gone(member):
            return
        if member.points_balance:
            self._settle(day, ms, member, -member.points_balance, "Left the program", APPROVED)
        member.opt_in = False
        member.tier = -1
        member.tier_entered_at = None
        member.tier_points = member.tier_cents = member.tier_purchases = member.tier_referrals = 0
        member.last_seen_at = stamp(day, ms)
        self._insiders = [other for other in self._insiders if other is not member]
        self._happened["left"] += 1

    def _purchase(self, day: int, ms: int, purchase: Purchase) -> None:
        number = purchase.customer
        member = self._by_number.get(number) or self._arrive(day, ms, number, purchase.cents)
        if self.members.get(member.key) is not member:
            return
        moment = stamp(day, ms)
        member.total_purchases += 1
        member.total_spend_cents += purchase.cents
        member.last_purchase_at = member.last_seen_at = moment
        if not member.opt_in:
            return
        member.tier_purchases += 1
        member.tier_cents += purchase.cents
        hundredths = round(float(TIERS[member.tier].multiplier) * 100)
        points = purchase.cents * catalogue.POINTS_PER_DOLLAR * hundredths // 10_000
        if points:
            self._orders += 1 + below(40, number, day, 167)
            order = (str(self._orders),)
            is_held = self._dice(number, day, 168) < 0.12
            item = HistoryItem(moment, moment, "Make a Purchase", points, PENDING, None, order)
            member.history.append(item)
            if is_held:
                self._agenda.add(day + 10, ms, self._release, member, item)
            else:
                self._approve(day, ms, member, item)
                if self._dice(number, day, 169) < 0.025:
                    wait = 3 + below(24, number, day, 171)
                    self._agenda.add(day + wait, ms, self._refund, member, item, purchase.cents)
        self._climb(day, ms, member)
        if self._dice(number, day, 172) < 0.16:
            self._soon(day, ms, 4 + below(50, number, day, 173), self._consider, member)
        if self._dice(number, day, 174) < 0.4:
            self._agenda.add(day + 5 + below(70, number, day, 175), ms, self._consider, member)

    def _release(self, day: int, ms: int, member: Member, item: HistoryItem) -> None:
        if self._is_gone(member) or self._dice(member.number, day, 176) < 0.15:
            item.status = REVERSED
        else:
            self._approve(day, ms, member, item)
            self._climb(day, ms, member)

    def _refund(self, day: int, ms: int, member: Member, item: HistoryItem, cents: int) -> None:
        del day, ms  # a reversal has no line and no time of its own
        if self._is_gone(member) or item.status != APPROVED:
            return
        item.status = REVERSED
        member.points_balance -= item.points
        member.points_earned -= item.points
        member.perks_redeemed -= 1
        member.tier_points = max(0, member.tier_points - item.points)
        if item.created_at >= stamp(member.window_day, member.window_ms):
            member.tier_cents = max(0, member.tier_cents - cents)
            member.tier_purchases = max(0, member.tier_purchases - 1)
        member.total_spend_cents -= cents
        member.total_purchases -= 1
        self._happened["refunds"] += 1

    def _birthday(self, day: int, ms: int, number: int) -> None:
        member = self._by_number.get(number)
        if member is not None and not self._is_gone(member):
            self._credit(day, ms, member, catalogue.BIRTHDAY_POINTS, "Happy Birthday")
            self._happened["birthdays"] += 1

    def _follow(self, day: int, ms: int, member: Member) -> None:
        if not self._is_gone(member):
            self._credit(day, ms, member, catalogue.FOLLOW_POINTS, "Follow us on Instagram")

    def _review(self, day: int, ms: int, member: Member, item: HistoryItem | None = None) -> None:
        """Three reviews: the item shows 33%, then 66%, then it is approved; many stop halfway."""
        if self._is_gone(member):
            return
        moment = stamp(day, ms)
        if item is None:
            item = HistoryItem(
                moment,
                moment,
                "Review three products",
                catalogue.REVIEW_POINTS,
                "33%",
                "product_review",
            )
            member.history.append(item)
        elif item.status == "33%":
            item.status = "66%"
            item.completed_at = moment
        else:
            item.completed_at = moment
            self._approve(day, ms, member, item)
            return
        if self._dice(member.number, day, 177) < 0.5:
            self._agenda.add(day + 12, ms, self._review, member, item)

    def _referral(self, day: int, ms: int, referrer: Member, friend: Member, cents: int) -> None:
        if self._is_gone(referrer):
            return
        referrer.referrals.append(Referral(friend, catalogue.REFERRAL_POINTS, stamp(day, ms)))
        referrer.referral_cents += cents
        referrer.tier_referrals += 1
        self._credit(day, ms, referrer, catalogue.REFERRAL_POINTS, "Refer a Friend")
        self._happened["referrals"] += 1

    def _correction(self, day: int, ms: int, turn: int) -> None:
        if not self._insiders:
            return
        member = self._insiders[below(len(self._insiders), self._salt, day, turn, 178)]
        if self._is_gone(member) or member.active_day < day - _RECENT_DAYS:
            return
        balance = member.points_balance
        above = sorted(option["amount"] for option in self.options if option["amount"] > balance)
        kind = self._dice(day, turn, 179)
        change = 25
        if kind < 0.6 and above and above[0] - balance <= 200:
            change = above[0] - balance
        elif kind < 0.75:
            change = -min(20, max(balance, 0))
        if change:
            self._settle(day, ms, member, change, "Points adjusted by support", APPROVED)
            self._happened["adjustments"] += 1

    # Rewards --------------------------------------------------------------------------------

    def _consider(self, day: int, ms: int, member: Member) -> None:
        """Visit the shop and perhaps spend points on one of the options in reach."""
        if self._is_gone(member):
            return
        member.last_seen_at = stamp(day, ms)
        options = [
            option for option in self.options if 0 < option["amount"] <= member.points_balance
        ]
        if not options:
            return
        option = options[below(len(options), member.number, day, 180)]
        points, name = option["amount"], option["name"]
        if option["discount_type"] == "variable":
            points += below(member.points_balance - points + 1, member.number, day, 181)
            name = f"${points * option['discount_rate_cents'] / 100:.2f} Off"
        self._settle(day, ms, member, -points, name, self._coupon(day, member, option["id"]))
        member.active_day, member.active_ms = day, ms
        self._happened["redemptions"] += 1

    def _coupon(self, day: int, member: Member, option: int) -> str:
        prefix = catalogue.CODE_PREFIXES.get(option)
        if prefix is None:
            return catalogue.REDEEMED
        return f"{prefix}-{code(8, self._salt, member.number, day, option).upper()}"

    # Points ---------------------------------------------------------------------------------

    def _credit(
        self, day: int, ms: int, member: Member, points: int, action: str, name: str | None = None
    ) -> None:
        moment = stamp(day, ms)
        item = HistoryItem(moment, moment, action, points, APPROVED, name)
        member.history.append(item)
        self._approve(day, ms, member, item)

    def _approve(self, day: int, ms: int, member: Member, item: HistoryItem) -> None:
        item.status = APPROVED
        member.points_balance += item.points
        member.points_earned += item.points
        member.tier_points += item.points
        member.perks_redeemed += 1
        member.active_day, member.active_ms = day, ms
        self._watch_expiry(day, member)

    def _settle(
        self, day: int, ms: int, member: Member, points: int, action: str, status: str
    ) -> None:
        """A movement that is no earning: a redemption, a correction, an expiry."""
        moment = stamp(day, ms) if ms < DAY_MS else end_stamp(day)
        member.history.append(HistoryItem(moment, moment, action, points, status))
        member.points_balance += points

    def _watch_expiry(self, day: int, member: Member) -> None:
        if self.points_method == "last_activity" and not member.expiry_checked:
            member.expiry_checked = True
            due = max(member.active_day + EXPIRY_DAYS, day + 1)
            self._agenda.add(due, member.active_ms, self._check_expiry, member)

    def _check_expiry(self, day: int, ms: int, member: Member) -> None:
        member.expiry_checked = False
        if self._is_gone(member) or self.points_method != "last_activity":
            return
        if (member.active_day + EXPIRY_DAYS, member.active_ms) > (day, ms):
            self._watch_expiry(day, member)
        elif member.points_balance > 0:
            self._settle(day, ms, member, -member.points_balance, "Points Expired", APPROVED)
            self._happened["expiries"] += 1

    def _expire_batches(self, day: int, member: Member) -> None:
        while member.points_balance > 0:
            earned, points = self._oldest_batch(member)
            if not points or earned + EXPIRY_DAYS >= day:
                return
            self._settle(day, _PST_MIDNIGHT_MS, member, -points, "Points Expired", APPROVED)
            self._happened["expiries"] += 1

    def set_points_method(self, method: str) -> None:
        """Change how points expire, from now on."""
        if method == self.points_method:
            return
        self.points_method = method
        for member in self._insiders:
            if member.points_balance > 0 and member.active_day + EXPIRY_DAYS <= self.day:
                member.active_day = self.day
            self._watch_expiry(self.day, member)
        self.version += 1

    # Tiers ----------------------------------------------------------------------------------

    def _enter(self, day: int, ms: int, member: Member, tier: int) -> None:
        """Enter a tier (or the same one anew): its window and counters start."""
        if tier != member.tier:
            self._happened["tier_changes"] += 1
            member.tier_entered_at = stamp(day, ms) if ms < DAY_MS else end_stamp(day)
        member.tier = tier
        member.window_day, member.window_ms = day, min(ms, DAY_MS - 1)
        member.tier_points = member.tier_cents = member.tier_purchases = member.tier_referrals = 0
        self._watch_tier(day, member)

    def _climb(self, day: int, ms: int, member: Member) -> None:
        reached = max(index for index, tier in enumerate(TIERS) if member.meets(tier.entry))
        if reached <= member.tier:
            return
        self._enter(day, ms, member, reached)
        tier = TIERS[reached]
        if ms < DAY_MS and tier.reward_points:
            self._credit(day, ms, member, tier.reward_points, f"Welcome to {tier.name}")
        if ms < DAY_MS and tier.reward_coupon:
            gift = next(option for option in catalogue.OPTIONS if option["amount"] == 0)
            status = self._coupon(day, member, gift["id"])
            self._settle(day, ms, member, 0, tier.reward_coupon, status)

    def _watch_tier(self, day: int, member: Member) -> None:
        ends = self.tier_ends(member)
        if ends is not None:
            due = date.fromisoformat(ends[:10]).toordinal()
            # A business day begins at 06:00: what ends later that date ends in the next one.
            due += ends[11:13] >= "06"
            self._agenda.add(max(due, day + 1), member.window_ms, self._end_window, member, ends)

    def _end_window(self, day: int, ms: int, member: Member, ends: str) -> None:
        if self._is_gone(member) or self.tier_ends(member) != ends:
            return
        if member.meets(TIERS[member.tier].retain):
            self._enter(day, ms, member, member.tier)
            return
        lower = [index for index in range(member.tier) if member.meets(TIERS[index].regain)]
        self._enter(day, ms, member, max(lower))

    def set_tier_term(self, term: str) -> None:
        """Change the term; existing ends are rewritten (yotpo.md §6.1)."""
        if term == self.tier_term:
            return
        self.tier_term = term
        for member in self._insiders:
            ends = self.tier_ends(member)
            if ends is not None and ends <= end_stamp(self.day):
                self._end_window(self.day, DAY_MS, member, ends)
            else:
                self._watch_tier(self.day, member)
        self.version += 1

    # Changes by hand (control API) ----------------------------------------------------------

    def add(self, email: str, fields: Mapping[str, Any]) -> Member:
        """A new member at the clock's present moment; opted in unless said otherwise."""
        self._member_id += 1
        member = Member(
            id=self._member_id,
            number=-self._member_id,
            email=email,
            first_name=None,
            last_name=None,
            phone=None,
            third_party_id=str(self._member_id),
            pos_account_id=None,
            has_store_account=True,
            birthday=None,
            referral_code=code(7, self._salt, self._member_id, 157),
            last_seen_at=end_stamp(self.day),
        )
        self.members[member.key] = member
        self._by_number[member.number] = member
        self.change(member, {"opt_in": True, **fields})
        return member

    def change(self, member: Member, fields: Mapping[str, Any]) -> None:
        """Set fields; a new balance becomes a history item, so that the history still ties."""
        day = self.day
        for name, value in fields.items():
            if name == "points_balance":
                change = value - member.points_balance
                if change:
                    member.active_day, member.active_ms = day, DAY_MS - 1
                    action = "Points adjusted by support"
                    self._settle(day, DAY_MS, member, change, action, APPROVED)
                    self._watch_expiry(day, member)
            elif name == "opt_in":
                if value and not member.opt_in:
                    member.opt_in = True
                    member.opted_in_on = iso_day(day)
                    self._insiders.append(member)
                    self._enter(day, DAY_MS, member, 0)
                elif not value and member.opt_in:
                    self._opt_out(day, DAY_MS - 1, member)
            elif name == "email":
                del self.members[member.key]
                member.email = value
                self.members[member.key] = member
            elif name == "birthday":
                member.birthday = None if value is None else (value[0], value[1], value[2])
            else:
                setattr(member, name, value)
        member.last_seen_at = end_stamp(day)
        if member.opt_in:
            self._climb(day, DAY_MS, member)
        self.version += 1

    def remove(self, member: Member) -> None:
        """Delete without a trace."""
        del self.members[member.key]
        self._insiders = [other for other in self._insiders if other is not member]
        self.version += 1
