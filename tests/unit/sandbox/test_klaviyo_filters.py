"""Filter expressions: what is read, and that nothing else gets through."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sandbox.klaviyo.filters import Condition, FilterError, parse_filter

ALLOWED = {"email": ["any", "equals"], "updated": ["greater-than"], "profile": ["has"]}
PIECES = ["any", "equals", "and", "(", ")", "[", "]", ",", '"a"', "email", "updated", " ", '"']


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_list_of_texts_survives_quoting(texts: list[str]) -> None:
    expression = f"any(email,[{','.join(map(quoted, texts))}])"
    assert parse_filter(expression, ALLOWED, 100) == [Condition("any", "email", tuple(texts))]


@given(st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
def test_an_expression_is_read_or_refused_in_words(text: str) -> None:
    conditions: list[Condition] = []
    with suppress(FilterError):
        conditions = parse_filter(text, ALLOWED, 100)
    assert all(condition.values for condition in conditions)


def test_conditions_are_joined_by_comma_or_and() -> None:
    one = 'equals(email,"a@b.co")'
    two = "greater-than(updated,2026-01-01T00:00:00Z)"
    for text in (f"{one},{two}", f"and({one},{two})", f"and({one}, {two})"):
        assert [part.operator for part in parse_filter(text, ALLOWED, 100)] == [
            "equals",
            "greater-than",
        ]
    assert parse_filter("has(profile)", ALLOWED, 100) == [Condition("has", "profile", ())]
