"""Yotpo Loyalty's listings and tables, one row each: endpoint, paging, key, columns, evidence.

Yotpo has no id for a member and none for a history item: members are keyed by their normalised
e-mail, history items by a hash. Keys of an answer vanish instead of being null, so every column is
declared. The irregular names (`birth_day`, `thirty_party_id`) are Yotpo's.
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

DATASET = "raw_yotpo"

_ID = Column("id", nullable=False)
_MEMBER = Column("email_key", nullable=False, names="email")  # trimmed and lower-cased

_MEMBER_COLUMNS = (
    _MEMBER,
    Column("email", names="email"),
    Column("first_name"),
    Column("last_name"),
    Column("phone_number"),
    Column("points_balance", "bigint"),
    Column("points_earned", "bigint"),
    Column("points_expire_at", "timestamp"),
    Column("perks_redeemed", "bigint"),
    Column("total_purchases", "bigint"),
    Column("total_spend_cents", "bigint"),
    Column("last_purchase_at", "timestamp"),
    Column("last_seen_at", "timestamp"),
    Column("third_party_id"),
    Column("thirty_party_id"),
    Column("pos_account_id"),
    Column("has_store_account", "bool"),
    Column("opt_in", "bool"),
    Column("opted_in_at"),
    Column("birth_day", "bigint"),
    Column("birthday_month", "bigint"),
    Column("vip_tier_name"),
    Column("vip_tier_entry_date", "timestamp"),
    Column("vip_tier_expiration", "timestamp"),
    Column("vip_tier_actions_completed", "json"),
    Column("vip_tier_maintenance_requirements", "json"),
    Column("vip_tier_upgrade_requirements", "json"),
)

CUSTOMERS = Table(
    name="customers",
    grain="one member or shopper, as the walk over all of them showed it",
    key=("email_key",),
    newest_by="last_seen_at",
    evidence="https://loyaltyapi.yotpo.com/reference/fetch-all-recently-updated-customers",
    columns=(*_MEMBER_COLUMNS, Column("record_hash")),
)

CUSTOMER_DETAILS = Table(
    name="customer_details",
    grain="one member or shopper, as asked for alone",
    key=("email_key",),
    evidence="https://loyaltyapi.yotpo.com/reference/fetch-customer-details",
    columns=(
        *_MEMBER_COLUMNS,
        Column("list_record_hash"),
        Column("credit_balance"),  # money as people read it: "$2,620"
        Column("credit_balance_amount", "decimal", aliases=("credit_balance",)),
        Column("credit_balance_in_customer_currency"),
        Column("next_points_expire_on", "date"),
        Column("next_points_expire_amount", "bigint"),
        Column("birthday_year", "bigint"),
        Column("referral_code", "json"),  # legacy referral programme
        Column("referral_link", "json", aliases=("referal_link",)),  # newer one; docs misspell it
        Column("is_found", "bool", nullable=False),
    ),
)

HISTORY_ITEMS = Table(
    name="history_items",
    grain="one entry of a member's points history",
    key=("email_key",),
    replaces=True,
    identity=("history_item_id",),
    evidence="https://loyaltyapi.yotpo.com/reference/fetch-customer-details",
    columns=(
        _MEMBER,
        Column("history_item_id", nullable=False),
        Column("occurrence", "bigint", nullable=False),
        Column("created_at", "timestamp"),
        Column("date", "date"),
        Column("completed_at", "timestamp"),
        Column("action"),
        Column("action_name"),
        Column("points", "bigint"),
        Column("credits"),
        Column("status"),  # of an earning its state, of a redemption the coupon code
        Column("order_ids", "json"),
    ),
)

COMPLETED_REFERRALS = Table(
    name="completed_referrals",
    grain="one friend whom a member brought",
    key=("email_key",),
    replaces=True,
    identity=("friend_email",),
    evidence="https://loyaltyapi.yotpo.com/reference/fetch-customer-details",
    columns=(
        _MEMBER,
        Column("friend_email", names="email"),
        Column("first_name"),
        Column("last_name"),
        Column("referral_points_contributed", "bigint"),
        Column("last_seen_at", "timestamp"),
        Column("reward_type"),
        Column("referral_status"),
    ),
)

CUSTOMER_ANNIVERSARIES = Table(
    name="customer_anniversaries",
    grain="one member or shopper whose anniversary was asked for",
    key=("email_key",),
    evidence="https://github.com/mindcloud-inc/universal-api-reference",
    columns=(
        _MEMBER,
        Column("day", "bigint"),
        Column("month", "bigint"),
        Column("year", "bigint"),
        Column("is_found", "bool", nullable=False),
    ),
)

REDEMPTION_OPTIONS = Table(
    name="redemption_options",
    grain="one active way to spend points",
    evidence="https://loyaltyapi.yotpo.com/reference/fetch-active-redemption-options",
    columns=(
        _ID,
        Column("name"),
        Column("description"),
        Column("unrendered_name"),
        Column("unrendered_description"),
        Column("icon"),
        Column("cost_text"),
        Column("amount", "bigint"),  # the cost in points
        Column("type"),
        Column("discount_type"),
        Column("discount_amount_cents", "bigint"),
        Column("discount_percentage", "double"),
        Column("discount_rate_cents", "double"),
        Column("discount_value_cents", "bigint"),
        Column("applies_to_product_type"),
        Column("duration"),
        Column("cart_greater_than"),
        Column("discount_with_currency"),
        Column("variant_id"),
        Column("quantity", "bigint"),
    ),
)

CAMPAIGNS = Table(
    name="campaigns",
    grain="one active way to earn",
    evidence="https://loyaltyapi.yotpo.com/reference/get-active-campaigns",
    columns=(
        _ID,
        Column("title"),
        Column("details"),
        Column("type"),
        Column("cta_text"),
        Column("icon"),
        Column("reward_text"),
        Column("url"),
        Column("expires_at", "timestamp"),
        Column("ends_at", "timestamp"),
        Column("max_completions_per_user", "bigint"),
        Column("min_actions_required", "bigint"),
        Column("display_order", "bigint"),
        Column("action_name"),
        Column("created_at", "timestamp"),
        Column("updated_at", "timestamp"),
        Column("share_text"),
        Column("username"),
        Column("entity_id"),
        Column("hashtags"),
        Column("question"),
        Column("default_email_body"),
        Column("ask_year"),
        Column("admin_display_name"),
        Column("unrendered_title"),
        Column("unrendered_details"),
        Column("title_with_multi_currency_template"),
        Column("details_with_multi_currency_template"),
        Column("extra_copy1"),
        Column("extra_copy2"),
        Column("include_audience_ids"),
        Column("include_audience_names"),
        Column("exclude_audience_ids"),
        Column("exclude_audience_names"),
    ),
)

VIP_TIERS = Table(
    name="vip_tiers",
    grain="one VIP tier",
    evidence="https://github.com/mindcloud-inc/universal-api-reference",
    columns=(
        _ID,
        Column("name"),
        Column("description"),
        Column("type"),
        Column("points_multiplier"),  # text or number at the vendor
        Column("points_reward", "bigint"),
        Column("coupon_reward"),
        Column("entry_threshold", "json"),
        Column("retain_threshold", "json"),
        Column("regain_threshold", "json"),
        Column("list_position", "bigint"),  # ours: tiers have no rank; 1 = first in the answer
    ),
)

# The list key is documented for the legacy endpoint only, hence the bare array as a second form.
MEMBERS = Listing(
    CUSTOMERS,
    "/customers/recent",
    "customers",
    CursorPaging("per_page", "page_info", "next_page_info", 100),
    bare_array=True,
)

# The bulk endpoint of 2020, gone from the list of 2026; its paging is known from a Singer tap of
# that year (https://github.com/singer-io/tap-swellrewards).
ALL_MEMBERS = Listing(
    CUSTOMERS,
    "/customers/all",
    "customers",
    NumberedPaging("per_page", "page", 100, total_key=("links", "total_pages")),
)

RESOURCES: tuple[Listing, ...] = (
    MEMBERS,
    Listing(REDEMPTION_OPTIONS, "/redemption_options", "redemption_options", bare_array=True),
    Listing(CAMPAIGNS, "/campaigns", "campaigns", bare_array=True),
    Listing(VIP_TIERS, "/vip_tiers", "vip_tiers", bare_array=True),
)

# What the walk over the members feeds besides `customers`.
MEMBER_TABLES = (
    CUSTOMERS,
    CUSTOMER_DETAILS,
    HISTORY_ITEMS,
    COMPLETED_REFERRALS,
    CUSTOMER_ANNIVERSARIES,
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        *MEMBER_TABLES,
        REDEMPTION_OPTIONS,
        CAMPAIGNS,
        VIP_TIERS,
        EXTRACTS,
        QUARANTINE,
    )
}
