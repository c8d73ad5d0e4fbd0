"""How an event becomes a destination's JSON, and what may not be sent there: SQL text, pure.

One row of `SHAPES` per destination, over the columns of `contract` and the flags that
`events.plan_sql` adds. Text is put together in DuckDB: a million events are a million strings, and
Python touches each of them once, when it joins them into requests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reverse_etl import values
from reverse_etl.events.contract import EventSync
from reverse_etl.payloads import literal

# https://developers.klaviyo.com/en/reference/events_api_overview: events of these addresses are
# answered with 202 and dropped without a word.
KLAVIYO_TEST_DOMAINS = ("example.com", "example.net", "example.org", "test.com")
# "Shorter than 128 characters"; at most 400 properties; a request of 5 MB, of which the rest is
# left to the profile around the event. Same page.
KLAVIYO_LONGEST_METRIC = 127
KLAVIYO_MOST_PROPERTIES = 400
KLAVIYO_LARGEST_EVENT = 4_900_000
# `unique_id` has 1 to 255 characters (OpenAPI document, create_event).
LONGEST_ID = 255
# From this size on, or with so many brackets, JSON may break a limit that SQL does not see: a
# string above 100 KB, a list of more than 4,000 items, more than ten levels. Judged one by one.
_LARGE_JSON = 8_000
_DEEP_JSON = 10
# Rule: `Group.Field` with one dot; the key travels in a JSON path here. docs/syncing-subscribers.md
_RULE_FIELD = r"[^.\"\\]+\.[^.\"\\]+"
# A tag of digits is read as an id; one named clear could never be removed again.
_RULE_UNUSABLE_TAG = r"(^[0-9]+$)|(^(?i:clear)$)|[\"\\\n]"
# The values of one group stay below 65 KB (docs/custom-fields.md); all groups together is stricter.
_RULE_GROUP_BYTES = 65_000
# Rule's own integration puts this tag on every event, and this field with it.
# https://help.rule.io/en/articles/349490-yotpo-loyalty
_RULE_STORE = "Yotpo.StoreName"
_RULE_STORE_TAG = "Yotpo"
# What is something else than text; a field keeps the type it was made with. Yotpo.* and
# Subscriber.* as that integration writes them.
_RULE_TYPES: Mapping[str, tuple[str, ...]] = {
    "datetime": (
        "Yotpo.LastPurchaseAt",
        "Yotpo.PointsExpireAt",
        "Yotpo.LastSeenAt",
        "Yotpo.OptInDate",
        "LoyaltyEvent.CouponExpiresAt",
    ),
    "date": ("Subscriber.Birthday", "Subscriber.Anniversary"),
}


@dataclass(frozen=True)
class Shape:
    """SQL of one destination.

    Attributes:
        json_column: column that holds the event's own JSON object.
        kind: column that says in words what happened.
        reasons: (reason code, SQL that is true where it applies), the first one counts.
        skips: the same for events that are left out on purpose.
        body: the destination's JSON.
        lane: how it leaves.
        group: what a request's events share.
        order: the order of requests, before the e-mail.
        has_order: an event that is older than one the vendor accepted of the same person is late.
    """

    json_column: str
    kind: str
    reasons: Callable[[Mapping[str, str]], list[tuple[str, str]]]
    skips: Callable[[EventSync], list[tuple[str, str]]]
    body: Callable[[Mapping[str, str], EventSync], str]
    lane: Callable[[EventSync], str]
    group: Callable[[Mapping[str, str]], str]
    order: str
    has_order: bool = False


def doubtful(column: str) -> str:
    """SQL that is true where a JSON text needs a look by `judge`."""
    brackets = f"strlen({column}) - strlen(translate({column}, '[{{', ''))"
    return (
        f"strlen({column}) > {_LARGE_JSON} or {brackets} > {_DEEP_JSON}"
        f" or regexp_matches({column}, '[0-9]{{19}}')"
    )


def _klaviyo_reasons(types: Mapping[str, str]) -> list[tuple[str, str]]:
    domains = ", ".join(literal(name) for name in KLAVIYO_TEST_DOMAINS)
    found = [
        ("test_domain", f"split_part(email, '@', -1) in ({domains})"),
        ("missing_metric", "metric is null"),
        ("metric_too_long", f"length(metric) > {KLAVIYO_LONGEST_METRIC}"),
        ("too_many_properties", f"len(json_keys(shown)) > {KLAVIYO_MOST_PROPERTIES}"),
        ("unusable_currency", "not regexp_full_match(value_currency, '[A-Z]{3}')"),
        ("payload_too_large", f"strlen(body) > {KLAVIYO_LARGEST_EVENT}"),
    ]
    if values.is_float(types["value"]):
        found.insert(-1, ("not_a_number", "not isfinite(value)"))
    return found


def _klaviyo_skips(sync: EventSync) -> list[tuple[str, str]]:
    return [] if sync.sends_friends else [("friend_events_off", "is_friend")]


def _klaviyo_body(types: Mapping[str, str], _sync: EventSync) -> str:
    """https://developers.klaviyo.com/en/reference/bulk_create_events

    Whole seconds: Klaviyo cuts the rest off. `backfill` stands in each event and not in the group
    around it, because nothing says which of the two would win.
    """
    amount = f"',\"value\":' || {values.number('value', types['value'])}"
    currency = "if(value is null, null, ',\"value_currency\":\"' || value_currency || '\"')"
    return (
        """'{"type":"event","attributes":{"properties":' || shown || ',"time":' || """
        + values.iso_datetime("occurred_at", "TIMESTAMP")
        + f""" || coalesce({amount}, '') || coalesce({currency}, '')"""
        + """ || ',"backfill":' || if(is_backfill, 'true', 'false') || ',"unique_id":' || """
        + values.quoted("event_id")
        + """ || ',"metric":{"data":{"type":"metric","attributes":{"name":' || """
        + values.quoted("metric")
        + " || '}}}}}'"
    )


_KLAVIYO = Shape(
    json_column="properties",
    kind="metric",
    reasons=_klaviyo_reasons,
    skips=_klaviyo_skips,
    body=_klaviyo_body,
    lane=lambda _sync: "'bulk'",
    group=lambda _types: "''",
    # What happened just now does not wait behind the history.
    order="is_backfill",
)


def _rule_reasons(_types: Mapping[str, str]) -> list[tuple[str, str]]:
    unusable = f"not regexp_full_match(k, '{_RULE_FIELD}')"
    return [
        ("unusable_field", f"len(list_filter(json_keys(shown), lambda k: {unusable})) > 0"),
        (
            "unusable_tag",
            f"regexp_matches(tag, '{_RULE_UNUSABLE_TAG}')"
            f" or regexp_matches(marker_tag, '{_RULE_UNUSABLE_TAG}')",
        ),
        ("payload_too_large", f"strlen(shown) >= {_RULE_GROUP_BYTES}"),
    ]


def _rule_skips(sync: EventSync) -> list[tuple[str, str]]:
    nothing = "coalesce(tag, '') = '' and (is_late or body = '[]')"
    friends = [] if sync.sends_friends else [("friend_events_off", "coalesce(is_friend, true)")]
    return [*friends, ("nothing_to_tell", nothing)]


def _rule_body(_types: Mapping[str, str], sync: EventSync) -> str:
    """`[{"key","value","type"}]`, values as text; `[]` for an event that others have overtaken.

    A later event was told already, and its fields are what is true now. For the same reason
    history does not write what the sync of people writes.
    """
    value = """json_extract_string(shown, '$."' || k || '"')"""
    types = " ".join(
        f'when k in ({", ".join(map(literal, names))}) then \',"type":"{kind}"}}\''
        for kind, names in _RULE_TYPES.items()
    )
    field = f"""'{{"key":' || cast(to_json(k) as varchar) || ',"value":'
        || cast(to_json({value}) as varchar) || case {types} else ',"type":"text"}}' end"""
    typed = ", ".join(literal(name) for names in _RULE_TYPES.values() for name in names)
    # An empty text is no moment; Rule may refuse it.
    # Only of usable names can a path be made; the others have the event refused.
    usable = f"list_filter(json_keys(shown), lambda k: regexp_full_match(k, '{_RULE_FIELD}'))"
    sent = f"list_filter({usable}, lambda k: k not in ({typed}) or {value} <> '')"
    if sync.present_fields:
        present = ", ".join(map(literal, sorted(sync.present_fields)))
        sent = f"list_filter({sent}, lambda k: not is_backfill or k not in ({present}))"
    listed = f"array_to_string(list_transform({sent}, lambda k: {field}), ',')"
    return f"if(is_late, '[]', '[' || {listed} || ']')"


def _rule_lane(sync: EventSync) -> str:
    """An event whose outcome nobody knows is never told with an automation again."""
    if not sync.is_triggering:
        return "'data'"
    mode = "if(automation in ('reset', 'force'), automation, 'once')"
    quiet = "is_backfill or is_uncertain or is_late or coalesce(tag, '') = ''"
    return f"if({quiet}, 'data', {mode})"


def _rule_group(_types: Mapping[str, str]) -> str:
    """Rule applies one list of tags to a whole call: the event's own, then the integration's."""
    marked = f"if(list_contains(json_keys(shown), {literal(_RULE_STORE)}), '{_RULE_STORE_TAG}', '')"
    return f"coalesce(tag, '') || '\n' || coalesce(marker_tag, {marked})"


_RULE = Shape(
    json_column="fields",
    kind="event_type",
    reasons=_rule_reasons,
    skips=_rule_skips,
    body=_rule_body,
    lane=_rule_lane,
    group=_rule_group,
    # A person's events leave in the order in which they happened, everybody's first ones together.
    order="row_number() over (partition by email order by occurred_at, event_id), lane, group_key",
    has_order=True,
)
SHAPES: Mapping[str, Shape] = {"klaviyo": _KLAVIYO, "rule": _RULE}
