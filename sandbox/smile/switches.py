"""What Smile's documentation leaves open, with the habit the sandbox has by default.

The first rows are the digest's list of choices (smile.md §13), the others follow from its §8, §11.
"""

from __future__ import annotations

from sandbox.core.faults import LIST_FAULTS, Fault
from sandbox.core.switches import Switch
from sandbox.shop.smile_catalogue import EXPIRY_DAYS, LANGUAGES

SCOPES = (
    "customer:read",
    "points_transaction:read",
    "reward_fulfillment:read",
    "points_product:read",
    "vip_tier:read",
    "earning_rule:read",
    "points_settings:read",
)

SWITCHES: tuple[Switch, ...] = (
    Switch(
        "page_size_out_of_range",
        "error",
        ("error", "clamp"),
        "limit and page_size are 1..250; what happens beyond is not documented",
    ),
    Switch(
        "malformed_cursor",
        "error",
        ("error", "first_page"),
        "the answer to a malformed cursor is not documented",
    ),
    Switch(
        "cursor_remembers_filters",
        False,
        (False, True),
        "whether filters must be sent again with a cursor is not documented",
    ),
    Switch(
        "end_cursor",
        "null",
        ("null", "empty"),
        "the cursor page shows null at the end of a list, the endpoint pages an empty string",
    ),
    Switch(
        "updated_at_min",
        "documented",
        ("documented", "inclusive"),
        "'after' on customers and reward_fulfillments, 'at or after' on points_transactions",
    ),
    Switch(
        "absent_include",
        "absent",
        ("absent", "null"),
        "vip_status, perks and entry_rewards without include: key absent, or null",
    ),
    Switch(
        "vip_status_without_tier",
        "nulls",
        ("nulls", "null"),
        "vip_status of a customer without tier: an object of nulls, or null",
    ),
    Switch(
        "retry_after_header",
        False,
        (False, True),
        "no header of a 429 is documented",
    ),
    Switch(
        "window_style",
        "fixed",
        ("fixed", "sliding"),
        "whether the limit counts in fixed windows or over the last second is not documented",
    ),
    Switch(
        "missing_scope",
        "none",
        ("none", *SCOPES),
        "a scope that the key lacks; its operations answer 403",
    ),
    Switch(
        "customer_without_email",
        "null",
        ("null", "empty"),
        "the schema says email is a string, the help centre that some customers have none",
    ),
    Switch(
        "customer_id_type",
        "integer",
        ("integer", "string"),
        "older snapshots of the documentation show customer_id as a string",
    ),
    Switch(
        "unknown_state",
        "never",
        ("never", "one"),
        "further states may be added; 'one' gives the newest customer the state 'paused'",
    ),
    Switch(
        "deleted_customer",
        "rows_stay",
        ("rows_stay", "rows_disappear"),
        "whether ledger rows and coupons of a deleted customer stay listed is not documented",
    ),
    Switch(
        "tier_basis",
        "points",
        ("points", "amount"),
        "milestones are points or money according to a setting that no API tells",
    ),
    Switch(
        "vip_timeframe",
        "calendar_year",
        ("calendar_year", "lifetime"),
        "calendar year or all-time; inferred from null dates only",
    ),
    Switch("vip_programme", "on", ("on", "off"), "answers while VIP is off are not documented"),
    Switch(
        "points_programme",
        "active",
        ("active", "none"),
        "without an active points programme points_settings answers 404",
    ),
    Switch(
        "updated_at_moves_with_points",
        True,
        (True, False),
        "whether a changed balance or tier moves customer.updated_at is not documented",
    ),
    Switch(
        "description_language",
        "en",
        LANGUAGES,
        "descriptions of ledger rows are free text in the store's language",
    ),
    Switch(
        "points_products_order",
        "id_ascending",
        ("id_ascending", "id_descending"),
        "the order of points_products is not documented",
    ),
    Switch(
        "variable_points_max",
        "number",
        ("number", "null"),
        "whether a variable reward may lack a maximum is not documented",
    ),
    Switch(
        "points_expiry_days",
        EXPIRY_DAYS,
        (),
        "inactivity after which a balance expires, from now on; 0 = never; no API tells it",
    ),
)

FAULTS: tuple[Fault, ...] = (
    *LIST_FAULTS,
    Fault(
        "page_drift",
        "after a page of a list: a new row appears and an existing one is updated",
    ),
)
