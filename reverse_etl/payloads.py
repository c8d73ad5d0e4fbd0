"""What differs between destinations when a payload is made in SQL: one row of `DIALECTS` each.

Knows how values are spelled, which requests a row needs (its lane), how a value that ended is taken
away, and what is too large. Knows no HTTP and no ledger. The plan fills the placeholders: `v<i>` is
the JSON text of property i (NULL = no value), `h<i>` what the vendor holds, `orphans` what it holds
and no column declares any more, `patch` the object of changes with null for a clear.

Values that ended, one position of a switch each (the first is the default):

    klaviyo  import        profile-import with null, one request a person
             patch         PATCH of the profile with null, by the id that its e-mail leads to
             unset         profile-import with the names in meta.patch_properties.unset
             bulk_unset    the same in a bulk import: in Klaviyo's schema, confirmed by nobody
    rule     empty         an empty text, among the other fields
             delete_group  group Loyalty, which is ours alone, is deleted and written anew; fields
                           of the groups that others write to (Yotpo) get an empty text

Rule's `fields_clear` is no position: it would clear the fields of everybody else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reverse_etl import values
from reverse_etl.declarations import CLEARS, Property

ValueSql = Callable[[str, str], str]

# Klaviyo, create_or_update_profile and bulk_import_profiles: at most 100 KB per profile.
# https://developers.klaviyo.com/en/reference/profiles_api_overview
_KLAVIYO_PROFILE_BYTES = 100_000
_KLAVIYO_ENVELOPE_BYTES = 250  # braces, member names and the e-mail (at most 100 characters)
# Rule: the values of one group stay below 65 KB, 65,000 characters in other places of the SDK's
# docs/custom-fields.md; fewer bytes than that satisfy both.
_RULE_GROUP_BYTES = 65_000
# The one group at Rule that nobody else writes to.
_RULE_OWN_GROUP = "Loyalty."


def changes(item: Property, index: int) -> str:
    """SQL that is true where property `index` must be written or cleared."""
    if item.is_never_cleared:
        return f"(v{index} is not null and v{index} is distinct from h{index})"
    return f"(v{index} is distinct from h{index})"


def ends(item: Property, index: int) -> str:
    """SQL that is true where property `index` has a value at the vendor and shall have none."""
    if item.is_never_cleared:
        return "false"
    return f"(v{index} is null and h{index} is not null)"


def travels(item: Property, index: int) -> str:
    """SQL that is true where property `index` is part of the request, if there is one."""
    if item.is_compared:
        return changes(item, index)
    return f"(v{index} is not null or {changes(item, index)})"


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _all_that_travel(properties: Sequence[Property]) -> Sequence[str]:
    return [travels(item, index) for index, item in enumerate(properties)]


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
        sent: per property, SQL that is true where it is part of `patch`: all that the vendor may
            hold differently after the row's requests.
    """

    kinds: Mapping[str, ValueSql]
    body: Callable[[Sequence[Property]], str]
    lane: Callable[[Sequence[Property]], str]
    group: str
    too_large: Callable[[Sequence[Property]], str]
    kept_prefix: str = ""
    sent: Callable[[Sequence[Property]], Sequence[str]] = _all_that_travel


def dialect(destination: str, clears: str = "") -> Dialect:
    """The dialect of a destination, with its position of `CLEARS` ("" = the first)."""
    return DIALECTS[destination, clears or CLEARS[destination][0]]


def _no_body(_properties: Sequence[Property]) -> str:
    return "cast(null as varchar)"


def _klaviyo_lane(needs_single: str, single: str = "single") -> Callable[..., str]:
    """Rows that must exist go alone, too: whether they do is asked first."""
    return lambda _properties: f"case when {needs_single} then '{single}' else 'bulk' end"


def _klaviyo_unset(properties: Sequence[Property]) -> str:
    """What stands between `"properties":` and the last two braces of a profile with names to unset.

    The object of values, the brace that ends `attributes`, and the beginning of `meta`. No null is
    left in it, so that it may travel in a bulk import.
    """
    members, names = [], []
    for index, item in enumerate(properties):
        name = f'"{item.name}"'
        member = f"{literal(f'{name}:')} || v{index}"
        members.append(
            f"case when v{index} is not null and {travels(item, index)} then {member} end"
        )
        names.append(f"case when {ends(item, index)} then {literal(name)} end")
    orphans = "list_transform(orphans, lambda n: cast(to_json(n) as varchar))"
    names.append(f"nullif(array_to_string({orphans}, ','), '')")
    values_sql = f"'{{' || concat_ws(',', {', '.join(members)}) || '}}'"
    unset = f"concat_ws(',', {', '.join(names)})"
    meta = f"""'}},"meta":{{"patch_properties":{{"unset":[' || {unset} || ']}}'"""
    return f"case when has_clear then {values_sql} || {meta} end"


def _klaviyo_too_large(_properties: Sequence[Property]) -> str:
    return f"strlen(patch) > {_KLAVIYO_PROFILE_BYTES - _KLAVIYO_ENVELOPE_BYTES}"


def _rule_fields(properties: Sequence[Property]) -> str:
    """`[{"key", "value", "type"}]`; a cleared value is "", for null is documented nowhere."""
    parts = []
    for index, item in enumerate(properties):
        value = f"coalesce(v{index}, '\"\"')"
        parts.append(_rule_field(item, travels(item, index), value))
    return _rule_list(parts, "orphans")


def _rule_fields_anew(properties: Sequence[Property]) -> str:
    """The same, but what ended in our own group is left out: the group is deleted before."""
    parts = []
    for index, (item, is_sent) in enumerate(zip(properties, _rule_sent(properties), strict=True)):
        # A text that is NULL makes the whole field NULL, and so no part of the list.
        value = f"v{index}" if _is_own(item) else f"coalesce(v{index}, '\"\"')"
        parts.append(_rule_field(item, is_sent, value))
    foreign = f"list_filter(orphans, lambda n: not starts_with(n, '{_RULE_OWN_GROUP}'))"
    return _rule_list(parts, foreign)


def _rule_field(item: Property, is_sent: str, value: str) -> str:
    head = literal(f'{{"key":"{item.name}","value":')
    tail = literal(f',"type":"{item.kind}"}}')
    return f"case when {is_sent} then {head} || {value} || {tail} end"


def _rule_list(fields: Sequence[str], orphans: str) -> str:
    # What no column declares any more is cleared too; its type is not known, so none is named.
    orphan = """'{"key":' || cast(to_json(n) as varchar) || ',"value":""}'"""
    listed = f"nullif(array_to_string(list_transform({orphans}, lambda n: {orphan}), ','), '')"
    return "'[' || concat_ws(',', " + ", ".join([*fields, listed]) + ") || ']'"


def _is_own(item: Property) -> bool:
    return item.name.startswith(_RULE_OWN_GROUP) and not item.is_never_cleared


def _rule_erases(properties: Sequence[Property]) -> str:
    """SQL that is true where a value of our own group ended, so that the group is deleted."""
    ended = [ends(item, index) for index, item in enumerate(properties) if _is_own(item)]
    own = f"list_filter(orphans, lambda n: starts_with(n, '{_RULE_OWN_GROUP}'))"
    return f"({' or '.join([*ended, f'len({own}) > 0'])})"


def _rule_sent(properties: Sequence[Property]) -> Sequence[str]:
    """With its group deleted, every value of it has to be written again."""
    erases = _rule_erases(properties)
    return [
        f"({travels(item, index)} or (v{index} is not null and {erases}))"
        if _is_own(item)
        else travels(item, index)
        for index, item in enumerate(properties)
    ]


def _rule_lane(_properties: Sequence[Property]) -> str:
    # A row that failed before may spoil a call again: such rows travel together, last.
    return "case when attempt_count > 1 then 'upsert_again' else 'upsert' end"


def _rule_lane_anew(properties: Sequence[Property]) -> str:
    erases = _rule_erases(properties)
    return f"case when {erases} then 'upsert_anew' else ({_rule_lane(properties)}) end"


def _rule_too_large(properties: Sequence[Property]) -> str:
    groups: dict[str, list[str]] = {}
    for index, item in enumerate(properties):
        length = f"coalesce(strlen(v{index}), 0)"
        groups.setdefault(item.name.partition(".")[0], []).append(length)
    return " or ".join(
        f"({' + '.join(lengths)} >= {_RULE_GROUP_BYTES})" for lengths in groups.values()
    )


_KLAVIYO = Dialect(
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
    lane=_klaviyo_lane("has_clear or must_exist"),
    group="''",
    too_large=_klaviyo_too_large,
)
_RULE = Dialect(
    kinds={
        "text": values.text,
        "datetime": values.plain_datetime,
        "date": values.date,
        "multiple": values.text_list,
    },
    body=_rule_fields,
    lane=_rule_lane,
    # Rule applies one list of tags to a whole call: who gets the same ones travels together.
    group="array_to_string(tags_add, '\n')",
    too_large=_rule_too_large,
    kept_prefix="Subscriber.",
)
DIALECTS: Mapping[tuple[str, str], Dialect] = {
    ("klaviyo", "import"): _KLAVIYO,
    ("klaviyo", "patch"): replace(_KLAVIYO, lane=_klaviyo_lane("has_clear or must_exist", "patch")),
    ("klaviyo", "unset"): replace(_KLAVIYO, body=_klaviyo_unset),
    ("klaviyo", "bulk_unset"): replace(
        _KLAVIYO, body=_klaviyo_unset, lane=_klaviyo_lane("must_exist")
    ),
    ("rule", "empty"): _RULE,
    ("rule", "delete_group"): replace(
        _RULE, body=_rule_fields_anew, lane=_rule_lane_anew, sent=_rule_sent
    ),
}
