"""The past as the marts keep it: six days of a shop whose tiers, members and rewards change."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.dbt.history_oracle import UNNAMED, Change, Reading, changes_of
from tests.dbt.warehouse import Warehouse

# six builds in one fixture, on a machine that may be busy
pytestmark = pytest.mark.timeout(900)

RANDOM = random.Random(20261122)  # noqa: S311 - a repeatable population, not a secret
DAYS = 6
MEMBERS = 60
HISTORY = ("--select", "+marts.history", "--indirect-selection", "cautious")
WITHOUT_TESTS = ("--exclude-resource-types", "test")
FIRST_DAY = datetime.fromisoformat("2026-11-21 00:00:00")

# per day: tier -> threshold. Silver ends on day 2, Platinum comes on day 3, and on day 4 Bronze and
# Gold change places; Old and New are never there together.
SMILE_TIERS = [
    {"bronze": 0, "silver": 100, "gold": 200, "old": 50},
    {"bronze": 0, "silver": 100, "gold": 200, "old": 50},
    {"bronze": 0, "gold": 200, "new": 60},
    {"bronze": 0, "gold": 200, "new": 60, "platinum": 300},
    {"bronze": 250, "gold": 200, "new": 60, "platinum": 300},
    {"bronze": 250, "gold": 200, "new": 60, "platinum": 300},
]
# Yotpo's tiers keep their ids and thresholds; the second one gets another name on day 3
YOTPO_TIERS = [{"1": 0, "2": 100, "3": 200}] * DAYS
YOTPO_NAMES = [
    {"1": "Base", "2": "Silver" if day < 3 else "Sterling", "3": "Top"} for day in range(DAYS)
]


def _at(day: int, hour: int) -> datetime:
    return FIRST_DAY + timedelta(days=day, hours=hour)


def _zoned(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat(sep=' ')}+00"


def _smile_life(number: int) -> list[dict[str, Any] | None]:
    """Per day the customer that Smile lists, or None once it lists nobody of that id any more."""
    life: list[dict[str, Any] | None] = []
    vanishes = RANDOM.choice([None, None, None, 2, 4])
    row: dict[str, Any] = {"state": "member", "points_balance": 0, "tier": None}
    for day in range(DAYS):
        if RANDOM.random() < 0.5:
            row = {
                "state": RANDOM.choice(["member"] * 6 + ["candidate", "disabled", "new_word"]),
                "points_balance": RANDOM.choice([-5, 0, 1, number]),
                "tier": RANDOM.choice([None, *sorted({t for tiers in SMILE_TIERS for t in tiers})]),
            }
        life.append(None if vanishes is not None and day >= vanishes else row)
    return life


def _yotpo_life(number: int) -> list[dict[str, Any]]:
    """Per day the customer that Yotpo lists; an entry date may be old, missing or to come."""
    life: list[dict[str, Any]] = []
    row: dict[str, Any] = {"opt_in": True, "points_balance": 0, "tier": None, "entered_at": None}
    for day in range(DAYS):
        if RANDOM.random() < 0.5:
            days_ago = RANDOM.choice([0, 0.25, 0.5, 1, 1.5, 400, -1])
            row = {
                "opt_in": RANDOM.random() < 0.85,
                "points_balance": RANDOM.choice([0, 1, number]),
                "tier": RANDOM.choice([None, "Base", "Silver", "Sterling", "Top"]),
                "entered_at": RANDOM.choice([None, _at(day, 5) - timedelta(days=days_ago)]),
            }
        life.append(row)
    return life


SMILE = {str(number): _smile_life(number) for number in range(MEMBERS)}
YOTPO = {f"y{number}@shop.test": _yotpo_life(number) for number in range(MEMBERS)}


def _fill(warehouse: Warehouse, day: int) -> None:
    """Put in the raw tables what the extraction of that day, number `day + 1`, brings."""
    shared = {"extract_id": day + 1, "seen_at": _zoned(_at(day, 5))}
    resources = {
        "raw_smile": ["customers", "vip_tiers", "points_products"],
        "raw_yotpo": ["customers", "vip_tiers"],
    }
    for schema, names in resources.items():
        warehouse.listed_in_full(schema, *names, extract_id=day + 1)
    listed = {key: row for key, life in SMILE.items() if (row := life[day]) is not None}
    warehouse.execute(
        "delete from raw_smile.customers where id in (select unnest(?))", list(listed)
    )
    warehouse.insert(
        "raw_smile",
        "customers",
        *(
            shared
            | {
                "id": key,
                "state": row["state"],
                "points_balance": row["points_balance"],
                "has_vip_status": True,
                "vip_status__vip_tier_id": row["tier"],
            }
            for key, row in listed.items()
        ),
    )
    warehouse.execute("delete from raw_yotpo.customers")
    warehouse.insert(
        "raw_yotpo",
        "customers",
        *(
            shared
            | {
                "email_key": key,
                "email": key,
                "opt_in": life[day]["opt_in"],
                "points_balance": life[day]["points_balance"],
                "vip_tier_name": life[day]["tier"],
                "vip_tier_entry_date": _zoned(life[day]["entered_at"]),
            }
            for key, life in YOTPO.items()
        ),
    )
    tiers = SMILE_TIERS[day]
    warehouse.execute("delete from raw_smile.vip_tiers where id in (select unnest(?))", list(tiers))
    warehouse.insert(
        "raw_smile",
        "vip_tiers",
        *(
            shared | {"id": tier, "name": tier.title(), "milestone": float(threshold)}
            for tier, threshold in tiers.items()
        ),
    )
    warehouse.execute("delete from raw_yotpo.vip_tiers")
    warehouse.insert(
        "raw_yotpo",
        "vip_tiers",
        *(
            shared
            | {
                "id": tier,
                "name": YOTPO_NAMES[day][tier],
                "entry_threshold": json.dumps({"points_earned": threshold}),
                "list_position": int(tier),
            }
            for tier, threshold in YOTPO_TIERS[day].items()
        ),
    )
    if day < 4:  # then the reward ends; its price rises on day 2
        warehouse.execute("delete from raw_smile.points_products")
        warehouse.insert(
            "raw_smile",
            "points_products",
            shared
            | {
                "id": "9",
                "exchange_type": "fixed",
                "points_price": 500 if day < 2 else 600,
                "reward__name": "$5 off",
            },
        )


def _build(warehouse: Warehouse, moment: datetime, *, with_tests: bool = False) -> None:
    """Build the history by that clock."""
    warehouse.build(*HISTORY, *([] if with_tests else WITHOUT_TESTS), now=str(moment))


@pytest.fixture(scope="module")
def six_days(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One extraction and one build a day, the last one with its data tests."""
    warehouse = Warehouse(tmp_path_factory.mktemp("six_days"))
    for day in range(DAYS):
        _fill(warehouse, day)
        _build(warehouse, _at(day, 6), with_tests=day == DAYS - 1)
    return warehouse


def _smile_readings(life: list[dict[str, Any] | None]) -> list[Reading]:
    readings: list[Reading] = []
    for day, row in enumerate(life):
        if row is not None:
            others = (row["state"], row["points_balance"])
            readings.append(
                Reading(day, _at(day, 5), row["state"] == "member", row["tier"], None, others)
            )
        elif readings and life[day - 1] is not None:  # the list itself says it, an hour earlier
            readings.append(Reading(day, _at(day, 4), False, None, None, ("gone",)))
    return readings


def _yotpo_readings(life: list[dict[str, Any]]) -> list[Reading]:
    readings = []
    for day, row in enumerate(life):
        ids = {name: tier for tier, name in YOTPO_NAMES[day].items()}
        tier = None if row["tier"] is None else ids.get(row["tier"], UNNAMED)
        others = (row["opt_in"], row["points_balance"])
        readings.append(Reading(day, _at(day, 5), row["opt_in"], tier, row["entered_at"], others))
    return readings


def _actual(warehouse: Warehouse, program: str) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for row in warehouse.rows(
        "select * from marts.fct_tier_changes where program = ? order by changed_at", program
    ):
        found.setdefault(row["member_id"], []).append(
            Change(row["changed_at"], row["from_tier_id"], row["to_tier_id"], row["direction"])
        )
    return found


def test_smile_tier_changes_are_what_an_independent_calculation_says(six_days: Warehouse) -> None:
    expected = {
        key: changes
        for key, life in SMILE.items()
        if (changes := changes_of(_smile_readings(life), SMILE_TIERS))
    }
    assert _actual(six_days, "smile") == expected
    seen = {change.direction for changes in expected.values() for change in changes}
    assert seen >= {"enter", "leave", "up", "down"}


def test_yotpo_tier_changes_are_what_an_independent_calculation_says(six_days: Warehouse) -> None:
    expected = {
        key: changes
        for key, life in YOTPO.items()
        if (changes := changes_of(_yotpo_readings(life), YOTPO_TIERS))
    }
    assert _actual(six_days, "yotpo") == expected
    told = [c for changes in expected.values() for c in changes if c.changed_at.hour != 5]
    assert told, "no entry date of the vendor was ever used"


@pytest.mark.parametrize("day", range(DAYS))
def test_what_was_true_on_a_day_is_one_query(six_days: Warehouse, day: int) -> None:
    actual = {
        (row["program"], row["member_id"]): (row["points_balance"], row["is_deleted"])
        for row in six_days.rows(
            "select * from marts.fct_member_states where valid_from_at < ? "
            "and coalesce(valid_to_at, timestamp '9999-12-31') >= ?",
            _at(day + 1, 0),
            _at(day + 1, 0),
        )
    }
    expected: dict[tuple[str, str], tuple[int, bool]] = {
        ("yotpo", key): (life[day]["points_balance"], False) for key, life in YOTPO.items()
    }
    for key, life in SMILE.items():
        last = [row for row in life[: day + 1] if row is not None][-1]
        expected["smile", key] = (last["points_balance"], life[day] is None)
    assert actual == expected


def test_a_reward_that_ended_stays_known_with_its_prices(six_days: Warehouse) -> None:
    assert [
        tuple(row.values())
        for row in six_days.rows(
            "select valid_from_at, valid_to_at, points_price, is_active "
            "from marts.fct_reward_terms order by valid_from_at"
        )
    ] == [
        (_at(0, 5), _at(2, 5), 500, True),
        (_at(2, 5), _at(4, 4), 600, True),
        (_at(4, 4), None, 600, False),
    ]


def test_a_renamed_tier_is_the_same_tier_with_new_terms(six_days: Warehouse) -> None:
    assert [
        tuple(row.values())
        for row in six_days.rows(
            "select tier_name, valid_from_at, valid_to_at, tier_rank from marts.fct_tier_terms "
            "where program = 'yotpo' and tier_id = '2' order by valid_from_at"
        )
    ] == [("Silver", _at(0, 5), _at(3, 5), 2), ("Sterling", _at(3, 5), None, 2)]


def test_another_build_on_another_day_changes_nothing_of_the_past(six_days: Warehouse) -> None:
    tables = ("fct_member_states", "fct_tier_changes", "fct_tier_terms", "fct_reward_terms")
    before = [six_days.rows(f"select * from marts.{table} order by all") for table in tables]
    _build(six_days, _at(DAYS + 30, 6))
    after = [six_days.rows(f"select * from marts.{table} order by all") for table in tables]
    assert after == before
