"""Whatever a vendor sends, coercion keeps it: as a value, or as a rejection; and it is one answer
whether a column went the fast way or value by value."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dlt_sources.coercion import to_arrow
from dlt_sources.declarations import ARROW_TYPES, Column, ColumnType, Table
from dlt_sources.values import READERS, UnreadableError, to_timestamp

STAMPS = {"program": "smile", "extract_id": 1, "seen_at": datetime(2026, 11, 21, tzinfo=UTC)}
TYPES: list[ColumnType] = list(ARROW_TYPES)
TABLE = Table(
    "things",
    "one thing",
    (Column("id", nullable=False), *(Column(f"a_{name}", name) for name in TYPES)),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),  # what a JSON parser hands on as an integer
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["12", "1.0", " 7 ", "true", "No", "2026-11-21", "2026-11-21T10:00:00Z", ""]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner)
)
records = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"id": st.one_of(st.integers(), st.text(max_size=3), st.none())},
            optional={f"a_{name}": values for name in TYPES} | {"extra": values, "Extra": values},
        ),
        values,
    ),
    max_size=6,
)


@given(records)
def test_a_record_is_a_row_or_a_rejection_and_never_lost(batch: list[Any]) -> None:
    coerced = to_arrow(batch, TABLE, STAMPS)
    rejected = {id(entry.payload) for entry in coerced.rejections}
    usable = [
        each
        for each in batch
        if isinstance(each, dict) and read_alone("text", each.get("id")) is not None
    ]
    assert coerced.rows.num_rows == len(usable)
    assert {id(each) for each in batch} - {id(each) for each in usable} <= rejected
    assert coerced.rows["id"].null_count == 0


@given(records)
def test_the_schema_is_the_declared_one_plus_nullable_text(batch: list[Any]) -> None:
    schema = to_arrow(batch, TABLE, STAMPS).rows.schema
    declared = TABLE.arrow_schema()
    assert schema.names[: len(declared)] == declared.names
    assert [entry.type for entry in schema][: len(declared)] == [entry.type for entry in declared]
    extra = [schema.field(place) for place in range(len(declared), len(schema))]
    assert all(entry.type == pa.string() and entry.nullable for entry in extra)


@given(st.sampled_from(TYPES), st.lists(values, min_size=1, max_size=5))
def test_a_column_is_read_alike_fast_and_value_by_value(
    kind: ColumnType, column: list[Any]
) -> None:
    table = Table("things", "one thing", (Column("id", nullable=False), Column("value", kind)))
    batch = [{"id": place, "value": value} for place, value in enumerate(column)]
    together = to_arrow(batch, table, STAMPS).rows["value"].to_pylist()
    alone = [to_arrow([record], table, STAMPS).rows["value"].to_pylist()[0] for record in batch]
    expected = [read_alone(kind, value) for value in column]
    assert together == alone == expected


def read_alone(kind: ColumnType, value: Any) -> Any:
    try:
        return READERS[kind](value)
    except UnreadableError:
        return None


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(-30 * 10**15, 7 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))


@given(moments)
def test_one_moment_is_the_same_in_every_format_the_vendors_use(moment: datetime) -> None:
    """yotpo.md §6.5 and smile.md §2: Z, no fraction, no zone, microseconds, offset."""
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    naive = moment.replace(tzinfo=None)
    abroad = cut.astimezone(timezone(timedelta(hours=2)))
    assert (
        to_timestamp(cut.strftime("%Y-%m-%dT%H:%M:%S.") + f"{cut.microsecond // 1000:03d}Z") == cut
    )
    assert to_timestamp(naive.isoformat(timespec="microseconds")) == moment
    assert to_timestamp(abroad.isoformat(timespec="milliseconds")) == cut
    seconds = moment.replace(microsecond=0)
    assert to_timestamp(seconds.isoformat().replace("+00:00", "Z")) == seconds
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert to_timestamp(day.date().isoformat()) == day


@given(st.sampled_from(TYPES), values)
def test_a_reason_never_repeats_the_value(kind: ColumnType, value: Any) -> None:
    secret = "ava.chen@shop.invalid"
    for sent in (f"{value} {secret}", {"email": secret}, [secret, value]):
        assert secret not in reason(kind, sent)


def reason(kind: ColumnType, value: Any) -> str:
    try:
        READERS[kind](value)
    except UnreadableError as error:
        return str(error)
    return ""
