"""Smile.io's listings, one row each: endpoint, paging, filter, key, columns, evidence.

All seven endpoints that Smile's published OpenAPI document offers for bulk reading
(https://dev.smile.io/schemas/rest-api.json). Dates are ISO 8601 in UTC; ids are integers there and
text here.
"""

from collections.abc import Mapping

from dlt_sources.declarations import (
    EXTRACTS,
    QUARANTINE,
    Column,
    CursorPaging,
    Listing,
    NumberedPaging,
    Table,
)

DATASET = "raw_smile"

# https://dev.smile.io/api/pagination/cursor-pagination: 1 to 250 rows, newest id first.
_CURSOR = CursorPaging("limit", "cursor", "next_cursor", 250)
# https://dev.smile.io/api/pagination/classic-pagination: no totals; a short page is the last.
_CLASSIC = NumberedPaging("page_size", "page", 250)

_TIMES = (Column("created_at", "timestamp"), Column("updated_at", "timestamp"))
_ID = Column("id", nullable=False)

CUSTOMERS = Table(
    name="customers",
    grain="one customer known to Smile, member or not",
    newest_by="updated_at",
    evidence="https://dev.smile.io/api/resources/customers/list-customers",
    columns=(
        Column("id", nullable=False, names="member"),
        Column("first_name"),
        Column("last_name"),
        Column("email", names="email"),
        Column("state"),
        Column("date_of_birth"),  # the year 1004 means: only day and month are known
        Column("points_balance", "bigint"),
        Column("referral_url"),
        Column("vip_tier_id"),
        Column("has_vip_status", "bool", nullable=False),  # ours: Smile sent an object
        Column("vip_status__vip_tier_id"),
        Column("vip_status__vip_tier_expires_at", "timestamp"),
        Column("vip_status__progress_value", "double"),
        Column("vip_status__current_vip_period_end", "timestamp"),
        Column("vip_status__delta_to_retain_vip_tier", "double"),
        Column("vip_status__next_vip_tier_id"),
        Column("vip_status__delta_to_next_vip_tier", "double"),
        *_TIMES,
    ),
)

POINTS_TRANSACTIONS = Table(
    name="points_transactions",
    grain="one change of a customer's balance",
    newest_by="updated_at",
    evidence="https://dev.smile.io/api/resources/points-transactions/list-points-transactions",
    columns=(
        _ID,
        Column("customer_id", names="member"),
        Column("points_change", "bigint"),
        Column("description"),
        Column("internal_note"),
        *_TIMES,
    ),
)

REWARD_FULFILLMENTS = Table(
    name="reward_fulfillments",
    grain="one reward given to a customer, usually a coupon",
    newest_by="updated_at",
    evidence="https://dev.smile.io/api/resources/reward-fulfillments/list-reward-fulfillments",
    columns=(
        _ID,
        Column("name"),
        Column("code"),
        Column("customer_id", names="member"),
        Column("fulfillment_status"),
        Column("image_url"),
        Column("action_text"),
        Column("action_url"),
        Column("usage_instructions"),
        Column("terms_and_conditions"),
        Column("expires_at", "timestamp"),
        Column("usage_status"),
        Column("used_at", "timestamp"),
        *_TIMES,
    ),
)

POINTS_PRODUCTS = Table(
    name="points_products",
    grain="one way to spend points",
    newest_by="updated_at",
    evidence="https://dev.smile.io/api/resources/points-products/list-points-products",
    columns=(
        _ID,
        Column("exchange_type"),
        Column("exchange_description"),
        Column("points_price", "bigint"),
        Column("variable_points_step", "bigint"),
        Column("variable_points_step_reward_value", "bigint"),
        Column("variable_points_min", "bigint"),
        Column("variable_points_max", "bigint"),
        Column("reward__id"),
        Column("reward__name"),
        Column("reward__description"),
        Column("reward__image_url"),
        Column("reward__created_at", "timestamp"),
        Column("reward__updated_at", "timestamp"),
        *_TIMES,
    ),
)

VIP_TIERS = Table(
    name="vip_tiers",
    grain="one VIP tier",
    evidence="https://dev.smile.io/api/resources/vip-tiers/list-vip-tiers",
    columns=(
        _ID,
        Column("name"),
        Column("image_url"),
        Column("milestone", "double"),
        Column("perks", "json"),
        Column("entry_rewards", "json"),
    ),
)

EARNING_RULES = Table(
    name="earning_rules",
    grain="one enabled way to earn",
    evidence="https://dev.smile.io/api/resources/earning-rules/list-earning-rules",
    columns=(
        _ID,
        Column("name"),
        Column("image_url"),
        Column("action_text"),
        Column("action_url"),
        Column("restricted_to_vip_tier_ids", "json"),
        Column("reward", "json"),
        Column("reward_value", "json"),
        Column("earning_limit", "json"),
    ),
)

POINTS_SETTINGS = Table(
    name="points_settings",
    grain="the programme's own word for points; no row without an active points programme",
    evidence="https://dev.smile.io/api/resources/points-settings/get-points-settings",
    columns=(_ID, Column("points_label__one"), Column("points_label__other")),
)

RESOURCES: tuple[Listing, ...] = (
    Listing(
        CUSTOMERS,
        "/customers",
        "customers",
        _CURSOR,
        {"include": "vip_status"},
        since_parameter="updated_at_min",  # documented as "after"
        whole=True,  # a new balance or tier may not move updated_at, and the deleted just vanish
    ),
    Listing(
        POINTS_TRANSACTIONS,
        "/points_transactions",
        "points_transactions",
        _CURSOR,
        since_parameter="updated_at_min",  # documented as "at or after"
        whole=False,
    ),
    Listing(
        REWARD_FULFILLMENTS,
        "/reward_fulfillments",
        "reward_fulfillments",
        _CURSOR,
        since_parameter="updated_at_min",  # documented as "after"
        whole=False,
    ),
    Listing(POINTS_PRODUCTS, "/points_products", "points_products", _CLASSIC),
    Listing(VIP_TIERS, "/vip_tiers", "vip_tiers", parameters={"include": "perks,entry_rewards"}),
    Listing(EARNING_RULES, "/earning_rules", "earning_rules", _CURSOR),
    Listing(
        POINTS_SETTINGS,
        "/points_settings",
        "points_settings",
        single=True,
        none_when_missing=True,
    ),
)

TABLES: Mapping[str, Table] = {
    table.name: table for table in (*(entry.table for entry in RESOURCES), EXTRACTS, QUARANTINE)
}
