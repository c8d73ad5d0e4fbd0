"""What Yotpo's documentation leaves open (yotpo.md §10, §11), with the sandbox's default habit."""

from __future__ import annotations

from sandbox.core.faults import LIST_FAULTS, Fault
from sandbox.core.switches import Switch

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "recent_list_key",
        "customers",
        ("customers", "bare"),
        "the list key of /customers/recent is not documented; 'bare' = everybody in one array",
    ),
    Switch(
        "recent_cursor_key",
        "metadata.next_page_info",
        ("metadata.next_page_info", "next_page_info"),
        "where the next cursor stands is known from a third party only",
    ),
    Switch(
        "recent_end",
        "null",
        ("null", "empty", "absent"),
        "how the cursor looks at the end of the list is not documented",
    ),
    Switch(
        "recent_max_per_page",
        250,
        (),
        "the largest per_page is not documented; 100 is known to work",
    ),
    Switch(
        "recent_default_per_page",
        50,
        (),
        "the default of per_page is not documented",
    ),
    Switch(
        "per_page_too_large",
        "clamp",
        ("clamp", "error"),
        "what happens beyond the largest per_page is not documented",
    ),
    Switch(
        "cursor_keeps_per_page",
        False,
        (False, True),
        "whether per_page must be sent again with a cursor is not documented",
    ),
    Switch(
        "malformed_cursor",
        "error",
        ("error", "first_page"),
        "the answer to a malformed page_info is not documented",
    ),
    Switch(
        "recent_updated_filter",
        "none",
        ("none", "updated_since"),
        "no date filter is documented; 'updated_since' compares with last_seen_at",
    ),
    Switch(
        "recent_window_days",
        0,
        (),
        "how far back 'recently updated' reaches is not documented; 0 = everybody",
    ),
    Switch(
        "recent_sort",
        "last_seen_descending",
        ("last_seen_descending", "last_seen_ascending", "email"),
        "the order of /customers/recent is not documented",
    ),
    Switch(
        "customers_all",
        "off",
        ("off", "on", "without_links"),
        "the bulk endpoint of 2020, not in the list of 2026; `links` may be absent",
    ),
    Switch(
        "error_body",
        "message",
        ("message", "errors", "empty", "text"),
        "no error body of v2 is documented",
    ),
    Switch(
        "unknown_customer",
        404,
        (404, 400),
        "v2 answers 404; the newer API answers 400 for some shoppers outside the programme",
    ),
    Switch(
        "requests_per_second",
        10,
        (10, 5),
        "the newest page says 10 per second, older ones 5",
    ),
    Switch(
        "minute_quota",
        600,
        (),
        "the minute quota is shown in headers only, its value is not published",
    ),
    Switch(
        "window_style",
        "fixed",
        ("fixed", "sliding"),
        "whether limits count in fixed windows or over the last second and minute is not told",
    ),
    Switch(
        "anniversary_parameter",
        "both",
        ("both", "query", "body"),
        "customer_email is listed as a parameter in the body of a GET, which many clients cannot",
    ),
    Switch(
        "retry_after_header",
        False,
        (False, True),
        "the guidelines speak of retry-after logic, the header itself is not documented",
    ),
    Switch(
        "referral_program",
        "code",
        ("code", "link"),
        "referral_code for merchants of before August 2024, referral_link for later ones",
    ),
    Switch(
        "referral_link_key",
        "referral_link",
        ("referral_link", "referal_link"),
        "the documentation's own sample spells it referal_link",
    ),
    Switch(
        "points_method",
        "last_activity",
        ("last_activity", "date_earned", "never"),
        "how points expire is a setting that shows in the dates only",
    ),
    Switch(
        "tier_term",
        "rolling_year",
        ("rolling_year", "calendar_year", "lifetime"),
        "how long a tier lasts is a setting that shows in the dates only",
    ),
    Switch(
        "requirement_mode",
        "absent",
        ("absent", "all_requirements"),
        "a mode of thresholds is known from a third party, neither its key nor its other value",
    ),
    Switch(
        "empty_keys",
        "absent",
        ("absent", "null"),
        "birthday, tier and maintenance keys vanish when unset; some samples show null",
    ),
    Switch(
        "points_multiplier_type",
        "string",
        ("string", "number"),
        "a listing says string, a code base types a number",
    ),
    Switch(
        "option_amount_type",
        "integer",
        ("integer", "string"),
        "the table of redemption options says string, samples show an integer",
    ),
    Switch(
        "order_ids_type",
        "string",
        ("string", "integer"),
        "the type of the elements of order_ids is not documented",
    ),
    Switch(
        "tier_date_format",
        "milliseconds",
        ("milliseconds", "seconds", "naive", "microseconds", "offset"),
        "five formats were seen in public samples of tier dates",
    ),
    Switch(
        "history_order",
        "newest_first",
        ("newest_first", "oldest_first"),
        "the order of history_items is not documented",
    ),
    Switch(
        "with_history_default",
        False,
        (False, True),
        "documented as false; one connector's listing says true",
    ),
    Switch(
        "vip_tiers_wrapper",
        "bare",
        ("bare", "vip_tiers"),
        "whether the list of tiers is wrapped is not verified",
    ),
)

FAULTS: tuple[Fault, ...] = (
    *LIST_FAULTS,
    Fault(
        "page_drift",
        "after a page of /customers/recent: somebody new appears and somebody is seen again",
    ),
    Fault("locked", "a customer's record is busy: 423"),
)
