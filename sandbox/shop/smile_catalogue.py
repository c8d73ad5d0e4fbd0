"""The Smile programme's settings: earning rules, VIP tiers, rewards, texts. Data only.

Rows that the API serves as they stand are in the API's own shape (smile.md §5.4, §5.8, §5.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIGNUP_POINTS = 200
BIRTHDAY_POINTS = 150
REFERRAL_POINTS = 500
POINTS_PER_DOLLAR = 5
BONUS_POINTS_PER_DOLLAR = 1
BONUS_FROM_TIER = 2
"""Position of the first tier whose members earn the bonus."""
EXPIRY_DAYS = 365
"""Inactivity after which a whole balance expires; the API does not tell it (smile.md §8.5)."""

_SINCE = "2024-03-04T09:12:33.481Z"
_IMAGES = "https://platform-images.smilecdn.co"


@dataclass(frozen=True, slots=True)
class CouponKind:
    """What a reward turns into: a coupon with a life of `days` (None = no end)."""

    name: str
    prefix: str
    days: int | None
    tracked: bool = True
    starts_pending: bool = False
    terms: str | None = None


def _product(
    number: int,
    name: str,
    price: int | None,
    variable: tuple[int, int, int, int | None] | None = None,
    description: str | None = None,
) -> dict[str, Any]:
    step, value, least, most = variable or (None, None, None, None)
    text = f"{price} Points" if price is not None else f"{step} Points = ${value} off"
    return {
        "id": 132456900 + number,
        "exchange_type": "fixed" if price is not None else "variable",
        "exchange_description": text,
        "points_price": price,
        "variable_points_step": step,
        "variable_points_step_reward_value": value,
        "variable_points_min": least,
        "variable_points_max": most,
        "reward": {
            "id": 924565400 + number,
            "name": name,
            "description": description,
            "image_url": f"{_IMAGES}/{3755900 + number}.png",
            "created_at": _SINCE,
            "updated_at": _SINCE,
        },
        "created_at": _SINCE,
        "updated_at": _SINCE,
    }


PRODUCTS: tuple[dict[str, Any], ...] = (
    _product(11, "$5 off coupon", 500),
    _product(17, "Free shipping", 750, description="Free standard shipping on one order."),
    _product(21, "Order discount", None, (100, 1, 300, 5000)),
    _product(24, "$10 off coupon", 1000),
    _product(31, "Free T-shirt", 1800, description="A T-shirt in your size."),
    _product(38, "$25 gift card", 2500),
)

COUPONS: Mapping[int, CouponKind] = {
    132456911: CouponKind("$5 off coupon", "5off", 90),
    132456917: CouponKind("Free shipping", "ship", 30),
    132456921: CouponKind("Order discount", "save", 180),
    132456924: CouponKind("$10 off coupon", "10off", None, terms="Minimum order of $30."),
    132456931: CouponKind("Free T-shirt", "tee", 180, starts_pending=True),
    132456938: CouponKind("$25 gift card", "gift", None, tracked=False),
}
BIRTHDAY_COUPON = CouponKind("Birthday gift: 10% off", "bday", 30, starts_pending=True)
ENTRY_COUPON = CouponKind("$5 off coupon", "vip", 90)
FRIEND_COUPON = CouponKind("$5 off coupon", "friend", 30)


def _tier(
    number: int, name: str, image: int, perks: tuple[str, ...], rewards: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "id": 426715700 + number,
        "name": name,
        "image_url": f"https://platform.smile.io/v1/images/vip_tiers/vip-tier-{image}.svg",
        "perks": [{"name": perk} for perk in perks],
        "entry_rewards": [PRODUCTS[position]["reward"] for position in rewards],
    }


TIERS: tuple[dict[str, Any], ...] = (
    _tier(90, "Bronze", 1, (), ()),
    _tier(94, "Silver", 2, ("Birthday gift",), ()),
    _tier(99, "Gold", 3, ("Early access to new releases", "1 extra point per $1"), (0,)),
    _tier(105, "Platinum", 4, ("Free express shipping", "1 extra point per $1"), (0, 1)),
)
MILESTONES: Mapping[str, tuple[float, ...]] = {
    "points": (250.0, 800.0, 2000.0, 5000.0),
    "amount": (25.0, 120.0, 360.0, 900.0),
}


def _rule(number: int, name: str, icon: str, **value: Any) -> dict[str, Any]:
    limit = value.pop("limit", None)
    tiers = value.pop("tiers", [])
    return {
        "id": 739246700 + number,
        "name": name,
        "image_url": f"https://platform.smile.io/images/earning/{icon}.svg",
        "action_text": value.pop("action_text", None),
        "action_url": value.pop("action_url", None),
        "restricted_to_vip_tier_ids": tiers,
        "reward": {"type": "points"},
        "reward_value": value,
        "earning_limit": limit,
    }


EARNING_RULES: tuple[dict[str, Any], ...] = (
    _rule(
        10,
        "Place an order",
        "order-online",
        type="variable",
        variable={"value": float(POINTS_PER_DOLLAR), "per_amount": 1.0},
    ),
    _rule(
        22,
        "Place an order",
        "order-online",
        type="variable",
        variable={"value": float(BONUS_POINTS_PER_DOLLAR), "per_amount": 1.0},
        tiers=[tier["id"] for tier in TIERS[BONUS_FROM_TIER:]],
    ),
    _rule(
        31,
        "Sign up",
        "signup",
        type="fixed",
        fixed={"value": float(SIGNUP_POINTS)},
        limit={"max": 1, "type": "lifetime"},
    ),
    _rule(
        44,
        "Celebrate a birthday",
        "birthday",
        type="fixed",
        fixed={"value": float(BIRTHDAY_POINTS)},
        limit={"max": 1, "type": "rolling", "rolling": {"unit": "day", "unit_count": 365}},
    ),
    _rule(
        57,
        "Refer a friend",
        "referral",
        type="fixed",
        fixed={"value": float(REFERRAL_POINTS)},
        action_text="Share your link",
        action_url="https://shop.loyalty-sandbox.dev/refer",
    ),
)

POINTS_SETTINGS: dict[str, Any] = {"points_label": {"one": "Point", "other": "Points"}}

LANGUAGES = ("en", "sv", "nb", "fr", "pt", "es")
TEXTS: Mapping[str, tuple[str, ...]] = {
    "signup": (
        "Signed up",
        "Skapade ett konto",
        "Opprettet en konto",
        "Inscription",
        "Criou uma conta",
        "Creó una cuenta",
    ),
    "order": (
        "Placed an order",
        "La en beställning",
        "La inn en bestilling",
        "Commande passée",
        "Fez um pedido",
        "Realizó un pedido",
    ),
    "redeem": (
        "Spent points on reward - {}",
        "Använde poäng på belöning - {}",
        "Brukte poeng på belønning - {}",
        "Points dépensés pour une récompense - {}",
        "Gastou pontos em recompensa - {}",
        "Gastó puntos en recompensa - {}",
    ),
    "adjust": (
        "Points correction",
        "Poängkorrigering",
        "Poengkorreksjon",
        "Correction de points",
        "Correção de pontos",
        "Corrección de puntos",
    ),
    "birthday": (
        "Celebrated a birthday",
        "Firade födelsedag",
        "Feiret bursdag",
        "Anniversaire fêté",
        "Celebrou o aniversário",
        "Celebró su cumpleaños",
    ),
    "referral": (
        "Referred a friend",
        "Värvade en vän",
        "Vervet en venn",
        "Parrainage d'un ami",
        "Indicou um amigo",
        "Recomendó a un amigo",
    ),
    "refund": (
        "Order refunded",
        "Beställning återbetald",
        "Bestilling refundert",
        "Commande remboursée",
        "Pedido reembolsado",
        "Pedido reembolsado",
    ),
    "return": (
        "Reward refunded - {}",
        "Belöning återbetald - {}",
        "Belønning refundert - {}",
        "Récompense remboursée - {}",
        "Recompensa reembolsada - {}",
        "Recompensa reembolsada - {}",
    ),
    "expire": (
        "Points expired",
        "Poäng gick ut",
        "Poeng utløpt",
        "Points expirés",
        "Pontos expirados",
        "Puntos caducados",
    ),
    "import": (
        "Imported points balance",
        "Importerat poängsaldo",
        "Importert poengsaldo",
        "Solde de points importé",
        "Saldo de pontos importado",
        "Saldo de puntos importado",
    ),
}
"""Customer-visible reasons per kind, in the order of LANGUAGES. Only the first three kinds follow
texts seen in public samples (smile.md §5.3); the wording of the others is ours."""
EARNING_KINDS = frozenset({"signup", "order", "birthday", "referral"})
ACTIVITY_KINDS = EARNING_KINDS | {"redeem"}
"""What restarts the expiry clock: earning and spending, not corrections (smile.md §8.5)."""
