"""What differs between destinations when a payload is made in SQL: one row of `DIALECTS` each.

Knows how values are spelled, which requests a row needs (its lane) and what is too large. Knows no
HTTP and no ledger. The plan fills the placeholders: `v<i>` is the JSON text of property i (NULL =
no value), `h<i>` what the vendor holds, `orphans` what it holds and no column declares any more,
`patch` the object of changes with null for a clear.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reverse_etl import values
from reverse_etl.declarations import Property

ValueSql = Callable[[str, str], str]

# Klaviyo, create_or_update_profile and bulk_import_profiles: at most 100 KB per profile.
# https://developers.klaviyo.com/en/reference/profiles_api_overview
_KLAVIYO_PROFILE_BYTES = 100_000
_KLAVIYO_ENVELOPE_BYTES = 200  # braces, member names and the e-mail (at most 100 characters)
# Rule: the values of one group stay below 65,000 characters (SDK docs/custom-fields.md).
_RULE_GROUP_CHARACTERS = 65_000


@dataclass(frozen=True)
class Dialect:
    """How one destination wants its payloads.

    Attributes:
        kinds: property kind -> SQL of its JSON value.
        body: SQL of the destination's own form of the changes, NULL where `patch` is that form.
        lane: SQL naming the kind of request a row needs.
        group: SQL of what rows of one request must share.
        too_large: SQL that is true for what the vendor would refuse for its size.
        kept_prefix: properties that begin so are never cleared, even when nobody declares them.
    """

    kinds: Mapping[str, ValueSql]
    body: Callable[[Sequence[Property]], str]
    lane: str
    group: str
    too_large: Callable[[Sequence[Property]], str]
    kept_prefix: str = ""


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def changes(item: Property, index: int) -> str:
    """SQL that is true where property `index` must be written or cleared."""
    if item.is_never_cleared:
        return f"(v{index} is not null and v{index} is distinct from h{index})"
    return f"(v{index} is distinct from h{index})"


def travels(item: Property, index: int) -> str:
    """SQL that is true where property `index` is part of the request, if there is one."""
    if item.is_compared:
        return changes(item, index)
    return f"(v{index} is not null or {changes(item, index)})"


def _no_body(_properties: Sequence[Property]) -> str:
    return "cast(null as varchar)"


def _klaviyo_too_large(_properties: Sequence[Property]) -> str:
    return f"strlen(patch) > {_KLAVIYO_PROFILE_BYTES - _KLAVIYO_ENVELOPE_BYTES}"


def _rule_fields(properties: Sequence[Property]) -> str:
    """`[{"key", "value", "type"}]`; a cleared value is "", for null is documented nowhere."""
    parts = []
    for index, item in enumerate(properties):
        head = literal(f'{{"key":"{item.name}","value":')
        tail = literal(f',"type":"{item.kind}"}}')
        value = f"coalesce(v{index}, '\"\"')"
        parts.append(f"case when {travels(item, index)} then {head} || {value} || {tail} end")
    # What no column declares any more is cleared too; its type is not known, so none is named.
    orphan = """'{"key":' || cast(to_json(n) as varchar) || ',"value":""}'"""
    listed = f"array_to_string(list_transform(orphans, lambda n: {orphan}), ',')"
    parts.append(f"nullif({listed}, '')")
    return "'[' || concat_ws(',', " + ", ".join(parts) + ") || ']'"


def _rule_too_large(properties: Sequence[Property]) -> str:
    groups: dict[str, list[str]] = {}
    for index, item in enumerate(properties):
        length = f"coalesce(length(v{index}), 0)"
        groups.setdefault(item.name.partition(".")[0], []).append(length)
    return " or ".join(
        f"({' + '.join(lengths)} >= {_RULE_GROUP_CHARACTERS})" for lengths in groups.values()
    )


DIALECTS: Mapping[str, Dialect] = {
    "klaviyo": Dialect(
        kinds={
            "number": values.number,
            "string": values.quoted_text,
            "boolean": values.boolean,
            "datetime": values.iso_datetime,
            "date": values.date,
            "list": values.text_list,
        },
        body=_no_body,
        # Bulk import ignores null, so a row with a clear goes through profile-import, alone.
        # So does one that must exist: whether it does is asked first.
        lane="case when has_clear or must_exist then 'single' else 'bulk' end",
        group="''",
        too_large=_klaviyo_too_large,
    ),
    "rule": Dialect(
        kinds={
            "text": values.text,
            "datetime": values.plain_datetime,
            "date": values.date,
            "multiple": values.text_list,
        },
        body=_rule_fields,
        # A row that failed before may spoil a call again: such rows travel together, last.
        lane="case when attempt_count > 1 then 'upsert_again' else 'upsert' end",
        # Rule applies one list of tags to a whole call: who gets the same ones travels together.
        group="array_to_string(tags_add, '\n')",
        too_large=_rule_too_large,
        kept_prefix="Subscriber.",
    ),
}
