"""What becomes of one Yotpo member's records: keys, hashes, and the rows inside the details.

Pure functions from parsed JSON to records of our tables. Owns the identity of a member (normalised
e-mail), the hash that tells a changed list record from an unchanged one, and the identity of
history items, which have no id (`HISTORY_ITEMS`).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from dlt_sources.values import UnreadableError, to_text, to_timestamp

Record = Mapping[str, Any]


def email_key(record: Any) -> str | None:
    """The e-mail trimmed and lower-cased; None where there is none."""
    email = record.get("email") if isinstance(record, dict) else None
    return (email.strip().lower() or None) if isinstance(email, str) else None


def record_hash(record: Record) -> str:
    """Equal for records with equal values; a key that is null equals a key that vanished."""
    present = {key: value for key, value in record.items() if value is not None}
    return _digest(orjson.dumps(present, option=orjson.OPT_SORT_KEYS))


def list_row(record: Any) -> Any:
    """A record of the walk with the columns that are ours; a stranger stays as it is."""
    if not isinstance(record, dict):
        return record
    return {**record, "email_key": email_key(record), "record_hash": record_hash(record)}


def detail_row(key: str, list_hash: str | None, answer: Record) -> dict[str, Any]:
    """The details of a member that the vendor knows."""
    inside = ("history_items",)
    kept = {name: value for name, value in answer.items() if name not in inside}
    return {**kept, "email_key": key, "list_record_hash": list_hash, "is_found": True}


def missing_row(key: str, email: str) -> dict[str, Any]:
    """The details of a member whom the vendor answered with 404: identity only."""
    return {"email_key": key, "email": email, "list_record_hash": None, "is_found": False}


def anniversary_row(key: str, answer: Any) -> dict[str, Any]:
    """A member's anniversary; None = the vendor knows of none."""
    found = answer if isinstance(answer, dict) else {}
    return {**found, "email_key": key, "is_found": bool(found)}


def history_rows(key: str, answer: Record) -> list[Any]:
    """The member's history items, each with its id; identical items are told apart by number."""
    met: Counter[tuple[str | None, ...]] = Counter()
    rows: list[Any] = []
    for entry in _list(answer.get("history_items")):
        if not isinstance(entry, dict):
            rows.append(entry)
            continue
        content = (
            _moment(entry.get("created_at")),
            *(_plain(entry.get(name)) for name in ("action", "points", "status")),
        )
        met[content] += 1
        identity = orjson.dumps([key, *content, met[content]])
        rows.append(
            {
                **entry,
                "email_key": key,
                "history_item_id": _digest(identity),
                "occurrence": met[content],
            }
        )
    return rows


def referral_rows(key: str, answer: Record) -> list[Any]:
    """The friends a member brought, from either referral programme."""
    rows: list[Any] = []
    for name in ("referral_code", "referral_link", "referal_link"):
        programme = answer.get(name)
        if not isinstance(programme, dict):
            continue
        for friend in _list(programme.get("completed_referral_customers")):
            if isinstance(friend, dict):
                rest = {field: value for field, value in friend.items() if field != "email"}
                friend = {**rest, "email_key": key, "friend_email": friend.get("email")}
            rows.append(friend)
    return rows


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]  # a stranger is reported, not lost


def _moment(value: Any) -> str | None:
    """A time in one spelling, so that another format of the same time changes no id."""
    try:
        moment = to_timestamp(value)
    except UnreadableError:
        return _plain(value)
    return moment.isoformat() if moment else None


def _plain(value: Any) -> str | None:
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else to_text(value)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
