"""Whole columns at once: what the vendors send in the declared type goes to Arrow in one call.

Pure. `whole_column` answers None where Arrow refuses, or would read a value otherwise than `values`
does (it cuts 1.5 to 1 without a word): such a column is then read value by value.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dlt_sources.declarations import ARROW_TYPES, ColumnType
from dlt_sources.values import to_json

if TYPE_CHECKING:
    Array = pa.Array[Any]
else:
    Array = pa.Array
_UTC = pa.timestamp("us", tz="UTC")


def whole_column(column_type: ColumnType, values: list[Any]) -> Array | None:
    """All values as one Arrow array of the type, or None: read them value by value."""
    return _FAST[column_type](values)


def _infer(values: list[Any]) -> Array | None:
    array: Array | None = None
    with suppress(pa.ArrowException, OverflowError):
        array = pa.array(values)
    return array


def _text_fast(values: list[Any]) -> Array | None:
    array = _infer(values)
    if array is None or pa.types.is_string(array.type):
        return array
    if pa.types.is_int64(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.string())
    return None


def _bigint_fast(values: list[Any]) -> Array | None:
    # Inferred, not forced: Arrow would cut 1.5 to 1 without a word.
    array = _infer(values)
    if array is not None and pa.types.is_int64(array.type):
        return array
    return _nulls(array, pa.int64())


def _double_fast(values: list[Any]) -> Array | None:
    array = _infer(values)
    if array is not None and pa.types.is_float64(array.type):
        return array
    if array is not None and pa.types.is_int64(array.type):
        return _cast(array, pa.float64())
    return _nulls(array, pa.float64())


def _decimal_fast(values: list[Any]) -> Array | None:
    # Money comes as text for people, which Arrow does not read.
    return _nulls(_infer(values), ARROW_TYPES["decimal"])


def _bool_fast(values: list[Any]) -> Array | None:
    array = _infer(values)
    if array is not None and pa.types.is_boolean(array.type):
        return array
    return _nulls(array, pa.bool_())


def _timestamp_fast(values: list[Any]) -> Array | None:
    array = _infer(values)
    if array is None or not pa.types.is_string(array.type):
        return _nulls(array, _UTC)
    zoned = _cast(array, _UTC)
    if zoned is not None:
        return zoned
    # Without a zone it is UTC, so the stored number stays as it is.
    naive = _cast(array, pa.timestamp("us"))
    return None if naive is None else naive.cast(_UTC)


def _date_fast(values: list[Any]) -> Array | None:
    array = _infer(values)
    if array is None or not pa.types.is_string(array.type):
        return _nulls(array, pa.date32())
    return _cast(array, pa.date32())


def _json_fast(values: list[Any]) -> Array:
    return pa.array([to_json(value) for value in values], pa.string())


def _nulls(array: Array | None, arrow_type: pa.DataType) -> Array | None:
    if array is not None and pa.types.is_null(array.type):
        return array.cast(arrow_type)
    return None


def _cast(array: Array, arrow_type: pa.DataType) -> Array | None:
    try:
        return array.cast(arrow_type)
    except pa.ArrowInvalid:
        return None


_FAST: Mapping[str, Callable[[list[Any]], Array | None]] = {
    "text": _text_fast,
    "bigint": _bigint_fast,
    "double": _double_fast,
    "decimal": _decimal_fast,
    "bool": _bool_fast,
    "timestamp": _timestamp_fast,
    "date": _date_fast,
    "json": _json_fast,
}
