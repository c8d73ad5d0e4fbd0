"""Which model feeds which destination: read from the dbt manifest, checked at construction.

The dbt model of a sync is the only place where a property is named and typed (`config.meta`).
This module turns that into values; it opens no file and knows no vendor's wire format.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vendor_http import ConfigurationError

# What a column may become at each destination. Rule has no number and no boolean: text.
KINDS: Mapping[str, frozenset[str]] = {
    "klaviyo": frozenset({"number", "string", "boolean", "datetime", "date", "list"}),
    "rule": frozenset({"text", "datetime", "date", "multiple"}),
}
# How a value that ended is taken away, by destination; the first is the one unless a setting says
# otherwise. What each does: `payloads`.
CLEARS: Mapping[str, tuple[str, ...]] = {
    "klaviyo": ("import", "patch", "unset", "bulk_unset"),
    "rule": ("empty", "delete_group"),
}
# The member of a column's meta that holds the vendor's name for it.
_NAME_MEMBER = {"klaviyo": "property", "rule": "field"}
_UNQUOTABLE = re.compile(r'["\\\x00-\x1f]')
CREATE_COLUMN = "may_create_profile"
# Before a tag where it stands among properties: members of a patch, accepted values.
TAG_PREFIX = "tag:"


@dataclass(frozen=True)
class Property:
    """One column of a sync model as the vendor knows it.

    Attributes:
        column: column of the activation model.
        name: property (Klaviyo) or `Group.Field` (Rule).
        kind: one of `KINDS[destination]`.
        family: switched on and off as a whole ("common", "vendor").
        is_compared: False = goes along when something else changed, never causes a write.
        is_never_cleared: a null leaves the vendor's value alone.
    """

    column: str
    name: str
    kind: str
    family: str
    is_compared: bool = True
    is_never_cleared: bool = False


@dataclass(frozen=True)
class SyncSpec:
    """One declared sync, with the properties of the families that are switched on.

    Attributes:
        switched_off: names of the declared properties of the other families: left alone, because
            another integration may write them now.
        people: table of the published file with everybody there is, to tell how many of the members
            have no e-mail; None = not known.
        clears: one of `CLEARS[destination]`; "" = the first.
        held_programs: programmes whose data are too old to be sent: everybody who has a row of one
            in `people` is left as the vendor has them, whichever other programmes they are in.

    Raises:
        ConfigurationError: at construction, when the declaration cannot work; names the model.
    """

    model: str
    destination: str
    object_name: str
    schema: str
    table: str
    key: str
    properties: tuple[Property, ...]
    tags_column: str | None = None
    switched_off: frozenset[str] = frozenset()
    people: str | None = None
    clears: str = ""
    held_programs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.destination not in KINDS:
            raise self._error(f"destination {self.destination!r} is unknown, use {sorted(KINDS)}")
        if self.clears and self.clears not in CLEARS[self.destination]:
            raise self._error(f"values can be cleared by {CLEARS[self.destination]}")
        if not self.properties:
            raise self._error("no property is declared for the families that are switched on")
        for name in (self.schema, self.table, self.key, *(p.column for p in self.properties)):
            if not name or _UNQUOTABLE.search(name):
                raise self._error(f"{name!r} is no usable table or column name")
        seen: set[str] = set()
        if self.held_programs and self.people is None:
            raise self._error("without people nobody knows whom a programme's age concerns")
        for item in self.properties:
            self._check(item)
            if item.name in seen:
                raise self._error(f"{item.name!r} is declared by two columns")
            seen.add(item.name)

    @property
    def relation(self) -> str:
        """Quoted name in the published file: `"activation"."sync_klaviyo__profiles"`."""
        return f'"{self.schema}"."{self.table}"'

    def _check(self, item: Property) -> None:
        if item.kind not in KINDS[self.destination]:
            raise self._error(
                f"column {item.column} has type {item.kind!r}, "
                f"{self.destination} takes {sorted(KINDS[self.destination])}"
            )
        if not item.name.strip() or _UNQUOTABLE.search(item.name):
            raise self._error(f"column {item.column} has an unusable property name {item.name!r}")
        if self.destination == "rule" and (
            item.name.count(".") != 1 or not all(part.strip() for part in item.name.split("."))
        ):
            raise self._error(f"Rule's fields are written Group.Field, got {item.name!r}")

    def _error(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"sync model {self.model}: {what}. Correct its meta in the yml")


def sync_spec(manifest: Mapping[str, Any], model: str, families: Collection[str]) -> SyncSpec:
    """The declared sync of `model`, with the columns of `families` only.

    Args:
        manifest: dbt's manifest.json, parsed.
        model: name of the model, `sync_klaviyo__profiles`.
        families: property families that are switched on.

    Raises:
        ConfigurationError: the model or a part of its declaration is missing or unusable.
    """
    node = _model_node(manifest, model)
    declared = _meta(node).get("sync")
    if not isinstance(declared, Mapping) or not {"destination", "object", "key"} <= set(declared):
        raise ConfigurationError(
            f"model {model} has no meta.sync with destination, object and key. "
            "Declare it in the yml"
        )
    destination = str(declared["destination"])
    properties: list[Property] = []
    switched_off: set[str] = set()
    tags_column: str | None = None
    for column, entry in node.get("columns", {}).items():
        meta = _meta(entry)
        if not meta:
            continue
        if meta.get("tags"):
            tags_column = str(column)
            continue
        item = _property(model, destination, str(column), meta)
        if item.family in families:
            properties.append(item)
        else:
            switched_off.add(item.name)
    return SyncSpec(
        model=model,
        destination=destination,
        object_name=str(declared["object"]),
        schema=str(node.get("schema", "activation")),
        table=str(node.get("alias") or model),
        key=str(declared["key"]),
        # By name, so that moving a column in the model changes no payload and no hash.
        properties=tuple(sorted(properties, key=lambda item: item.name)),
        tags_column=tags_column,
        switched_off=frozenset(switched_off),
        people=declared.get("people"),
    )


def _model_node(manifest: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    for node in manifest.get("nodes", {}).values():
        if node.get("resource_type", "model") == "model" and node.get("name") == model:
            found: Mapping[str, Any] = node
            return found
    raise ConfigurationError(f"the dbt manifest has no model {model}. Run dbt parse or build first")


def _meta(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """`config.meta`, or `meta` where dbt keeps a copy of it."""
    config = entry.get("config") or {}
    meta = config.get("meta") or entry.get("meta") or {}
    return meta if isinstance(meta, Mapping) else {}


def _property(model: str, destination: str, column: str, meta: Mapping[str, Any]) -> Property:
    member = _NAME_MEMBER.get(destination, "property")
    missing = [name for name in (member, "type", "family") if not meta.get(name)]
    if missing:
        raise ConfigurationError(
            f"sync model {model}: column {column} lacks {', '.join(missing)} in "
            "its meta. Add them in the yml"
        )
    return Property(
        column=column,
        name=str(meta[member]),
        kind=str(meta["type"]),
        family=str(meta["family"]),
        is_compared=bool(meta.get("compared", True)),
        is_never_cleared=bool(meta.get("never_cleared", False)),
    )
