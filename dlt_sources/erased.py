"""Who was erased and must not come back: rows are left out before they reach the disk.

Owns where a person stands in a raw table (`Column.names`) and how a mention is taken out of a text.
Must not know how the erased are remembered: the caller gives two questions that are answered with
the number of a person, or None. Data flow: a chunk's rows -> `Erased.without` -> spool.

Columns are asked about once per distinct value; all other texts only where they hold an `@`.
"""

import re
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dlt_sources.declarations import QUARANTINE, Table

WHO: TypeAlias = Callable[[str], int | None]
TAKEN_OUT = "(erased)"
# Anything that may be an address, generously: what it finds is looked up, not believed.
_ADDRESS = re.compile(r"[^\s\"'<>()\[\]{},;:\\]+@[^\s\"'<>()\[\]{},;:\\@]+")
_ENDS = ".!?"


def normalised(email: str) -> str:
    """An e-mail as people are compared by: trimmed and lower-cased."""
    return email.strip().lower()


def mentions(text: str) -> list[str]:
    """Everything in a text that may be an address, as it is written there."""
    return [found.rstrip(_ENDS) for found in _ADDRESS.findall(text)]


def without_mentions(text: str, is_erased: Callable[[str], bool]) -> str:
    """The text without the erased: in JSON the objects of a list that name one go as a whole.

    Args:
        text: plain or JSON; the latter keeps its values, not its spacing.
        is_erased: asked with a normalised e-mail.
    """
    if not any(is_erased(normalised(found)) for found in mentions(text)):
        return text
    if text.lstrip()[:1] in ("{", "["):
        try:
            return orjson.dumps(_pruned(orjson.loads(text), is_erased)).decode()
        except orjson.JSONDecodeError:
            pass
    return _ADDRESS.sub(lambda match: _replaced(match[0], is_erased), text)


def _replaced(found: str, is_erased: Callable[[str], bool]) -> str:
    address = found.rstrip(_ENDS)
    return TAKEN_OUT + found[len(address) :] if is_erased(normalised(address)) else found


def _pruned(value: Any, is_erased: Callable[[str], bool]) -> Any:
    match value:
        case str():
            return without_mentions(value, is_erased)
        case dict():
            return {key: _pruned(child, is_erased) for key, child in value.items()}
        case list():
            return [_pruned(each, is_erased) for each in value if not _is_one(each, is_erased)]
    return value


def _is_one(value: Any, is_erased: Callable[[str], bool]) -> bool:
    """Whether an object is about an erased person: one of its own values is the address."""
    if not isinstance(value, dict):
        return False
    texts = (child for child in value.values() if isinstance(child, str))
    return any(is_erased(normalised(text)) for text in texts)


class Erased:
    """The erased of one programme, asked by all chains of an extraction.

    Args:
        by_email: number of the erased person with this normalised e-mail, or None.
        by_member: number of the erased person with this member id, or None.

    Attributes:
        left_out: numbers of the people who turned up and were left out.
        met: member ids of rows that were left out for their e-mail alone: the vendor gave the
            person a new id.
    """

    def __init__(self, by_email: WHO, by_member: WHO) -> None:
        self._by_email = by_email
        self._by_member = by_member
        self._lock = threading.Lock()
        self.left_out: set[int] = set()
        self.met: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Erased({len(self.left_out)} left out)"

    def without(self, table: Table, rows: pa.Table) -> pa.Table:
        """The rows that are nobody's who was erased, without mentions of them."""
        if not rows.num_rows:
            return rows
        rows = self._owned_by_nobody(table, rows)
        if table.name == QUARANTINE.name:
            return self._unquoted(rows)
        named = {column.name for column in table.columns if column.names}
        for index, name in enumerate(rows.column_names):
            if name not in named and pa.types.is_string(rows.schema.field(name).type):
                rows = self._without_mentions(rows, index, name)
        return rows

    def _owned_by_nobody(self, table: Table, rows: pa.Table) -> pa.Table:
        hidden: dict[str, list[int | None]] = {}
        for column in table.columns:
            if column.names:
                ask = self._email if column.names == "email" else self._by_member
                hidden[column.name] = _numbers(rows[column.name], ask)
        if not any(number is not None for numbers in hidden.values() for number in numbers):
            return rows
        found = [
            next((number for number in numbers if number is not None), None)
            for numbers in zip(*hidden.values(), strict=True)
        ]
        members = [column.name for column in table.columns if column.names == "member"]
        keys = rows[members[0]].to_pylist() if members else [None] * rows.num_rows
        with self._lock:
            for number, key in zip(found, keys, strict=True):
                if number is not None:
                    self.left_out.add(number)
                    if key is not None and self._by_member(key) is None:
                        self.met[key] = number
        return rows.filter(pa.array([number is None for number in found]))

    def _unquoted(self, rows: pa.Table) -> pa.Table:
        """Quarantine keeps whole records: one that names an erased person is left out."""
        keep = []
        columns = (rows[name].to_pylist() for name in ("resource", "record_id", "payload"))
        for resource, record_id, payload in zip(*columns, strict=True):
            texts = [text for text in (record_id, payload) if text]
            about = [self._email(each) for text in texts for each in mentions(text)]
            about += [self._by_member(key) for key in _ids(resource, record_id, payload)]
            numbers = {number for number in about if number is not None}
            with self._lock:
                self.left_out |= numbers
            keep.append(not numbers)
        return rows.filter(pa.array(keep))

    def _without_mentions(self, rows: pa.Table, index: int, name: str) -> pa.Table:
        if not pc.any(pc.match_substring(rows[name], "@")).as_py():
            return rows
        before = rows[name].to_pylist()
        after = [
            without_mentions(text, self._is_erased) if text and "@" in text else text
            for text in before
        ]
        return rows.set_column(index, rows.schema.field(name), pa.array(after, pa.string()))

    def _is_erased(self, email: str) -> bool:
        return self._by_email(email) is not None

    def _email(self, written: str) -> int | None:
        return self._by_email(normalised(written))


def _numbers(column: Any, ask: WHO) -> list[int | None]:
    """The person's number per row; each distinct value is asked about once."""
    known = {
        value: None if value is None else ask(value) for value in pc.unique(column).to_pylist()
    }
    if not any(number is not None for number in known.values()):
        return [None] * len(column)
    return [known[value] for value in column.to_pylist()]


def _ids(resource: str, record_id: str | None, payload: str | None) -> list[str]:
    """Member ids in a record that was set aside: a customer's own, or the one it names."""
    try:
        record = orjson.loads(payload or "null")
    except orjson.JSONDecodeError:
        record = None
    found = [record.get("customer_id")] if isinstance(record, dict) else []
    found += [record_id] if resource == "customers" else []
    return [str(value) for value in found if value is not None]
