"""What sqlfluff sees in place of dbt's own cross-database macros; see adapter.py."""

from __future__ import annotations


def type_string() -> str:
    """Name of the text type."""
    return "varchar"


def hash(field: str) -> str:  # noqa: A001 - the name is dbt's
    """Hash of an expression."""
    return f"md5({field})"


def dateadd(datepart: str, interval: object, from_date: str) -> str:
    """Moment some time after another."""
    return f"date_add({from_date}, to_{datepart}s({interval}))"


def datediff(first: str, second: str, datepart: str) -> str:
    """Whole units between two moments."""
    return f"date_diff('{datepart}', {first}, {second})"


def date_trunc(datepart: str, date: str) -> str:
    """Start of the unit in which a moment lies."""
    return f"date_trunc('{datepart}', {date})"


def last_day(date: str, _datepart: str) -> str:
    """Last day of the unit in which a date lies."""
    return f"last_day({date})"
