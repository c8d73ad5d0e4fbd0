"""How values are spelled on the wire."""

import duckdb
import pytest

from reverse_etl import values


def spelled(function: object, expression: str, sql_type: str) -> str | None:
    sql = function("v", sql_type)  # type: ignore[operator]
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        row = db.execute(f"select {sql} from (select cast({expression} as {sql_type}) as v)")
        found: str | None = (row.fetchone() or (None,))[0]
        return found


@pytest.mark.parametrize(
    ("expression", "sql_type", "expected"),
    [
        ("0", "BIGINT", "0"),
        ("-40", "INTEGER", "-40"),
        ("12.50", "DECIMAL(12,2)", "12.5"),
        ("100.00", "DECIMAL(12,2)", "100"),
        ("0", "DECIMAL(12,2)", "0"),
        ("0.1 + 0.2", "DOUBLE", "0.3"),
        ("1e-3", "DOUBLE", "0.001"),
        ("1e7", "DOUBLE", "10000000"),
        ("-0.0", "DOUBLE", "0"),
        ("null", "BIGINT", None),
        ("'nan'", "DOUBLE", None),
    ],
)
def test_numbers_are_plain_whatever_their_sql_type(
    expression: str, sql_type: str, expected: str | None
) -> None:
    assert spelled(values.number, expression, sql_type) == expected


@pytest.mark.parametrize(
    ("expression", "sql_type", "expected"),
    [
        ("149.00", "DECIMAL(12,2)", '"149"'),
        ("true", "BOOLEAN", '"true"'),
        ("false", "BOOLEAN", '"false"'),
        ("''", "VARCHAR", '""'),
        ("'say \"hi\"'", "VARCHAR", '"say \\"hi\\""'),
        ("null", "BOOLEAN", None),
    ],
)
def test_rule_gets_everything_as_text(expression: str, sql_type: str, expected: str | None) -> None:
    assert spelled(values.text, expression, sql_type) == expected


def test_times_are_utc_in_each_vendors_form() -> None:
    moment = "'2026-11-21 07:00:00+01:00'"
    iso = '"2026-11-21T06:00:00+00:00"'
    assert spelled(values.iso_datetime, moment, "TIMESTAMP WITH TIME ZONE") == iso
    plain = spelled(values.plain_datetime, "'2026-11-21 06:00:00'", "TIMESTAMP")
    assert plain == '"2026-11-21 06:00:00"'
    assert spelled(values.date, "'1990-02-28'", "DATE") == '"1990-02-28"'
    assert spelled(values.iso_datetime, "'2026-11-21'", "DATE") == '"2026-11-21T00:00:00+00:00"'


def test_an_empty_list_is_a_value_and_nulls_inside_are_not() -> None:
    assert spelled(values.text_list, "[]", "VARCHAR[]") == "[]"
    assert spelled(values.text_list, "['a', null, '']", "VARCHAR[]") == '["a",""]'
    assert spelled(values.text_list, "null", "VARCHAR[]") is None
