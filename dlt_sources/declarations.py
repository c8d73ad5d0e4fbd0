"""The words in which a source declares itself: columns, tables, and the listings that feed them.

Owns the vocabulary only; the rows are in `smile.resources` and `yotpo.resources`. A new field is a
`Column`, a new endpoint a `Listing`: no function is copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

ColumnType = Literal["text", "bigint", "double", "decimal", "bool", "timestamp", "date", "json"]
# Digits of money, as the marts hold it: 16 before the point, 2 after it.
MONEY_PRECISION, MONEY_SCALE = 18, 2

# What dlt reads back from these types is exactly what `dlt_columns` declares, so that dlt has
# nothing to reconcile; JSON alone travels as text and becomes DuckDB JSON on loading.
ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "decimal": pa.decimal128(MONEY_PRECISION, MONEY_SCALE),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    Attributes:
        name: in the table; `a__b` is read from `record["a"]["b"]`.
        type: dlt's name of the type.
        aliases: other spellings of the vendor's key, used where the first is absent.
        nullable: false for keys and for what this product itself fills.
        names: the value says whose row it is: an e-mail, or the vendor's id of a member.
    """

    name: str
    type: ColumnType = "text"
    aliases: tuple[str, ...] = ()
    nullable: bool = True
    names: Literal["", "email", "member"] = ""

    @property
    def path(self) -> tuple[str, ...]:
        """Where the value lies in a record: one key, or parent and child."""
        return tuple(self.name.split("__"))


# Stamped on every row of every table: which programme, which extraction (nanoseconds of its real
# start; orders extractions), and when by the product's clock.
STAMPS = (
    Column("program", nullable=False),
    Column("extract_id", "bigint", nullable=False),
    Column("seen_at", "timestamp", nullable=False),
)


@dataclass(frozen=True)
class Table:
    """A raw table: one row per `grain`, merged on `program` and `key`.

    Attributes:
        name: in the dataset `raw_<vendor>`.
        grain: what one row is, for people.
        columns: the vendor's columns; the stamps come before them.
        key: identifies a row within a programme. Never null.
        replaces: true where `key` names a group (all history items of a member) that is replaced
            as a whole, false where it names one row.
        identity: tells rows of one group apart, where `replaces`; not guaranteed to be unique.
        newest_by: of rows with the same key in one extract the one with the latest time here is
            the truest; None where no time tells.
        evidence: the vendor's page that documents the shape; empty for our own tables.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    replaces: bool = False
    identity: tuple[str, ...] = ()
    newest_by: str | None = None
    evidence: str = ""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Stamps first, then the vendor's columns."""
        return STAMPS + self.columns

    @property
    def merge_on(self) -> tuple[str, ...]:
        """The key within the whole dataset, several programmes included."""
        return ("program", *self.key)

    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema that every batch of this table begins with."""
        return pa.schema(
            [
                pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable)
                for column in self.all_columns
            ]
        )

    def empty(self) -> pa.Table:
        """No rows, all declared columns: creates the table."""
        return self.arrow_schema().empty_table()


@dataclass(frozen=True)
class CursorPaging:
    """Pages chained by an opaque cursor in the body; null, "" or absent ends the chain."""

    size_parameter: str
    cursor_parameter: str
    next_key: str
    size: int


@dataclass(frozen=True)
class NumberedPaging:
    """Pages counted from 1.

    Attributes:
        total_key: where the answer says how many pages there are, outside in; an answer without it
            is the only page. Empty: no totals, a page shorter than asked for is the last.
    """

    size_parameter: str
    page_parameter: str
    size: int
    total_key: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnePage:
    """Everything in one answer."""


Paging = CursorPaging | NumberedPaging | OnePage


@dataclass(frozen=True)
class Listing:
    """An endpoint that lists the records of one table.

    Attributes:
        table: where its records go.
        path: below the base URL.
        list_key: the key of the array in the answer.
        paging: how pages follow one another.
        parameters: sent with every page.
        bare_array: whether the answer may be the array itself.
        single: the value under `list_key` is one object, not an array.
        since_parameter: filter "updated since"; None where the vendor has none.
        whole: read in full each day although a filter exists; only quick runs use the filter.
        none_when_missing: 404 means "this shop has none", not a wrong address.
    """

    table: Table
    path: str
    list_key: str
    paging: Paging = OnePage()
    parameters: Mapping[str, str] = field(default_factory=dict)
    bare_array: bool = False
    single: bool = False
    since_parameter: str | None = None
    whole: bool = True
    none_when_missing: bool = False


EXTRACTS = Table(
    name="extracts",
    grain="one finished extract of one resource",
    columns=(
        Column("resource", nullable=False),
        Column("mode"),  # 'full' or 'incremental'
        Column("started_at", "timestamp"),
        Column("finished_at", "timestamp"),
        Column("row_count", "bigint"),
        # The newest `updated_at` that the next incremental run may rely on; null without a filter.
        Column("watermark", "timestamp"),
    ),
    key=("extract_id", "resource"),
)

QUARANTINE = Table(
    name="quarantine",
    grain="one value that could not be read as its column's type",
    columns=(
        Column("resource", nullable=False),
        Column("position", "bigint", nullable=False),  # numbers the resource's rejections
        Column("record_id"),
        Column("column_name"),
        Column("reason"),
        Column("payload", "json"),
    ),
    key=("extract_id", "resource", "position"),
)
