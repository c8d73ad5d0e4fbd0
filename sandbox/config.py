"""How a sandbox is set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

SHOP_CUSTOMERS = 23_570
"""Customers in the purchase history; see shop/data/README.md."""


@dataclass(frozen=True)
class SandboxConfig:
    """Settings of one sandbox.

    customers: how many of the shop's customers take part (a sample that depends on the seed only).
    today: the day on which the history ends; None = the newest day whose 06:00 UTC has passed.
    state_dir: where Klaviyo's and Rule's state and the clock are kept between starts; None = not.
    limits_scale: multiplies every vendor's request limits.
    port: 0 = any free one.
    """

    customers: int = SHOP_CUSTOMERS
    seed: int = 7
    today: date | None = None
    state_dir: Path | None = None
    limits_scale: float = 1.0
    host: str = "127.0.0.1"
    port: int = 0
