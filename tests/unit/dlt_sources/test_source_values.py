"""Single values, at the edges the digests name."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from dlt_sources.values import (
    UnreadableError,
    to_bigint,
    to_bool,
    to_date,
    to_double,
    to_json,
    to_loose_text,
    to_text,
    to_timestamp,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(304169228, "304169228"), ("304169228", "304169228"), (12.0, "12"), (1.5, "1.5"),
     (True, "true"), ("", ""), (None, None), (2**70, str(2**70))],
)  # fmt: skip
def test_ids_are_text_whether_they_come_as_numbers_or_as_text(value: Any, expected: Any) -> None:
    assert to_text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), ("5", 5), (" -5 ", -5), (5.0, 5), ("5.00", 5), ("", None), (None, None)],
)
def test_whole_numbers_come_as_numbers_as_text_and_as_floats(value: Any, expected: Any) -> None:
    assert to_bigint(value) == expected


@pytest.mark.parametrize("value", ["$2,620", "5.5", 5.5, True, {}, [], 2**63, "1e3", "9" * 25])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(UnreadableError, match="whole number"):
        to_bigint(value)


def test_zero_false_and_the_empty_text_are_values() -> None:
    assert to_bigint(0) == 0
    assert to_bigint("0") == 0
    assert to_bool(False) is False
    assert to_text("") == ""
    assert to_double(0) == 0.0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("FALSE", False), ("1", True), (0, False), ("no", False), ("", None)],
)
def test_flags_come_as_text_too(value: Any, expected: Any) -> None:
    assert to_bool(value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, {}, 0.5])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(UnreadableError):
        to_bool(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-09-10T13:44:15.000Z", datetime(2016, 9, 10, 13, 44, 15, tzinfo=UTC)),
        ("2023-08-29T16:30:07Z", datetime(2023, 8, 29, 16, 30, 7, tzinfo=UTC)),
        ("2022-02-01T10:00:00", datetime(2022, 2, 1, 10, tzinfo=UTC)),
        ("2026-01-07T16:05:03.926507", datetime(2026, 1, 7, 16, 5, 3, 926507, tzinfo=UTC)),
        ("2022-02-01T13:05:57.071+02:00", datetime(2022, 2, 1, 11, 5, 57, 71000, tzinfo=UTC)),
        ("2025-03-24", datetime(2025, 3, 24, tzinfo=UTC)),
        ("2025-03-24 10:00:00 UTC", datetime(2025, 3, 24, 10, tzinfo=UTC)),
        ("2026-01-07T16:05:03.926507999Z", datetime(2026, 1, 7, 16, 5, 3, 926507, tzinfo=UTC)),
        ("1004-05-27", datetime(1004, 5, 27, tzinfo=UTC)),
        (" ", None),
    ],
)
def test_every_date_format_of_both_vendors_is_read_as_utc(text: str, expected: Any) -> None:
    assert to_timestamp(text) == expected


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", "20260101", 1700000000, "2026-W01-1"])
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(UnreadableError):
        to_timestamp(value)


def test_a_date_is_the_date_as_written_whatever_the_zone() -> None:
    assert to_date("2025-08-28T23:30:00-05:00") == date(2025, 8, 28)
    with pytest.raises(UnreadableError):
        to_date("2025-08-28 nonsense")


def test_undeclared_fields_keep_scalars_as_text_and_the_rest_as_json() -> None:
    assert [to_loose_text(value) for value in (1, True, "a", None, {"a": [1]})] == [
        "1", "true", "a", None, '{"a":[1]}',
    ]  # fmt: skip
    assert to_json("text") == '"text"'
