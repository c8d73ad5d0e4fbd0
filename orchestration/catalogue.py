"""The reward catalogue as a file that people edit: read from the audited tables, checked, written.

One row is one reward as `dim_rewards` describes it, with the merchant's priority. A row that is
taken out ends the reward, a row with a new id adds one, a changed number changes its terms.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import duckdb
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from orchestration.dbt import PROJECT_FOLDER
from orchestration.programs import programs
from vendor_http import LoyaltyError

_SHOWN_PROBLEMS = 5


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Points = Annotated[Annotated[int, Field(ge=0, lt=2**53)] | None, BeforeValidator(_blank_is_none)]
Money = Annotated[Annotated[Decimal, Field(ge=0, lt=10**9)] | None, BeforeValidator(_blank_is_none)]
DiscountType = Literal[
    "fixed_amount", "percentage", "free_shipping", "free_product", "variable_amount", "custom",
    "donation", "unknown",
]  # fmt: skip


class Reward(BaseModel):
    """One line of the catalogue; points are whole, money is in currency units."""

    program: str
    reward_id: Annotated[str, Field(min_length=1)]
    reward_name: Annotated[str, Field(min_length=1)]
    exchange_type: Literal["fixed", "variable"]
    points_price: Points = None
    variable_min_points: Points = None
    variable_max_points: Points = None
    variable_step_points: Points = None
    variable_step_value: Money = None
    discount_type: DiscountType = "unknown"
    discount_value: Money = None
    priority: Points = None

    @model_validator(mode="after")
    def _has_its_price(self) -> Self:
        if self.program not in {program.name for program in programs()}:
            known = ", ".join(program.name for program in programs())
            raise ValueError(f"program must be one of {known}")
        if self.exchange_type == "fixed" and self.points_price is None:
            raise ValueError("a fixed reward needs points_price")
        if self.exchange_type == "variable" and self.variable_step_value is None:
            raise ValueError("a variable reward needs variable_step_value")
        least, most = self.variable_min_points, self.variable_max_points
        if least is not None and most is not None and least > most:
            raise ValueError("variable_min_points is above variable_max_points")
        return self


COLUMNS = tuple(Reward.model_fields)
_CURRENT = f"""
    select {", ".join(name for name in COLUMNS if name != "priority")}
    from audited.marts.dim_rewards
    where is_active and is_buyable
    order by program, points_price nulls last, reward_id
"""


def write_catalogue(rewards: Sequence[Reward], file: Path) -> None:
    """Write rewards as a CSV file that a spreadsheet opens.

    Raises:
        LoyaltyError: the file exists already (it may be somebody's edited one) or cannot be made.
    """
    try:
        target_file = file.open("x", newline="", encoding="utf-8")
    except FileExistsError:
        raise LoyaltyError(f"{file} exists already; name another file") from None
    except OSError as error:
        raise LoyaltyError(f"{file} cannot be written: {error.strerror}") from None
    with target_file as target:
        writer = csv.DictWriter(target, COLUMNS)
        writer.writeheader()
        for reward in rewards:
            values = reward.model_dump().items()
            writer.writerow({name: _plain(value) for name, value in values})


def _plain(value: Any) -> Any:
    """5, not 5.00000000: numbers as a person would have typed them."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def read_catalogue(file: Path) -> list[Reward]:
    """The edited catalogue.

    Raises:
        LoyaltyError: names each line that is wrong, and why; nothing is guessed.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as source:
            text = source.read()
    except OSError as error:
        raise LoyaltyError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LoyaltyError(f"{file} cannot be read; save it as CSV in UTF-8") from None
    header = text.partition("\n")[0]
    # Spreadsheets write semicolons where the comma is a decimal sign.
    delimiter = ";" if header.count(";") > header.count(",") else ","
    lines = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    if not lines:
        raise LoyaltyError(f"{file} holds no reward; leave at least one line below the header")
    rewards: list[Reward] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=2):
        unknown = sorted(str(name) for name in line if name not in COLUMNS)
        if unknown:
            raise LoyaltyError(f"{file}: unknown column {', '.join(unknown)}; use {COLUMNS}")
        try:
            rewards.append(
                Reward.model_validate({name: value or "" for name, value in line.items()})
            )
        except ValidationError as error:
            for each in error.errors():
                where = ".".join(str(part) for part in each["loc"])
                problems.append(f"line {number}{f', {where}' if where else ''}: {each['msg']}")
    counted = Counter((reward.program, reward.reward_id) for reward in rewards)
    problems += [
        f"{program} {reward_id} stands in {count} lines"
        for (program, reward_id), count in counted.items()
        if count > 1
    ]
    if problems:
        shown = "; ".join(problems[:_SHOWN_PROBLEMS])
        hidden = len(problems) - _SHOWN_PROBLEMS
        raise LoyaltyError(f"{file}: {shown}{f'; and {hidden} more' if hidden > 0 else ''}")
    return rewards


def current_catalogue(connection: duckdb.DuckDBPyConnection) -> list[Reward]:
    """The rewards that points can buy now, from the attached `audited` tables."""
    with (PROJECT_FOLDER / "seeds" / "reward_priority.csv").open(newline="") as seed:
        priorities = {
            (row["program"], row["reward_id"]): row["priority"] for row in csv.DictReader(seed)
        }
    rewards = []
    for row in connection.execute(_CURRENT).fetchall():
        values = dict(zip(COLUMNS, row, strict=False))
        priority = priorities.get((values["program"], values["reward_id"]))
        rewards.append(Reward.model_validate({**values, "priority": priority}))
    return rewards
