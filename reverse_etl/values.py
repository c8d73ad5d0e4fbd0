"""How a column becomes a JSON value, as SQL text.

Each function takes a quoted column and its DuckDB type and returns an expression that yields JSON
text, or NULL where there is no value. 0, false, '' and [] are values. Canonical: equal values give
equal text, whatever the SQL type (12.50 as decimal and 12.5 as double are both `12.5`).
"""

_FLOATS = ("DOUBLE", "FLOAT", "REAL")


def is_float(sql_type: str) -> bool:
    """True for types that can hold NaN and infinity, which JSON cannot."""
    return sql_type.upper() in _FLOATS


def quoted(expression: str) -> str:
    """JSON string of a text expression."""
    return f"cast(to_json(cast({expression} as varchar)) as varchar)"


def number(column: str, sql_type: str) -> str:
    """JSON number. Non-finite numbers yield NULL: JSON has none (see `is_float`)."""
    kind = sql_type.upper()
    digits = plain_number(column, kind)
    if kind in ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"):
        return digits
    # Through the JSON parser once: what the ledger gives back later is spelled the same way.
    if is_float(kind):
        digits = f"case when isfinite({column}) then {digits} end"
    return f"cast(json_extract({digits}, '$') as varchar)"


def plain_number(column: str, sql_type: str) -> str:
    """Plain digits: no exponent, no trailing zeros behind the point."""
    kind = sql_type.upper()
    if kind == "BOOLEAN":
        return f"cast(cast({column} as integer) as varchar)"
    if "INT" in kind:
        return f"cast({column} as varchar)"
    text = f"cast({column} as varchar)"
    if is_float(kind):
        # Ten decimals: more than money or ratios have, fewer than binary noise begins with.
        text = f"coalesce(cast(try_cast({column} as decimal(38, 10)) as varchar), {text})"
    trimmed = f"rtrim(rtrim({text}, '0'), '.')"
    plain = f"case when contains({text}, '.') then {trimmed} else {text} end"
    return f"case when {plain} = '-0' then '0' else {plain} end"


def text(column: str, sql_type: str) -> str:
    """Whatever it is as a JSON string: numbers plain, booleans true / false."""
    kind = sql_type.upper()
    if kind == "BOOLEAN":
        return f"case when {column} then '\"true\"' when not {column} then '\"false\"' end"
    if "INT" in kind or is_float(kind) or kind.startswith("DECIMAL"):
        return f"'\"' || {plain_number(column, sql_type)} || '\"'"
    return quoted(column)


def quoted_text(column: str, _sql_type: str) -> str:
    """A JSON string."""
    return quoted(column)


def boolean(column: str, _sql_type: str) -> str:
    """true / false."""
    return f"case when {column} then 'true' when not {column} then 'false' end"


def iso_datetime(column: str, _sql_type: str) -> str:
    """ISO 8601 with zone: a bare date would be read as midnight UTC, an epoch as a number.

    https://help.klaviyo.com/hc/en-us/articles/115005253428
    """
    return f"'\"' || strftime(cast({column} as timestamp), '%Y-%m-%dT%H:%M:%S+00:00') || '\"'"


def plain_datetime(column: str, _sql_type: str) -> str:
    """`YYYY-MM-DD HH:MM:SS`, UTC."""
    return f"'\"' || strftime(cast({column} as timestamp), '%Y-%m-%d %H:%M:%S') || '\"'"


def date(column: str, _sql_type: str) -> str:
    """`YYYY-MM-DD`."""
    return f"'\"' || strftime(cast({column} as timestamp), '%Y-%m-%d') || '\"'"


def text_list(column: str, _sql_type: str) -> str:
    """JSON array of strings; nulls inside a list are no values and fall out."""
    items = f"list_filter(cast({column} as varchar[]), lambda item: item is not null)"
    return f"cast(to_json({items}) as varchar)"
