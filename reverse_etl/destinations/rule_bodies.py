"""Bodies of Rule's upserts, joined as bytes. https://github.com/rulecom/rule-io-sdk

Every call says the same three things about what it may do: update whom it finds, start no
automation, sync no segment. Whoever writes data to Rule makes its body here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

import orjson

from reverse_etl.planned import PlannedRow

Item = TypeVar("Item")

NO_FIELDS = "[]"  # body of a row of which only tags move

_HEAD = b'{"update_on_duplicate":true,"automation":false,"sync_subscribers":false,'


def upsert_json(people: Iterable[bytes], tags: Collection[str]) -> bytes:
    """A call about `people`, who all get `tags`; an empty list of tags is left out."""
    listed = b'"tags":' + orjson.dumps(sorted(set(tags))) + b"," if tags else b""
    return _HEAD + listed + b'"subscribers":[' + b",".join(people) + b"]}"


def subscriber_json(row: PlannedRow) -> bytes:
    """One person with the fields to write."""
    return b'{"email":%b,"fields":%b}' % (orjson.dumps(row.email), row.body.encode())


def in_parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """The same items, at most `size` together."""
    for at in range(0, len(items), size):
        yield list(items[at : at + size])


def shared_tags(rows: Sequence[PlannedRow]) -> set[str]:
    """Tags that every row gets."""
    return set.intersection(*(set(row.tags_add) for row in rows))


def writes(row: PlannedRow) -> bool:
    """False when nothing but the removal of tags is left to do."""
    return row.body != NO_FIELDS or bool(row.tags_add)
