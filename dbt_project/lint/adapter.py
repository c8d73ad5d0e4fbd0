"""What sqlfluff sees in place of dbt's `adapter`.

Every dispatched macro becomes a call of a function of the same name. Owns nothing that runs in a
build: the linter's jinja templater knows no adapter, and needs none to judge style.
"""

from __future__ import annotations

from collections.abc import Callable


def dispatch(name: str, _package: str | None = None) -> Callable[..., str]:
    """A stand-in for the engine's version: `iso_text('at')` becomes `iso_text(at)`."""
    if name == "regexp_replace_all":  # its pattern comes without quotes
        return lambda column, *_pattern: f"{name}({column})"
    if name == "json_list":  # an order is no argument
        return lambda expression, order_by: (
            f"{name}({expression} order by {order_by})" if order_by else f"{name}({expression})"
        )
    if name in ("json_text", "json_has"):  # nor has its key
        return lambda column, key: f"{name}({column}, '{key}')"
    if name == "json_object_of":  # expressions in a dict
        return lambda members: (
            name + "(" + ", ".join(f"'{key}', {value}" for key, value in members.items()) + ")"
        )
    return lambda *arguments: f"{name}({', '.join(str(argument) for argument in arguments)})"
