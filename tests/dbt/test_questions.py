"""Every mart comes with three business questions, and the SQL beside them answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dbt.warehouse import Warehouse

ROOT = Path(__file__).parents[2]
QUESTIONS: list[dict[str, Any]] = [
    question
    for file in sorted((ROOT / "dbt_project" / "models" / "marts").rglob("questions.yml"))
    for question in yaml.safe_load(file.read_text())
]


@pytest.mark.parametrize(
    "question", QUESTIONS, ids=[f"{each['model']}: {each['question']}" for each in QUESTIONS]
)
def test_a_business_question_is_answered(shop: Warehouse, question: dict[str, Any]) -> None:
    assert f"marts.{question['model']}" in question["sql"], "it does not ask its own table"
    shop.rows(question["sql"])


def test_every_mart_has_at_least_three_questions(shop: Warehouse) -> None:
    marts = {
        row["table_name"]
        for row in shop.rows(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        )
    }
    asked = [question["model"] for question in QUESTIONS]
    assert {name: asked.count(name) for name in marts if asked.count(name) < 3} == {}
    assert set(asked) <= marts


def test_most_questions_find_something_in_a_small_shop(shop: Warehouse) -> None:
    answered = sum(bool(shop.rows(question["sql"])) for question in QUESTIONS)
    assert answered >= len(QUESTIONS) * 0.6
