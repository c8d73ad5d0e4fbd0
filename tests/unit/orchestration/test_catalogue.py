"""The reward catalogue as a file: round trip, and every mistake named with its line."""

from decimal import Decimal
from pathlib import Path

import pytest

from orchestration.catalogue import COLUMNS, Reward, read_catalogue, write_catalogue
from vendor_http import LoyaltyError

FIXED = Reward(
    program="smile", reward_id="1", reward_name="$5 off, once", exchange_type="fixed",
    points_price=500, discount_type="fixed_amount", discount_value=Decimal("5.00"), priority=1,
)  # fmt: skip
VARIABLE = Reward(
    program="yotpo", reward_id="2", reward_name="Money off", exchange_type="variable",
    variable_min_points=100, variable_step_points=1, variable_step_value=Decimal("0.03"),
    discount_type="variable_amount",
)  # fmt: skip


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    write_catalogue([FIXED, VARIABLE], file)
    assert read_catalogue(file) == [FIXED, VARIABLE]
    assert ",5,1" in file.read_text(), "numbers are written as people type them"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("smile,9,Mug,fixed,", "line 2: Value error, a fixed reward needs points_price"),
        ("smile,9,Mug,fixed,-5", "line 2, points_price: Input should be greater than or equal"),
        ("smile,9,Mug,fixed,cheap", "line 2, points_price: Input should be a valid integer"),
        ("smile,9,Mug,gift,5", "line 2, exchange_type: Input should be 'fixed' or 'variable'"),
        ("smile,,Mug,fixed,5", "line 2, reward_id"),
        ("lion,9,Mug,fixed,5", "program must be one of smile, yotpo"),
        ("", "holds no reward"),
        ("smile,9,Mug,variable,", "a variable reward needs variable_step_value"),
        ("smile,9,Mug,fixed,5\nsmile,9,Cup,fixed,6", "smile 9 stands in 2 lines"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "rewards.csv"
    file.write_text(f"program,reward_id,reward_name,exchange_type,points_price\n{line}\n")
    with pytest.raises(LoyaltyError) as failure:
        read_catalogue(file)
    assert problem in str(failure.value)


def test_an_unknown_column_is_named_with_those_that_exist(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    file.write_text("program,price\nsmile,5\n")
    with pytest.raises(LoyaltyError, match="unknown column price") as failure:
        read_catalogue(file)
    assert all(name in str(failure.value) for name in COLUMNS)


def test_semicolons_of_a_european_spreadsheet_are_read(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    file.write_text(
        "program;reward_id;reward_name;exchange_type;points_price\nsmile;9;Mug;fixed;5\n"
    )
    assert read_catalogue(file)[0].points_price == 5


def test_a_range_that_nobody_can_buy_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    file.write_text(
        "program,reward_id,reward_name,exchange_type,variable_min_points,variable_max_points,"
        "variable_step_value\nsmile,9,Off,variable,5000,300,1\n"
    )
    with pytest.raises(LoyaltyError, match="variable_min_points is above"):
        read_catalogue(file)


def test_an_edited_catalogue_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    write_catalogue([FIXED], file)
    with pytest.raises(LoyaltyError, match="exists already"):
        write_catalogue([FIXED, VARIABLE], file)
    with pytest.raises(LoyaltyError, match="cannot be written"):
        write_catalogue([FIXED], tmp_path / "nowhere" / "rewards.csv")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoyaltyError, match="cannot be read"):
        read_catalogue(tmp_path / "none.csv")
