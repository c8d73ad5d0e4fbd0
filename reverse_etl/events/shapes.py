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


@dataclass(frozen=True)
class Shape:
    """SQL of one destination.

    Attributes:
        json_column: column that holds the event's own JSON object.
        reasons: (reason code, SQL that is true where it applies), the first one counts.
        skips: the same for events that are left out on purpose.
        body: the destination's JSON.
        lane: how it leaves.
        group: what a request's events share.
        order: the order of requests, before the e-mail.
    """

    json_column: str
    reasons: Callable[[Mapping[str, str]], list[tuple[str, str]]]
    skips: Callable[[EventSync], list[tuple[str, str]]]
    body: Callable[[Mapping[str, str]], str]
    lane: Callable[[EventSync], str]
    group: Callable[[Mapping[str, str]], str]
    order: str


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


def _klaviyo_body(types: Mapping[str, str]) -> str:
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
    reasons=_klaviyo_reasons,
    skips=lambda _sync: [],
    body=_klaviyo_body,
    lane=lambda _sync: "'bulk'",
    group=lambda _types: "''",
    # What happened just now does not wait behind the history.
    order="is_backfill",
)
SHAPES: Mapping[str, Shape] = {"klaviyo": _KLAVIYO}
