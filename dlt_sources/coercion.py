"""Records to Arrow, column by column: fast where the vendor keeps its types, careful where not.

Owns the step from parsed JSON to a typed table, and what happens to values that do not fit: the
value becomes null and a `Rejection` keeps the whole record, or, where the key itself is unusable,
the record is only in the rejection. Pure: no clock, no file, no network. Data flow: per column the
values are collected and handed to Arrow in one call; only a column that Arrow refuses, or infers
differently, is read value by value with `values`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
from dlt.common.normalizers.naming.snake_case import NamingConvention

from dlt_sources.declarations import ARROW_TYPES, STAMPS, Column, Table
from dlt_sources.fast import Array, whole_column
from dlt_sources.values import READERS, UnreadableError, kind, to_loose_text

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Rejection:
    """A value, or a whole record, that did not fit.

    Attributes:
        record_id: the vendor's id (or the first key column) as text; None if it has none.
        column_name: None when the record is no object at all.
        reason: never repeats the value.
        payload: the record as it came.
    """

    record_id: str | None
    column_name: str | None
    reason: str
    payload: Any = field(repr=False)


@dataclass(frozen=True)
class Coerced:
    """The rows that fit, and what did not."""

    rows: pa.Table
    rejections: tuple[Rejection, ...] = ()


def to_arrow(
    records: Sequence[Any],
    table: Table,
    stamps: Mapping[str, Any],
) -> Coerced:
    """Read parsed JSON records as rows of `table`.

    Args:
        records: elements of a listing; anything that is no object is rejected.
        stamps: values of `program`, `extract_id` and `seen_at`, the same for all rows.

    Returns:
        Rows in the order of the records, declared columns first, then one nullable text column per
        field nobody declared.
    """
    objects, rejections = _objects(records)
    reader = _Reader(objects, table)
    count = len(objects)
    fields = list(table.arrow_schema())
    arrays = [_constant(stamps[stamp.name], stamp, count) for stamp in STAMPS]
    arrays += [reader.column(column) for column in table.columns]
    for name, values in reader.unknown_fields():
        fields.append(pa.field(name, pa.string()))
        arrays.append(pa.array([to_loose_text(value) for value in values], pa.string()))
    usable = reader.usable_rows(arrays, [entry.name for entry in fields])
    if usable is not None:
        arrays = [array.filter(usable) for array in arrays]
    rows = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    return Coerced(rows, (*rejections, *reader.rejections))


class _Reader:
    """Columns of one batch of objects, and the values that did not fit."""

    def __init__(self, objects: Sequence[Record], table: Table) -> None:
        self._objects = objects
        self._table = table
        self._parents: dict[str, list[Record]] = {}
        self.rejections: list[Rejection] = []

    def column(self, column: Column) -> Array:
        values = self._values(column)
        fast = whole_column(column.type, values)
        return fast if fast is not None else self._value_by_value(column, values)

    def unknown_fields(self) -> list[tuple[str, list[Any]]]:
        """Fields nobody declared, as (column name, values), in alphabetical order."""
        known = {key for column in self._table.columns for key in (column.path[0], *column.aliases)}
        found = [
            (key, [record.get(key) for record in self._objects])
            for key in _keys_beyond(self._objects, known)
        ]
        for parent, children in self._declared_children().items():
            found += [
                (f"{parent}__{key}", [child.get(key) for child in self._parents[parent]])
                for key in _keys_beyond(self._parents[parent], children)
            ]
        taken = {column.name for column in self._table.all_columns}
        named = []
        for key, values in sorted(found, key=lambda entry: entry[0]):
            name = _free_name(key, taken)
            taken.add(name)
            named.append((name, values))
        return named

    def usable_rows(self, arrays: Sequence[Array], names: Sequence[str]) -> Array | None:
        """True per row whose key is complete; None when all are. Reports the others."""
        usable: list[bool] | None = None
        for column in self._table.columns:
            if column.nullable:
                continue
            array = arrays[names.index(column.name)]
            if not array.null_count:
                continue
            reported = {id(entry.payload) for entry in self.rejections}
            usable = usable if usable is not None else [True] * len(array)
            for index, missing in enumerate(array.is_null().to_pylist()):
                if missing:
                    usable[index] = False
                    if id(record := self._objects[index]) not in reported:
                        self._reject(record, column.name, "the key is missing")
        return None if usable is None else pa.array(usable)

    def _values(self, column: Column) -> list[Any]:
        key = column.path[-1]
        owners = self._objects if len(column.path) == 1 else self._children(column.path[0])
        if not column.aliases:
            return [owner.get(key) for owner in owners]
        return [_first(owner, (key, *column.aliases)) for owner in owners]

    def _children(self, parent: str) -> list[Record]:
        """The objects under one key, {} where there is none."""
        if parent not in self._parents:
            children: list[Record] = []
            for record in self._objects:
                child = record.get(parent)
                if child is not None and not isinstance(child, dict):
                    self._reject(record, parent, f"expected an object, got {kind(child)}")
                children.append(child if isinstance(child, dict) else {})
            self._parents[parent] = children
        return self._parents[parent]

    def _declared_children(self) -> dict[str, set[str]]:
        declared: dict[str, set[str]] = {}
        for column in self._table.columns:
            if len(column.path) == 2:
                declared.setdefault(column.path[0], set()).add(column.path[1])
        return declared

    def _value_by_value(self, column: Column, values: Sequence[Any]) -> Array:
        read = READERS[column.type]
        fitting: list[Any] = []
        for index, value in enumerate(values):
            try:
                fitting.append(read(value))
            except UnreadableError as error:
                self._reject(self._objects[index], column.name, str(error))
                fitting.append(None)
        return pa.array(fitting, ARROW_TYPES[column.type])

    def _reject(self, record: Record, column_name: str, reason: str) -> None:
        identity = record.get(self._table.key[0])
        record_id = str(identity) if isinstance(identity, (int, str)) else None
        self.rejections.append(Rejection(record_id, column_name, reason, record))


def _objects(records: Sequence[Any]) -> tuple[Sequence[Record], list[Rejection]]:
    """The records that are objects, and a rejection for each that is not."""
    strangers = [record for record in records if not isinstance(record, dict)]
    if not strangers:
        return records, []
    return [record for record in records if isinstance(record, dict)], [
        Rejection(None, None, f"expected an object, got {kind(record)}", record)
        for record in strangers
    ]


def _constant(value: Any, column: Column, count: int) -> Array:
    scalar: Any = pa.scalar(value, ARROW_TYPES[column.type])
    array: Array = pa.repeat(scalar, count)
    return array


def _first(record: Record, keys: Sequence[str]) -> Any:
    for key in keys:
        if key in record:
            return record[key]
    return None


def _keys_beyond(records: Sequence[Record], known: set[str]) -> set[str]:
    beyond: set[str] = set()
    for record in records:
        if not record.keys() <= known:
            beyond |= record.keys() - known
    return beyond


@cache
def _column_name(key: str) -> str:
    return NamingConvention().normalize_path(key) or "unnamed"


def _free_name(key: str, taken: set[str]) -> str:
    """A column name for a vendor's key; never one that is declared or already used."""
    name = _column_name(key)
    while name in taken or name.startswith("_dlt"):
        name = f"vendor_{name.lstrip('_')}"
    return name
