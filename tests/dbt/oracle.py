"""The eligibility rules once more, in plain Python and whole numbers.

Written from the design and not from the SQL. Owns rules 2 to 5 for one
member at a time: `decide` takes a balance and a catalogue and says what the marts must hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Reward:
    """One reward as the merchant set it up; points are whole, values are money."""

    reward_id: str
    variable: bool
    price: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    step: int | None = None
    step_value: Decimal | None = None
    money: Decimal | None = None
    priority: int | None = None
    is_active: bool = True
    never_sold: bool = False

    @property
    def unit(self) -> int:
        return self.step or 1

    @property
    def cost(self) -> int | None:
        """Price of a fixed reward; of a variable one the smallest spend that is allowed."""
        if not self.variable:
            return self.price
        spend = self.unit
        while spend < (self.minimum or 0):
            spend += self.unit
        return spend

    @property
    def is_buyable(self) -> bool:
        if self.cost is None or self.never_sold:
            return False
        return not self.variable or self.maximum is None or self.maximum >= self.cost


@dataclass(frozen=True)
class Standing:
    """What one member can do about one reward."""

    reward: Reward
    is_eligible: bool
    points_needed: int
    ratio: Decimal
    affordable_points: int
    affordable_value: Decimal | None


def standing(balance: int, reward: Reward) -> Standing:
    """Rule 2 for one reward that can be bought."""
    points = max(balance, 0)
    cost = reward.cost
    assert cost is not None
    spend = 0
    if not reward.variable and points >= cost:
        spend = cost
    if reward.variable:
        within = points if reward.maximum is None else min(points, reward.maximum)
        spend = within - within % reward.unit
        spend = spend if spend >= cost else 0
    eligible = spend > 0 if reward.variable else points >= cost
    ratio = Decimal(1) if cost == 0 else Decimal(min(points * 10000 // cost, 10000)) / 10000
    value: Decimal | None = Decimal(0)
    if eligible:
        value = reward.money
        if reward.variable:
            value = None if reward.step_value is None else spend // reward.unit * reward.step_value
    return Standing(reward, eligible, max(cost - points, 0), ratio, spend, value)


def decide(
    balance: int, catalogue: list[Reward]
) -> tuple[list[Standing], list[Standing], list[Standing]]:
    """All standings, the eligible ones best first, the others nearest first."""
    all_of_them = [
        standing(balance, reward) for reward in catalogue if reward.is_active and reward.is_buyable
    ]
    best = sorted(
        (one for one in all_of_them if one.is_eligible),
        key=lambda one: (
            one.reward.priority if one.reward.priority is not None else 10**9,
            -one.affordable_points,
            one.reward.variable,
            int(one.reward.reward_id),
        ),
    )
    upcoming = sorted(
        (one for one in all_of_them if not one.is_eligible),
        key=lambda one: (
            one.points_needed,
            -(one.reward.cost or 0),
            one.reward.variable,
            int(one.reward.reward_id),
        ),
    )
    return all_of_them, best, upcoming
