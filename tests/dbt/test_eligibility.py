"""The SQL of the reward rules against an independent calculation of 3,000 balances."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import duckdb
import pytest

from tests.dbt.oracle import Reward, decide
from tests.dbt.warehouse import Warehouse

SEED = 20261121
MEMBERS = 1_500
RANDOM = random.Random(SEED)  # noqa: S311 - a repeatable population, not a secret


def _smile_catalogue() -> list[Reward]:
    catalogue = [
        Reward("100", variable=False, price=0),
        Reward("99", variable=False, price=500, priority=3),
        Reward("101", variable=False, price=None),
        Reward("102", variable=False, price=50, priority=1, is_active=False),
        Reward("7", variable=True, minimum=500, maximum=500, step=100, step_value=Decimal(1)),
        Reward("8", variable=True, minimum=150, maximum=199, step=100, step_value=Decimal(1)),
    ]
    for identifier in range(1000, 1012):
        catalogue.append(
            Reward(
                str(identifier),
                variable=False,
                price=RANDOM.choice([1, 3, 7, 100, 100, 333, 500, 500, 777, 1000]),
                priority=RANDOM.choice([None, None, None, 1, 2]),
            )
        )
    for identifier in range(1012, 1024):
        catalogue.append(
            Reward(
                str(identifier),
                variable=True,
                minimum=RANDOM.choice([None, 0, 1, 50, 99, 100, 101, 250]),
                maximum=RANDOM.choice([None, None, 99, 100, 150, 500, 1000]),
                step=RANDOM.choice([None, 0, 1, 7, 25, 100]),
                step_value=RANDOM.choice([None, Decimal(1), Decimal(5)]),
            )
        )
    return catalogue


def _yotpo_catalogue() -> list[Reward]:
    catalogue = []
    for identifier in range(1, 11):
        amount = RANDOM.choice([None, 0, 1, 100, 250, 999])
        catalogue.append(
            Reward(str(identifier), variable=False, price=amount, never_sold=not amount)
        )
    for identifier in range(11, 17):
        amount = RANDOM.choice([None, 0, 1, 150])
        cents = RANDOM.choice([None, Decimal(0), Decimal("0.5"), Decimal(1), Decimal("1.25")])
        catalogue.append(
            Reward(
                str(identifier),
                variable=True,
                minimum=max(amount or 0, 1),
                step=1,
                step_value=None if cents is None else cents / 100,
                never_sold=not cents,
            )
        )
    return catalogue


CATALOGUES = {"smile": _smile_catalogue(), "yotpo": _yotpo_catalogue()}
BALANCES = {
    program: {
        f"{program}{number}": RANDOM.choice(
            [
                RANDOM.randint(-50, 1100),
                RANDOM.randint(0, 60),
                RANDOM.choice([0, 1, 99, 100, 499, 500, 501, 10**9]),
            ]
        )
        for number in range(MEMBERS)
    }
    for program in CATALOGUES
}


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("population"))
    warehouse.listed_in_full("raw_smile", "customers", "points_products", extract_id=1)
    warehouse.insert(
        "raw_smile",
        "points_products",
        *(
            {
                "id": reward.reward_id,
                "extract_id": 1 if reward.is_active else 0,
                "exchange_type": "variable" if reward.variable else "fixed",
                "points_price": reward.price,
                "variable_points_min": reward.minimum,
                "variable_points_max": reward.maximum,
                "variable_points_step": reward.step,
                "variable_points_step_reward_value": None
                if reward.step_value is None
                else int(reward.step_value),
                "reward__name": f"Reward {reward.reward_id}",
            }
            for reward in CATALOGUES["smile"]
        ),
    )
    warehouse.insert(
        "raw_yotpo",
        "redemption_options",
        *(
            {
                "id": reward.reward_id,
                "name": f"Reward {reward.reward_id}",
                "discount_type": "variable" if reward.variable else "shipping",
                "amount": reward.minimum if reward.variable else reward.price,
                "discount_rate_cents": None
                if reward.step_value is None
                else float(reward.step_value * 100),
            }
            for reward in CATALOGUES["yotpo"]
        ),
    )
    with duckdb.connect(str(warehouse.path)) as connection:
        for program, key, extra in (
            ("smile", "id", "'member' as state"),
            ("yotpo", "email_key", "true as opt_in"),
        ):
            ids, balances = list(BALANCES[program]), list(BALANCES[program].values())
            connection.execute(
                f"insert into raw_{program}.customers by name "
                f"select '{program}' as program, 1 as extract_id, {extra}, "
                f"unnest(?::varchar[]) as {key}, unnest(?::bigint[]) as points_balance",
                [ids, balances],
            )
    warehouse.dbt("seed")
    for reward in CATALOGUES["smile"]:
        if reward.priority is not None:
            warehouse.execute(
                "insert into seeds.reward_priority values ('smile', ?, ?)",
                reward.reward_id,
                reward.priority,
            )
    warehouse.build("--exclude-resource-types", "seed")
    return warehouse


@pytest.mark.parametrize("program", ["smile", "yotpo"])
def test_eligibility_is_what_an_independent_calculation_says(
    population: Warehouse, program: str
) -> None:
    actual = {
        (row["member_id"], row["reward_id"]): (
            row["is_eligible"],
            row["points_needed"],
            row["progress_ratio"],
            row["affordable_points"],
            row["affordable_value"],
        )
        for row in population.rows(
            "select * from marts.fct_reward_eligibility where program = ?", program
        )
    }
    expected = {
        (member, one.reward.reward_id): (
            one.is_eligible,
            one.points_needed,
            one.ratio,
            one.affordable_points,
            one.affordable_value,
        )
        for member, balance in BALANCES[program].items()
        for one in decide(balance, CATALOGUES[program])[0]
    }
    assert actual.keys() == expected.keys()
    wrong = {key: (value, expected[key]) for key, value in actual.items() if value != expected[key]}
    assert wrong == {}


@pytest.mark.parametrize("program", ["smile", "yotpo"])
def test_best_and_next_reward_are_what_an_independent_calculation_says(
    population: Warehouse, program: str
) -> None:
    wrong = []
    rows = population.rows("select * from marts.fct_member_rewards where program = ?", program)
    assert len(rows) == MEMBERS
    for row in rows:
        _, best, upcoming = decide(BALANCES[program][row["member_id"]], CATALOGUES[program])
        nearest = upcoming[0] if upcoming else None
        expected = {
            "eligible_reward_count": len(best),
            "best_reward_id": best[0].reward.reward_id if best else None,
            "best_reward_points": best[0].affordable_points if best else None,
            "available_reward_names": [f"Reward {one.reward.reward_id}" for one in best],
            "next_reward_id": nearest.reward.reward_id if nearest else None,
            "next_reward_points": nearest.reward.cost if nearest else None,
            "points_to_next_reward": nearest.points_needed if nearest else None,
            "next_reward_progress": nearest.ratio if nearest else None,
            "headline_points_needed": 0 if best else (nearest.points_needed if nearest else None),
        }
        if {name: row[name] for name in expected} != expected:
            wrong.append((row, expected))
    assert wrong[:3] == []


@pytest.mark.parametrize("program", ["smile", "yotpo"])
def test_hub_cards_list_the_available_rewards_best_first_with_points_and_value(
    population: Warehouse, program: str
) -> None:
    wrong = []
    rows = population.rows("select * from marts.hub_cards where program = ?", program)
    assert len(rows) == MEMBERS
    for row in rows:
        _, best, _ = decide(BALANCES[program][row["member_id"]], CATALOGUES[program])
        expected = [
            {
                "reward_id": one.reward.reward_id,
                "name": f"Reward {one.reward.reward_id}",
                "exchange_type": "variable" if one.reward.variable else "fixed",
                "points": one.affordable_points,
                "value": None if one.affordable_value is None else float(one.affordable_value),
            }
            for one in best
        ]
        if json.loads(row["available_rewards"]) != expected:
            wrong.append((row["member_id"], row["available_rewards"], expected))
    assert wrong[:3] == []
