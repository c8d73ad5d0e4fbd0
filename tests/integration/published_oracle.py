"""The loyalty rules once more, in plain Python, from raw rows to what marts and profiles must hold.

Written from the product's rules and the vendors' documentation, not from the SQL, and shares
nothing with it but two reviewed seeds (texts, templates). Data flow: `read_raw` (raw tables as
dicts, times as naive UTC) -> `Oracle` -> expected rows per published table, by key.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from tests.integration.segments_oracle import balance_limits, segments_of

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
Row = dict[str, Any]
Key = tuple[str, ...]
UNITS = {
    "points": ("points_earned", "points_needed"),
    "amount": ("amount_spent_cents", "amount_cents_needed"),
    "purchases": ("purchases_made", "purchases_needed"),
    "referrals": ("referrals_completed", "referrals_needed"),
}
_CENT = Decimal("0.01")
_NEVER = datetime(1, 1, 1)  # noqa: DTZ001 - all times here are naive UTC
_NO_END = datetime(9999, 12, 31)  # noqa: DTZ001


def read_raw(warehouse: Path) -> dict[str, dict[str, list[Row]]]:
    """Every raw table: vendor -> table -> rows."""
    raw: dict[str, dict[str, list[Row]]] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for vendor in ("smile", "yotpo"):
            names = connection.execute(
                "select table_name from information_schema.tables where table_schema = ?",
                [f"raw_{vendor}"],
            ).fetchall()
            raw[vendor] = {
                name: _dicts(connection.execute(f'select * from raw_{vendor}."{name}"'))
                for (name,) in names
                if not name.startswith("_dlt")
            }
    return raw


def _dicts(result: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in result.description or ()]
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def money(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents) * _CENT


def id_order(identifier: str) -> tuple[int, int | str]:
    """Numbers by value; ids that are none after them."""
    plain = identifier.isascii() and identifier.isdigit()
    return (0, int(identifier)) if plain else (1, identifier)


def email_of(text: str | None) -> str | None:
    return (text or "").strip().lower() or None


def slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value else value


@dataclass
class Reward:
    program: str
    reward_id: str
    name: str | None
    variable: bool
    price: int | None
    minimum: int | None = None
    maximum: int | None = None
    step: int = 1
    step_value: Decimal | None = None
    discount_type: str = "unknown"
    discount_value: Decimal | None = None
    is_active: bool = True
    never_sold: bool = False

    @property
    def cost(self) -> int | None:
        """What is compared as its price: of a variable reward the first valid spend."""
        if not self.variable:
            return self.price
        spend = self.step
        while spend < (self.minimum or 0):
            spend += self.step
        return spend

    @property
    def is_buyable(self) -> bool:
        if self.never_sold or self.cost is None:
            return False
        return not self.variable or self.maximum is None or self.maximum >= self.cost

    @property
    def tie(self) -> tuple[Any, ...]:
        return (self.variable, id_order(self.reward_id))


@dataclass
class Member:
    program: str
    member_id: str
    email: str | None
    membership: str
    balance: int | None
    updated_at: datetime | None
    is_deleted: bool
    facts: Row
    raw: Row
    progress: Row = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.program, self.member_id)

    @property
    def takes_part(self) -> bool:
        return self.membership == "member" and not self.is_deleted


class Oracle:
    """Expected rows for one build."""

    def __init__(
        self,
        raw: Mapping[str, Mapping[str, list[Row]]],
        now: datetime,
        *,
        priority: tuple[str, ...] = ("smile", "yotpo"),
        smile_basis: str = "points",
        tier_changes: Mapping[Key, Row] | None = None,
    ) -> None:
        """`tier_changes` by programme, member and moment: only snapshots know them."""
        self.tier_changes = tier_changes or {}
        self.smile = raw["smile"]
        self.yotpo = raw["yotpo"]
        self.now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
        self.priority = priority
        self.basis = smile_basis

    # --- what was listed when

    def _full_lists(self, vendor: Mapping[str, list[Row]], resource: str) -> list[Row]:
        found = [
            row
            for row in vendor["extracts"]
            if row["resource"] == resource and row["mode"] == "full"
        ]
        return sorted(found, key=lambda row: row["extract_id"])

    def _is_current(self, vendor: Mapping[str, list[Row]], resource: str, row: Row) -> bool:
        lists = self._full_lists(vendor, resource)
        return not lists or row["extract_id"] >= lists[-1]["extract_id"]

    def _missed_by(
        self, vendor: Mapping[str, list[Row]], row: Row, resource: str = "customers"
    ) -> Row | None:
        """The first complete list after the extraction that last showed the row."""
        later = (
            entry
            for entry in self._full_lists(vendor, resource)
            if entry["extract_id"] > row["extract_id"]
        )
        return next(later, None)

    def _gone_since(
        self, vendor: Mapping[str, list[Row]], row: Row, resource: str = "customers"
    ) -> datetime | None:
        missed = self._missed_by(vendor, row, resource)
        return None if missed is None else missed["started_at"]

    def _ledger_row_gone_since(self, entry: Row) -> datetime | None:
        """Null also where the customer was not listed again after the list without the row."""
        missed = self._missed_by(self.smile, entry, "points_transactions")
        customer = self._smile_customers.get(entry["customer_id"])
        went_together = (
            missed is not None
            and customer is not None
            and self._missed_by(self.smile, customer) is not None
            and customer["extract_id"] <= missed["extract_id"]
        )
        return None if missed is None or went_together else missed["started_at"]

    @cached_property
    def _smile_customers(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.smile["customers"]}

    # --- texts

    @cached_property
    def _patterns(self) -> list[tuple[str, int, str, str, bool, re.Pattern[str]]]:
        with (SEEDS / "points_patterns.csv").open(encoding="utf-8") as file:
            return [
                (
                    row["vendor"],
                    int(row["priority"]),
                    row["pattern"].lower(),
                    row["transaction_kind"],
                    row["is_order_earn"] == "true",
                    re.compile(
                        "".join(
                            {"%": ".*", "_": "."}.get(letter, re.escape(letter))
                            for letter in row["pattern"].lower()
                        ),
                        re.DOTALL,
                    ),
                )
                for row in csv.DictReader(file)
            ]

    def _meaning(self, vendor: str, text: str | None) -> tuple[str | None, bool | None]:
        wanted = (text or "").strip().lower()
        found = [
            (priority, -len(pattern), pattern, kind, order)
            for of, priority, pattern, kind, order, expression in self._patterns
            if of == vendor and text is not None and expression.fullmatch(wanted)
        ]
        return min(found)[3:] if found else (None, None)

    # --- ledger and coupons

    @cached_property
    def yotpo_details(self) -> dict[str, Row]:
        return {row["email_key"]: row for row in self.yotpo["customer_details"]}

    @cached_property
    def _anniversaries(self) -> dict[str, Row]:
        """By member; of those whom Yotpo knows one of."""
        rows = self.yotpo["customer_anniversaries"]
        return {row["email_key"]: row for row in rows if row["is_found"]}

    @cached_property
    def yotpo_history(self) -> dict[str, list[Row]]:
        """Items of the newest reading; of a member who is not found any more the last ones."""
        found: dict[str, list[Row]] = {}
        for item in self.yotpo["history_items"]:
            details = self.yotpo_details.get(item["email_key"])
            if details and (item["extract_id"] == details["extract_id"] or not details["is_found"]):
                found.setdefault(item["email_key"], []).append(item)
        return found

    @cached_property
    def ledger(self) -> dict[Key, Row]:
        rows: dict[Key, Row] = {}
        for entry in self.smile["points_transactions"]:
            kind, order = self._meaning("smile", entry["description"])
            by_sign = "earn" if (entry["points_change"] or 0) > 0 else "adjust"
            rows["smile", entry["id"]] = {
                "member_id": entry["customer_id"],
                "points_change": entry["points_change"],
                "transaction_kind": kind or by_sign,
                "occurred_at": entry["created_at"],
                "is_order_earn": bool(order),
                "coupon_code": None,
                "deleted_at": self._ledger_row_gone_since(entry),
            }
        for email, items in self.yotpo_history.items():
            for item in items:
                points = item["points"] or 0
                status = (item["status"] or "").strip()
                word = status.lower()
                if word in ("pending", "reversed") or re.fullmatch(r"\d+([.,]\d+)? ?%", word):
                    continue
                redeemed = points <= 0 and word not in ("", "approved")
                kind, order = self._meaning("yotpo", item["action"] or item["action_name"])
                by_sign = "earn" if points > 0 else "adjust"
                has_order = bool(parsed(item["order_ids"]))
                rows["yotpo", item["history_item_id"]] = {
                    "member_id": email,
                    "points_change": points,
                    "transaction_kind": "redeem" if redeemed else (kind or by_sign),
                    "occurred_at": item["completed_at"] or item["created_at"],
                    "is_order_earn": points > 0 and (has_order if order is None else order),
                    "coupon_code": status
                    if redeemed and word not in ("redeemed", "donation")
                    else None,
                    "deleted_at": None,
                }
        return rows

    @cached_property
    def _movements(self) -> dict[Key, list[Row]]:
        """What counts of the ledger, by member."""
        found: dict[Key, list[Row]] = {}
        for (program, _), row in self.ledger.items():
            if row["deleted_at"] is None:
                found.setdefault((program, row["member_id"]), []).append(row)
        return found

    @cached_property
    def coupons(self) -> dict[Key, Row]:
        """Status per Smile coupon; Yotpo's codes by member and code."""
        rows: dict[Key, Row] = {}
        for entry in self.smile["reward_fulfillments"]:
            gone = self._gone_since(self.smile, entry, "reward_fulfillments")
            ends = entry["expires_at"]
            expired = ends is not None and ends <= self.now
            if entry["fulfillment_status"] != "issued":
                status = entry["fulfillment_status"]
                if gone is not None and status == "pending":
                    status = "cancelled"
            elif entry["usage_status"] == "used":
                status = "used"
            elif gone is not None and (ends is None or ends > gone):
                status = "cancelled"
            elif expired:
                status = "expired"
            else:
                status = {"unused": "usable"}.get(entry["usage_status"], "untracked")
            rows["smile", entry["customer_id"], entry["code"], entry["id"]] = {
                "status": status,
                "expires_at": entry["expires_at"],
                "issued_at": entry["created_at"],
                "used_at": entry["used_at"],
                "deleted_at": gone,
            }
        for (program, _), row in self.ledger.items():
            if row["coupon_code"] is not None:
                rows[program, row["member_id"], row["coupon_code"], ""] = {
                    "status": "untracked",
                    "expires_at": None,
                    "deleted_at": None,
                }
        return rows

    def unused_coupons(self, member: Member | None) -> tuple[int, str | None, datetime | None]:
        """How many can be used, and code and end of the one to use first."""
        if member is None:
            return 0, None, None
        usable = [
            (row["expires_at"] or _NO_END, id_order(key[3]), key[2], row["expires_at"])
            for key, row in self._coupons_of.get(member.key, [])
            if row["status"] == "usable"
        ]
        if not usable:
            return 0, None, None
        first = min(usable)
        return len(usable), first[2], first[3]

    @cached_property
    def _coupons_of(self) -> dict[Key, list[tuple[Key, Row]]]:
        found: dict[Key, list[tuple[Key, Row]]] = {}
        for key, row in self.coupons.items():
            found.setdefault(key[:2], []).append((key, row))
        return found

    # --- catalogues

    @cached_property
    def rewards(self) -> list[Reward]:
        return [
            *map(self._smile_reward, self.smile["points_products"]),
            *map(self._yotpo_reward, self.yotpo["redemption_options"]),
        ]

    def _smile_reward(self, row: Row) -> Reward:
        variable = row["exchange_type"] == "variable"
        name = row["reward__name"]
        kind, value = "unknown", None
        money_off = r"\$ ?(\d+(?:\.\d{1,2})?) (?:off|gift card)"
        if found := re.match(money_off, name or "", re.IGNORECASE):
            kind, value = "fixed_amount", Decimal(found[1])
        elif found := re.match(r"(\d+(?:\.\d{1,2})?) ?% off", name or "", re.IGNORECASE):
            kind, value = "percentage", Decimal(found[1])
        elif (name or "").lower().startswith("free shipping"):
            kind = "free_shipping"
        elif (name or "").lower().startswith("free "):
            kind = "free_product"
        return Reward(
            program="smile",
            reward_id=row["id"],
            name=name,
            variable=variable,
            price=None if variable else row["points_price"],
            minimum=row["variable_points_min"] if variable else None,
            maximum=row["variable_points_max"] if variable else None,
            step=(row["variable_points_step"] or 1) if variable else 1,
            step_value=_decimal(row["variable_points_step_reward_value"]) if variable else None,
            discount_type="variable_amount" if variable else kind,
            discount_value=None if variable else value,
            is_active=self._is_current(self.smile, "points_products", row),
        )

    def _yotpo_reward(self, row: Row) -> Reward:
        kind = row["discount_type"]
        variable = kind == "variable"
        rate = row["discount_rate_cents"]
        value = {
            "fixed_amount": money(row["discount_amount_cents"]),
            "donation": money(row["discount_amount_cents"]),
            "percentage": _decimal(row["discount_percentage"]),
            "product": money(row["discount_value_cents"]),
            "custom": money(row["discount_value_cents"]),
        }.get(kind)
        names = {
            "variable": "variable_amount",
            "shipping": "free_shipping",
            "product": "free_product",
            "fixed_amount": "fixed_amount",
            "percentage": "percentage",
            "custom": "custom",
            "donation": "donation",
        }
        return Reward(
            program="yotpo",
            reward_id=row["id"],
            name=row["name"],
            variable=variable,
            price=None if variable else (row["amount"] or None),
            minimum=max(1 if row["amount"] is None else row["amount"], 1) if variable else None,
            step_value=Decimal(str(rate)) / 100 if variable and rate is not None else None,
            discount_type=names.get(kind, "unknown"),
            discount_value=value,
            is_active=self._is_current(self.yotpo, "redemption_options", row),
            never_sold=not (rate if variable else row["amount"]),
        )

    @cached_property
    def smile_tiers(self) -> dict[str, Row]:
        tiers = {
            row["id"]: {
                "tier_name": row["name"],
                "icon_url": row["image_url"],
                "entry_basis": self.basis,
                "entry_threshold": Decimal(str(row["milestone"])).quantize(_CENT, ROUND_HALF_UP),
                "points_multiplier": None,
                "is_active": self._is_current(self.smile, "vip_tiers", row),
                "_order": (row["milestone"], id_order(row["id"])),
            }
            for row in self.smile["vip_tiers"]
        }
        return _ranked(tiers)

    @cached_property
    def yotpo_tiers(self) -> dict[str, Row]:
        tiers: dict[str, Row] = {}
        for row in self.yotpo["vip_tiers"]:
            entry, retain = (
                {
                    unit: int((parsed(row[kind]) or {}).get(keys[0]) or 0)
                    for unit, keys in UNITS.items()
                }
                for kind in ("entry_threshold", "retain_threshold")
            )
            asked = [unit for unit, amount in entry.items() if amount > 0]
            tiers[row["id"]] = {
                "tier_name": row["name"],
                "icon_url": None,
                "entry_basis": asked[0] if len(asked) == 1 else "mixed" if asked else None,
                "points_multiplier": _decimal(row["points_multiplier"]),
                "is_active": self._is_current(self.yotpo, "vip_tiers", row),
                "_entry": entry,
                "_retain": retain,
                "_order": (*entry.values(), row["list_position"]),
            }
        others = {tier["entry_basis"] for tier in tiers.values() if tier["entry_basis"]}
        for tier in tiers.values():
            if tier["entry_basis"] is None and others:
                tier["entry_basis"] = others.copy().pop() if len(others) == 1 else "mixed"
            unit = tier["entry_basis"]
            tier["entry_threshold"] = (
                None
                if unit in (None, "mixed")
                else money(tier["_entry"][unit])
                if unit == "amount"
                else Decimal(tier["_entry"][unit])
            )
        return _ranked(tiers)

    # --- members

    @cached_property
    def members(self) -> dict[Key, Member]:
        found = [self._smile_member(row) for row in self.smile["customers"]]
        found += [self._yotpo_member(row) for row in self.yotpo["customers"]]
        return {member.key: member for member in found}

    def _smile_member(self, row: Row) -> Member:
        membership = {"member": "member", "candidate": "non_member", "disabled": "excluded"}.get(
            row["state"], "unknown"
        )
        gone = self._gone_since(self.smile, row)
        moved = self._movements.get(("smile", row["id"]), [])
        tier = self.smile_tiers.get(row["vip_status__vip_tier_id"] or "", {})
        year, month, day = (
            map(int, row["date_of_birth"].split("-")) if row["date_of_birth"] else (None,) * 3
        )
        earned = sum(
            entry["points_change"]
            for entry in moved
            if entry["transaction_kind"] == "earn"
            or (entry["transaction_kind"] == "adjust" and entry["points_change"] > 0)
        )
        member = Member(
            program="smile",
            member_id=row["id"],
            email=email_of(row["email"]),
            membership=membership,
            balance=row["points_balance"],
            updated_at=row["updated_at"],
            is_deleted=gone is not None,
            facts={},
            raw=row,
        )
        member.facts = {
            "source_email": row["email"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "source_state": row["state"],
            "lifetime_points_earned": earned,
            "tier_id": row["vip_status__vip_tier_id"],
            "tier_name": tier.get("tier_name"),
            "tier_rank": tier.get("tier_rank"),
            "tier_icon_url": tier.get("icon_url"),
            "tier_expires_at": row["vip_status__vip_tier_expires_at"],
            "referral_url": row["referral_url"],
            "birth_year": None if year == 1004 else year,
            "birth_month": month,
            "birth_day": day,
            **_anniversary(None),
            "joined_at": row["created_at"],
            "last_activity_at": _newest(moved),
            "points_expire_at": None,
            "points_expiring": None,
            "deleted_at": gone,
        }
        ends = row["vip_status__vip_tier_expires_at"] or row["vip_status__current_vip_period_end"]
        needed = row["vip_status__delta_to_retain_vip_tier"]
        to_next = row["vip_status__delta_to_next_vip_tier"]
        member.progress = {
            "next_tier_id": row["vip_status__next_vip_tier_id"],
            f"{self.basis}_to_next_tier": _amount(to_next, self.basis),
            f"{self.basis}_to_keep_tier": _amount(
                0 if needed is None and ends is not None else needed, self.basis
            ),
        }
        return member

    def _yotpo_member(self, listed: Row) -> Member:
        key = listed["email_key"]
        details = self.yotpo_details.get(key)
        current = details is not None and details["is_found"]
        row = {**listed, **(details or {})} if current else {**(details or {}), **listed}
        gone = self._gone_since(self.yotpo, listed)
        is_deleted = gone is not None and details is not None and not details["is_found"]
        moved = self._movements.get(("yotpo", key), [])
        history = self.yotpo_history.get(key, [])
        named = (row["vip_tier_name"] or "").strip().lower()
        tier_id, tier = next(
            (
                (identifier, each)
                for identifier, each in self.yotpo_tiers.items()
                if each["tier_name"].strip().lower() == named
            ),
            (None, {}),
        )
        joined = _opted_in(row["opted_in_at"])
        if joined is None and history:
            joined = min(item["completed_at"] or item["created_at"] for item in history)
        link = (parsed(row.get("referral_link")) or {}).get("link")
        expiring = row.get("next_points_expire_amount")
        if expiring is None and row["points_expire_at"] is not None:
            expiring = row["points_balance"]
        member = Member(
            program="yotpo",
            member_id=key,
            email=key,
            membership="member" if row["opt_in"] else "non_member",
            balance=row["points_balance"],
            updated_at=row["last_seen_at"],
            is_deleted=is_deleted,
            facts={},
            raw=row,
        )
        member.facts = {
            "source_email": row["email"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "source_state": "opted_in" if row["opt_in"] else "not_opted_in",
            "lifetime_points_earned": row["points_earned"],
            "tier_id": tier_id,
            "tier_name": row["vip_tier_name"],
            "tier_rank": tier.get("tier_rank"),
            "tier_icon_url": None,
            "tier_entered_at": row["vip_tier_entry_date"],
            "tier_expires_at": row["vip_tier_expiration"],
            "referral_url": f"https://{link}" if link else None,
            "birth_year": row.get("birthday_year"),
            "birth_month": row["birthday_month"],
            "birth_day": row["birth_day"],
            **_anniversary(self._anniversaries.get(key)),
            "joined_at": joined,
            "last_activity_at": max(
                filter(None, (_newest(moved), row["last_seen_at"])), default=None
            ),
            "points_expire_at": row["points_expire_at"]
            or _midnight(row.get("next_points_expire_on")),
            "points_expiring": expiring,
            "deleted_at": gone if is_deleted else None,
        }
        if tier:
            member.progress = self._yotpo_progress(row, tier)
        return member

    def _yotpo_progress(self, row: Row, tier: Row) -> Row:
        above = [
            (identifier, each)
            for identifier, each in self.yotpo_tiers.items()
            if each["tier_rank"] == tier["tier_rank"] + 1
        ]
        next_id, next_tier = above[0] if above else (None, None)
        progress: Row = {"next_tier_id": next_id}
        upgrade = parsed(row["vip_tier_upgrade_requirements"]) or {}
        keep = parsed(row["vip_tier_maintenance_requirements"]) or {}
        for unit, (_, key) in UNITS.items():
            for kind, given, asked in (
                ("next", upgrade, next_tier and next_tier["_entry"][unit]),
                ("keep", keep, tier["_retain"][unit]),
            ):
                left = given.get(key)
                if left == 0 and not asked:
                    left = None  # a zero where nothing is asked for says nothing
                if kind == "next" and next_tier is None:
                    left = None
                name = f"{unit}_to_{kind}_tier"
                progress[name] = money(left) if unit == "amount" else left
        return progress

    # --- expected tables

    def dim_members(self) -> dict[Key, Row]:
        rows: dict[Key, Row] = {}
        for key, member in self.members.items():
            moved = self._movements.get(key, [])
            shown = "with_points" if (member.balance or 0) >= 1 else "no_points"
            rows[key] = {
                "email": member.email,
                "membership": member.membership,
                "hub_state": shown if member.takes_part else "hidden",
                "points_balance": member.balance,
                "lifetime_points_redeemed": -sum(
                    entry["points_change"]
                    for entry in moved
                    if entry["transaction_kind"] == "redeem"
                ),
                "is_deleted": member.is_deleted,
                "updated_at": member.updated_at,
                **member.facts,
            }
        return rows

    def eligibility(self) -> dict[Key, Row]:
        return {
            (*member.key, reward.reward_id): standing
            for member in self.members.values()
            if member.takes_part
            for reward, standing in self._standings(member)
        }

    def _standings(self, member: Member) -> list[tuple[Reward, Row]]:
        return [
            (reward, _standing(max(member.balance or 0, 0), reward))
            for reward in self.rewards
            if reward.program == member.program and reward.is_active and reward.is_buyable
        ]

    @cached_property
    def labels(self) -> dict[str, tuple[str, str]]:
        labels = {"smile": ("point", "points"), "yotpo": ("point", "points")}
        for row in self.smile["points_settings"]:
            if self._is_current(self.smile, "points_settings", row):
                labels["smile"] = (row["points_label__one"], row["points_label__other"])
        return labels

    def member_rewards(self) -> dict[Key, Row]:
        return {
            member.key: self._chosen(member)
            for member in self.members.values()
            if member.takes_part
        }

    def _chosen(self, member: Member) -> Row:
        standings = self._standings(member)
        best = sorted(
            (pair for pair in standings if pair[1]["is_eligible"]),
            key=lambda pair: (-pair[1]["affordable_points"], pair[0].tie),
        )
        upcoming = min(
            (pair for pair in standings if not pair[1]["is_eligible"]),
            key=lambda pair: (pair[1]["points_needed"], -(pair[0].cost or 0), pair[0].tie),
            default=None,
        )
        row: Row = dict.fromkeys(
            (
                "best_reward_id",
                "best_reward_name",
                "best_reward_points",
                "next_reward_id",
                "next_reward_name",
                "next_reward_points",
                "points_to_next_reward",
                "next_reward_progress",
                "headline_reward_id",
                "headline_points_needed",
                "headline_text",
            )
        )
        row["points_balance"] = member.balance
        row["eligible_reward_count"] = len(best)
        row["available_reward_names"] = [reward.name for reward, _ in best]
        if upcoming:
            reward, standing = upcoming
            row["next_reward_id"], row["next_reward_name"] = reward.reward_id, reward.name
            row["next_reward_points"] = reward.cost
            row["points_to_next_reward"] = standing["points_needed"]
            row["next_reward_progress"] = standing["progress_ratio"]
            row["headline_reward_id"] = reward.reward_id
            row["headline_points_needed"] = standing["points_needed"]
            text = "Earn {} more {} for {}"
            row["headline_text"] = text.format(
                standing["points_needed"],
                self._points_word(member.program, standing["points_needed"]),
                reward.name,
            )
        if best:
            reward, standing = best[0]
            spent = standing["affordable_points"]
            row["best_reward_id"], row["best_reward_name"] = reward.reward_id, reward.name
            row["best_reward_points"] = spent
            row["headline_reward_id"] = reward.reward_id
            row["headline_points_needed"] = 0
            row["headline_text"] = (
                f"Redeem {spent} {self._points_word(member.program, spent)} for {reward.name}"
            )
        return row

    def _points_word(self, program: str, count: int) -> str:
        one, other = self.labels[program]
        return one if count == 1 else other

    def member_tiers(self) -> dict[Key, Row]:
        rows: dict[Key, Row] = {}
        names = [f"{unit}_to_{kind}_tier" for kind in ("next", "keep") for unit in UNITS]
        for member in self.members.values():
            if not member.takes_part:
                continue
            tier_id = member.facts["tier_id"]
            row = dict.fromkeys((*names, "next_tier_id", "tier_expires_at", "is_tier_at_risk"))
            if tier_id is not None:
                row |= member.progress
                ends = member.facts["tier_expires_at"]
                row["tier_expires_at"] = ends
                row["is_tier_at_risk"] = (
                    any((row[f"{unit}_to_keep_tier"] or 0) > 0 for unit in UNITS)
                    and ends is not None
                    and ends > self.now
                    and (ends.date() - self.now.date()).days <= 60
                )
            rows[member.key] = row | {"tier_id": tier_id}
        return rows

    def untied(self) -> dict[Key, int]:
        """Balance minus ledger, of everybody whose history is known and who is not deleted."""
        found: dict[Key, int] = {}
        for member in self.members.values():
            if member.is_deleted:
                continue
            moved = self._movements.get(member.key, [])
            gap = (member.balance or 0) - sum(entry["points_change"] for entry in moved)
            if gap:
                found[member.key] = gap
        return found

    # --- who speaks, and what is pushed

    @cached_property
    def spoken(self) -> dict[Key, list[Member]]:
        """Per programme and e-mail everybody who has it, the speaker first."""
        found: dict[Key, list[Member]] = {}
        for member in self.members.values():
            if member.email is not None and not member.is_deleted:
                found.setdefault((member.program, member.email), []).append(member)
        for members in found.values():
            members.sort(key=lambda member: id_order(member.member_id))
            members.sort(key=lambda member: member.updated_at or _NEVER, reverse=True)
            members.sort(
                key=lambda member: -(10**15) if member.balance is None else member.balance,
                reverse=True,
            )
            members.sort(key=lambda member: member.membership != "member")
        return found

    def conflicts(self) -> dict[Key, str]:
        return {
            other.key: members[0].member_id
            for members in self.spoken.values()
            for other in members[1:]
        }

    @cached_property
    def emails(self) -> set[str]:
        return {member.email for member in self.members.values() if member.email is not None}

    def _speaker(self, program: str, email: str) -> Member | None:
        members = self.spoken.get((program, email))
        return members[0] if members else None

    def _common_speaker(self, email: str) -> Member | None:
        for program in self.priority:
            speaker = self._speaker(program, email)
            if speaker is not None and speaker.membership == "member":
                return speaker
        return None

    def common(self, email: str) -> Row:
        """The properties that mean the same in every programme; null = no value."""
        speaker = self._common_speaker(email)
        if speaker is None:
            return self._unused_only(email)
        rewards, tiers = self._chosen(speaker), self.member_tiers_by_key[speaker.key]
        all_tiers = self.smile_tiers if speaker.program == "smile" else self.yotpo_tiers
        count, code, ends = self.unused_coupons(speaker)
        balance = max(speaker.balance or 0, 0)
        price = rewards["next_reward_points"]
        return {
            "may_create_profile": True,
            "loyalty_program": speaker.program,
            "loyalty_points_balance": speaker.balance,
            "loyalty_best_reward_name": rewards["best_reward_name"],
            "loyalty_best_reward_points": rewards["best_reward_points"],
            "loyalty_next_reward_name": rewards["next_reward_name"],
            "loyalty_next_reward_points": price,
            "loyalty_points_to_next_reward": rewards["points_to_next_reward"],
            "loyalty_next_reward_progress": None if price is None else balance * 100 // price,
            "loyalty_available_rewards": rewards["available_reward_names"],
            "loyalty_available_rewards_count": rewards["eligible_reward_count"],
            "loyalty_headline": rewards["headline_text"],
            "loyalty_tier_name": speaker.facts["tier_name"],
            "loyalty_next_tier_name": all_tiers.get(tiers["next_tier_id"] or "", {}).get(
                "tier_name"
            ),
            "loyalty_points_to_next_tier": tiers["points_to_next_tier"],
            "loyalty_amount_to_next_tier": tiers["amount_to_next_tier"],
            "loyalty_tier_expires_at": tiers["tier_expires_at"],
            "loyalty_tier_at_risk": tiers["is_tier_at_risk"],
            "loyalty_points_expiring": speaker.facts["points_expiring"],
            "loyalty_points_expire_at": speaker.facts["points_expire_at"],
            "loyalty_unused_coupons_count": count,
            "loyalty_unused_coupon_code": code,
            "loyalty_unused_coupon_expires_at": ends,
            "loyalty_referral_url": speaker.facts["referral_url"],
            "loyalty_segments": self.segments(speaker),
            "loyalty_synced_at": self.now,
        }

    # --- segments

    def member_segments(self) -> set[Key]:
        """Programme, member and segment of everybody who takes part."""
        return {
            (*member.key, name)
            for member in self.members.values()
            if member.takes_part
            for name in self.segments(member)
        }

    def segments(self, member: Member) -> list[str]:
        """Names of the segments that a member who takes part is in."""
        count, _, ends = self.unused_coupons(member)
        tiers = self.smile_tiers if member.program == "smile" else self.yotpo_tiers
        ranks = [tier["tier_rank"] for tier in tiers.values() if tier["tier_rank"] is not None]
        facts = {
            **member.facts,
            **self.member_tiers_by_key[member.key],
            **self._chosen(member),
            "points_balance": member.balance,
            "top_balance": self._balance_limits.get(member.program),
            "top_rank": max(ranks, default=None),
            "unused_coupons_count": count,
            "unused_coupon_expires_at": ends,
            "completed_referral_count": self._referrals.get(member.key, 0),
            "last_tier_change": self._last_tier_change(member),
            "is_history_known": self._is_history_known(member),
        }
        return segments_of(self.now, facts, self._movements.get(member.key, []))

    @cached_property
    def _balance_limits(self) -> dict[str, int]:
        balances: dict[str, list[int]] = {}
        for member in self.members.values():
            if member.takes_part:
                balances.setdefault(member.program, []).append(member.balance or 0)
        return balance_limits(balances)

    @cached_property
    def _referrals(self) -> dict[Key, int]:
        friends: dict[Key, set[str | None]] = {}
        for row in self.yotpo["completed_referrals"]:
            details = self.yotpo_details.get(row["email_key"])
            if details is None or (row["referral_status"] or "completed").lower() != "completed":
                continue
            if not details["is_found"] or row["extract_id"] == details["extract_id"]:
                friends.setdefault(("yotpo", row["email_key"]), set()).add(row["friend_email"])
        return {key: len(found) for key, found in friends.items()}

    def _last_tier_change(self, member: Member) -> tuple[bool, datetime | None]:
        """Did the latest change go up, and when was it?"""
        changes = [row for key, row in self.tier_changes.items() if key[:2] == member.key]
        last = max(changes, key=lambda row: row["changed_at"], default=None)
        return (False, None) if last is None else (last["direction"] == "up", last["changed_at"])

    def _is_history_known(self, member: Member) -> bool:
        if member.program == "smile":
            return bool(self._full_lists(self.smile, "points_transactions"))
        details = self.yotpo_details.get(member.member_id)
        listed = next(r for r in self.yotpo["customers"] if r["email_key"] == member.member_id)
        return bool(
            details and details["is_found"] and details["list_record_hash"] == listed["record_hash"]
        )

    @cached_property
    def member_tiers_by_key(self) -> dict[Key, Row]:
        return self.member_tiers()

    def _unused_only(self, email: str) -> Row:
        """Of whoever is no member anywhere: the coupons, unless excluded or deleted."""
        for program in self.priority:
            holder = self._speaker(program, email)
            if holder is not None and holder.membership in ("non_member", "unknown"):
                count, code, ends = self.unused_coupons(holder)
                if count:
                    return {
                        "may_create_profile": False,
                        "loyalty_unused_coupons_count": count,
                        "loyalty_unused_coupon_code": code,
                        "loyalty_unused_coupon_expires_at": ends,
                    }
        return {"may_create_profile": False}

    def klaviyo(self) -> dict[Key, Row]:
        return {(email,): self._klaviyo_row(email) for email in self.emails}

    def _klaviyo_row(self, email: str) -> Row:
        row = self.common(email)
        smile, yotpo = self._speaker("smile", email), self._speaker("yotpo", email)
        if smile is not None:
            row["smile_state"] = smile.raw["state"]
            if smile.membership == "member":
                tier = smile.facts["tier_id"]
                row["smile_points_balance"] = smile.balance
                row["smile_referral_url"] = smile.facts["referral_url"]
                row["smile_vip_tier_name"] = smile.facts["tier_name"]
                row["smile_vip_tier_id"] = None if tier is None else int(tier)
        if yotpo is not None:
            row["loyalty_opt_in"] = yotpo.membership == "member"
            if yotpo.membership == "member":
                row |= _yotpo_klaviyo(yotpo)
        return row

    def rule(self) -> dict[Key, Row]:
        return {(email,): self._rule_row(email) for email in self.emails}

    def _rule_row(self, email: str) -> Row:
        row = self.common(email)
        row["tags"] = []
        speaker = self._common_speaker(email)
        if speaker is not None:
            row["tags"] = ["loyalty-member"]
            if speaker.facts["tier_name"] and slug(speaker.facts["tier_name"]):
                row["tags"].append(f"loyalty-tier-{slug(speaker.facts['tier_name'])}")
            row["tags"] += [f"loyalty-segment-{name}" for name in row["loyalty_segments"]]
            row["subscriber_first_name"] = speaker.facts["first_name"]
            row["subscriber_last_name"] = speaker.facts["last_name"]
            row["subscriber_birthday"] = _birthday(speaker.facts)
        yotpo = self._speaker("yotpo", email)
        if yotpo is not None:
            row["yotpo_is_member"] = yotpo.membership == "member"
            if yotpo.membership == "member":
                row |= _yotpo_rule(yotpo.raw)
        return row


def _yotpo_klaviyo(member: Member) -> Row:
    raw = member.raw
    done = parsed(raw["vip_tier_actions_completed"]) or {}
    upgrade = parsed(raw["vip_tier_upgrade_requirements"]) or {}
    keep = parsed(raw["vip_tier_maintenance_requirements"]) or {}
    ends = raw["vip_tier_expiration"]
    opted = _opted_in(raw["opted_in_at"])
    expires = raw["points_expire_at"]
    row = {
        "swell_point_balance": raw["points_balance"],
        "swell_points_earned": raw["points_earned"],
        "swell_points_expire_at": None if expires is None else f"{expires:%Y-%m-%dT%H:%M:%S}Z",
        "swell_credit_balance": raw.get("credit_balance"),
        "swell_has_account": raw["has_store_account"],
        "swell_name": " ".join(filter(None, (raw["first_name"], raw["last_name"]))) or None,
        "swell_first_name": raw["first_name"],
        "swell_last_name": raw["last_name"],
        "swell_vip_tier_name": raw["vip_tier_name"],
        "swell_vip_tier_ends_at": None if ends is None else ends.date(),
        "swell_vt_ends_at_date": None if ends is None else ends.date(),
        "swell_referral_link": member.facts["referral_url"],
        "swell_birth_month": raw["birthday_month"],
        "loyalty_opt_in_date": None if opted is None else opted.date(),
        "loyalty_next_points_expire_on": raw.get("next_points_expire_on"),
        "loyalty_next_points_expire_amount": raw.get("next_points_expire_amount"),
        "swell_tier_points_earned": done.get("points_earned"),
        "swell_tier_amount_spent_cents": done.get("amount_spent_cents"),
        "swell_tier_purchases_made": done.get("purchases_made"),
        "swell_tier_referrals_completed": done.get("referrals_completed"),
        "swell_tier_points_needed": upgrade.get("points_needed"),
        "swell_tier_amount_spend_needed_cents": upgrade.get("amount_cents_needed"),
        "swell_tier_purchases_needed": upgrade.get("purchases_needed"),
        "swell_tier_referrals_needed": upgrade.get("referrals_needed"),
    }
    sign = re.sub(r"[-0-9.,]+$", "", raw.get("credit_balance") or "") or "USD "
    for name, cents in (
        ("swell_tier_amount_spent", done.get("amount_spent_cents")),
        ("swell_tier_amount_spend_needed", upgrade.get("amount_cents_needed")),
    ):
        row[name] = None if cents is None else f"{sign}{money(cents):.2f}"
    for prefix, given in (("nt", upgrade), ("mt", keep)):
        row[f"loyalty_{prefix}_points"] = given.get("points_needed")
        row[f"loyalty_{prefix}_amount_cents"] = given.get("amount_cents_needed")
        row[f"loyalty_{prefix}_amount_cents_c"] = given.get(
            "amount_cents_needed_in_customer_currency"
        )
        row[f"loyalty_{prefix}_purchases"] = given.get("purchases_needed")
        row[f"loyalty_{prefix}_referrals"] = given.get("referrals_needed")
    return row


def _yotpo_rule(raw: Row) -> Row:
    row = {
        "yotpo_opt_in": True,
        "yotpo_opt_in_date": _opted_in(raw["opted_in_at"]),
        "yotpo_total_spend_cents": raw["total_spend_cents"],
        "yotpo_total_purchases": raw["total_purchases"],
        "yotpo_last_purchase_at": raw["last_purchase_at"],
        "yotpo_perks_redeemed": raw["perks_redeemed"],
        "yotpo_points_earned": raw["points_earned"],
        "yotpo_points_balance": raw["points_balance"],
        "yotpo_points_expire_at": raw["points_expire_at"],
        "yotpo_last_seen_at": raw["last_seen_at"],
    }
    for part, column, place in (
        ("current", "vip_tier_actions_completed", 0),
        ("needed_maintain", "vip_tier_maintenance_requirements", 1),
        ("needed_next", "vip_tier_upgrade_requirements", 1),
    ):
        given = parsed(raw[column]) or {}
        for unit, keys in UNITS.items():
            name = "amount_cents" if unit == "amount" else unit
            row[f"yotpo_tier_stats_{part}_{name}"] = given.get(keys[place])
    return row


def _standing(points: int, reward: Reward) -> Row:
    cost = reward.cost
    assert cost is not None
    spend = cost if points >= cost else 0
    value = reward.discount_value if reward.discount_type != "percentage" else None
    if reward.variable:
        within = points if reward.maximum is None else min(points, reward.maximum)
        spend = within // reward.step * reward.step
        spend = spend if spend >= cost else 0
        value = None if reward.step_value is None else spend // reward.step * reward.step_value
    eligible = spend > 0 if reward.variable else points >= cost
    return {
        "is_eligible": eligible,
        "points_needed": max(cost - points, 0),
        "progress_ratio": Decimal(1)
        if cost == 0
        else Decimal(min(points * 10000 // cost, 10000)) / 10000,
        "affordable_points": spend,
        "affordable_value": value if eligible else Decimal(0),
    }


def _ranked(tiers: dict[str, Row]) -> dict[str, Row]:
    active = sorted(
        (key for key, row in tiers.items() if row["is_active"]), key=lambda k: tiers[k]["_order"]
    )
    for key, row in tiers.items():
        row["tier_rank"] = active.index(key) + 1 if key in active else None
    return tiers


def _newest(moved: Iterable[Row]) -> datetime | None:
    return max(
        (
            entry["occurred_at"]
            for entry in moved
            if entry["transaction_kind"] in ("earn", "redeem")
        ),
        default=None,
    )


def _amount(value: float | None, basis: str) -> int | Decimal | None:
    if value is None:
        return None
    exact = Decimal(str(value))
    return -int(-exact // 1) if basis == "points" else exact.quantize(_CENT, ROUND_HALF_UP)


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _opted_in(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time())


def _anniversary(row: Row | None) -> Row:
    return {
        f"anniversary_{part}": None if row is None else row[part]
        for part in ("day", "month", "year")
    }


def _birthday(facts: Row) -> date | None:
    parts = [facts[f"birth_{part}"] for part in ("year", "month", "day")]
    if None in parts:
        return None
    try:
        return date(*parts)
    except ValueError:
        return None


def differences(expected: Mapping[Key, Row], actual: Mapping[Key, Row]) -> list[str]:
    """Every deviation in words: missing and surplus rows, and values that differ."""
    found = [f"{key}: missing" for key in expected.keys() - actual.keys()]
    found += [f"{key}: not expected" for key in actual.keys() - expected.keys()]
    for key in expected.keys() & actual.keys():
        found += [
            f"{key}.{name}: expected {value!r}, found {actual[key][name]!r}"
            for name, value in expected[key].items()
            if not _same(value, actual[key][name])
        ]
    return sorted(found)


def _same(one: Any, other: Any) -> bool:
    """Equal values; 0, false, "" and [] differ from null."""
    return one is other if one is None or other is None else bool(one == other)
