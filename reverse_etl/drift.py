"""Is what a vendor shows of somebody what the ledger says it accepted? Pure comparison, no I/O.

Each destination shows values in its own way, so each has its own word on "equal" (`_EQUAL`).
What another tool wrote is nobody's drift: only properties that the ledger holds, or that our sync
declares, are looked at.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from reverse_etl.declarations import TAG_PREFIX, Property, SyncSpec
from reverse_etl.ledger_schema import UNSETTLED

WHOLE_PERSON = ""  # the property of a drift that is about the person as a whole
_UNSETTLED = orjson.loads(UNSETTLED)


class Difference(NamedTuple):
    """One property that is not what it should be.

    kind: missing (the vendor has no value), different, or unexpected (it still has one that was
    cleared or never given).
    """

    property: str
    kind: str


class Comparison:
    """The rules of one declared sync.

    Args:
        spec: what our sync declares.
        tags: every tag that the ledger says somebody carries because of us; other tags are foreign.
    """

    def __init__(self, spec: SyncSpec, tags: Collection[str] = ()) -> None:
        self._equal = _EQUAL[spec.destination]
        self._is_empty = _IS_EMPTY[spec.destination]
        self._left_alone = spec.switched_off | {
            # Goes along with other changes and causes none, so its drift could not be repaired.
            item.name
            for item in spec.properties
            if not item.is_compared
        }
        self._kinds = {item.name: item.kind for item in spec.properties}
        self._cleared = {item.name for item in spec.properties if _may_be_cleared(item)}
        self._cleared |= {TAG_PREFIX + tag for tag in tags}

    def differences(
        self, accepted: Mapping[str, Any], shown: Mapping[str, Any] | None
    ) -> list[Difference]:
        """What differs for one person, by name of the property; empty = all is as accepted.

        Args:
            accepted: property -> value, as as the ledger holds it; tags as `tag:<tag>`.
            shown: property -> value as the vendor gave it; None = the vendor does not know them.
        """
        expected = {
            name: value
            for name, value in accepted.items()
            if name not in self._left_alone and value != _UNSETTLED
        }
        if shown is None:
            return [Difference(WHOLE_PERSON, "missing")] if expected else []
        found = []
        for name, value in expected.items():
            if self._is_empty(shown.get(name)):
                if not self._is_empty(value):
                    found.append(Difference(name, "missing"))
            elif not self._equal(self._kinds.get(name), value, shown[name]):
                found.append(Difference(name, "different"))
        for name in self._cleared - accepted.keys() - self._left_alone:
            if not self._is_empty(shown.get(name)):
                found.append(Difference(name, "unexpected"))
        return sorted(found)


def _may_be_cleared(item: Property) -> bool:
    # What we never clear, others may write: a value that we did not give is no drift.
    return not item.is_never_cleared


def _klaviyo_is_empty(value: Any) -> bool:
    """Klaviyo knows 0, false, "" and [] as values; a cleared property is not there."""
    return value is None


def _rule_is_empty(value: Any) -> bool:
    """A cleared field of Rule holds ""; an empty list cannot be told from it in every shape."""
    return value is None or value in ("", [], "[]")


def _klaviyo_equal(kind: str | None, wanted: Any, shown: Any) -> bool:
    """JSON values by type; numbers by value, datetimes by the moment, lists in order."""
    if kind in ("datetime", "date") and isinstance(wanted, str) and isinstance(shown, str):
        moments = (_moment(wanted), _moment(shown))
        if None not in moments:
            return bool(moments[0] == moments[1])
    if isinstance(wanted, list) and isinstance(shown, list):
        return len(wanted) == len(shown) and all(
            _klaviyo_equal(None, one, other) for one, other in zip(wanted, shown, strict=True)
        )
    return _json_type(wanted) == _json_type(shown) and bool(wanted == shown)


def _rule_equal(_kind: str | None, wanted: Any, shown: Any) -> bool:
    """Everything as text. How a list is shown is not documented: as an array, joined, or as JSON.

    Rule's own reading of types (SDK docs/custom-fields.md): `multiple` is sent as an array, one
    client sends it JSON-encoded, and the interface joins the values with a comma.
    """
    if not isinstance(wanted, list):
        return _text(wanted) == _text(shown)
    texts = [_text(item) for item in wanted]
    if isinstance(shown, list):
        return texts == [_text(item) for item in shown]
    return bool(shown == ",".join(texts) or _parsed(shown) == wanted)


def _moment(text: str) -> datetime | None:
    """A bare date or a time without a zone is UTC in Klaviyo.

    https://help.klaviyo.com/hc/en-us/articles/115005253428
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _parsed(text: Any) -> Any:
    try:
        return orjson.loads(text)
    except (TypeError, ValueError):
        return None


_EQUAL: Mapping[str, Callable[[str | None, Any, Any], bool]] = {
    "klaviyo": _klaviyo_equal,
    "rule": _rule_equal,
}
_IS_EMPTY: Mapping[str, Callable[[Any], bool]] = {
    "klaviyo": _klaviyo_is_empty,
    "rule": _rule_is_empty,
}
