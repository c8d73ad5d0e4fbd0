"""Raw tables of a generated population, as extraction would have left them."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

import dlt_sources.smile as smile
import dlt_sources.yotpo as yotpo
from dlt_sources.declarations import ColumnType, Table
from dlt_sources.inbox.tables import SMILE_EVENTS, YOTPO_EVENTS

LEDGER_ROWS_PER_MEMBER = 20
REWARDS_PER_PROGRAM = 10
SMILE_SHARE = 0.7
NOW = "2026-11-21 06:00:00"
_TYPES: Mapping[ColumnType, str] = {
    "text": "varchar", "bigint": "bigint", "double": "double", "decimal": "decimal(18,2)",
    "bool": "boolean", "timestamp": "timestamptz", "date": "date", "json": "json",
}  # fmt: skip
_STAMPS = f"1 as extract_id, timestamptz '{NOW}+00' as seen_at"
_START = "timestamptz '2023-11-22 00:00:00+00'"
_DAYS = 1090
_IS_LAST = f"(i = {REWARDS_PER_PROGRAM - 1})"  # one reward is variable
_TIERS = ("Bronze", "Silver", "Gold", "Platinum")
# Of twenty rows sixteen earn and four redeem. {member} and {row} are numbers; the hash makes every
# member live on days of his own, in order.
_CHANGE = "case when {row} % 5 = 4 then -100 else 20 + hash({member}, {row}) % 80 end"
_TEXT = (
    "case when {row} % 5 = 4 then 'Points spent on reward - $5 off coupon' "
    "when {row} = 0 then 'Create an account' else 'Placed an order' end"
)
_MOMENT = (
    f"{_START} + to_seconds((({{row}} * {_DAYS * 86_400 // LEDGER_ROWS_PER_MEMBER}) "
    f"+ hash({{member}}, {{row}}, 7) % {_DAYS * 86_400 // LEDGER_ROWS_PER_MEMBER})::bigint)"
)


def generate(file: Path, members: int) -> int:
    """Fill a new warehouse; returns the rows of both ledgers."""
    file.unlink(missing_ok=True)
    in_smile = round(members * SMILE_SHARE)
    with duckdb.connect(str(file)) as db:
        db.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        for vendor, webhooks in ((smile, SMILE_EVENTS), (yotpo, YOTPO_EVENTS)):
            db.execute(f"create schema {vendor.DATASET}")
            for table in (*vendor.TABLES.values(), webhooks):
                db.execute(_create(vendor.DATASET, table))
        for statement in _smile(in_smile) + _yotpo(members - in_smile):
            db.execute(statement)
        ((rows,),) = db.execute(
            "select (select count(*) from raw_smile.points_transactions) "
            "+ (select count(*) from raw_yotpo.history_items)"
        ).fetchall()
    return int(rows)


def _create(schema: str, table: Table) -> str:
    columns = ", ".join(f'"{each.name}" {_TYPES[each.type]}' for each in table.all_columns)
    return f'create table {schema}."{table.name}" ({columns})'


def _into(schema: str, table: str, columns: Mapping[str, str], source: str) -> str:
    listed = ", ".join(f"{expression} as {name}" for name, expression in columns.items())
    program = schema.removeprefix("raw_")
    return (
        f"insert into {schema}.{table} by name "
        f"select '{program}' as program, {_STAMPS}, {listed} from {source}"
    )


def _extracts(schema: str, *resources: str) -> str:
    names = ", ".join(f"'{name}'" for name in resources)
    return _into(
        schema,
        "extracts",
        {
            "resource": "unnest([" + names + "])", "mode": "'full'",
            "started_at": f"timestamptz '{NOW}+00'", "finished_at": f"timestamptz '{NOW}+00'",
            "row_count": "0",
        },
        "range(1)",
    )  # fmt: skip


def _ledger(members: int) -> str:
    return f"range({members}) as m(i), range({LEDGER_ROWS_PER_MEMBER}) as t(j)"


def _smile(members: int) -> list[str]:
    expressions = {"member": "i", "row": "j"}
    change, text, moment = (each.format(**expressions) for each in (_CHANGE, _TEXT, _MOMENT))
    tier = "case when balance >= 900 then 3 when balance >= 700 then 2 else 1 end"
    return [
        _into(
            "raw_smile", "points_transactions",
            {
                "id": "(i * 100 + j)::varchar", "customer_id": "i::varchar",
                "points_change": change, "description": text,
                "created_at": moment, "updated_at": moment,
            },
            _ledger(members),
        ),
        _into(
            "raw_smile", "reward_fulfillments",
            {
                "id": "id", "name": "'$5 off coupon'", "code": "'C' || id",
                "customer_id": "customer_id", "fulfillment_status": "'issued'",
                "usage_status": "case when hash(id) % 4 = 0 then 'unused' else 'used' end",
                "used_at": "case when hash(id) % 4 > 0 then created_at + interval 9 days end",
                "expires_at": "created_at + interval 180 days",
                "created_at": "created_at", "updated_at": "created_at",
            },
            "raw_smile.points_transactions where points_change < 0",
        ),
        _into(
            "raw_smile", "customers",
            {
                "id": "id", "first_name": "'First ' || id", "last_name": "'Last ' || id",
                "email": "case when n % 200 > 0 then 'Member.' || (n - n % 1000 // 999) "
                "|| '@growth.loyalty-sandbox.dev' end",
                "state": "case n % 50 when 7 then 'disabled' when 8 then 'candidate' "
                "else 'member' end",
                "date_of_birth": "case when n % 3 = 0 then '1004-05-27' end",
                "points_balance": "balance", "referral_url": "'https://i.refs.cc/' || id",
                "has_vip_status": "true",
                "vip_status__vip_tier_id": f"({tier})::varchar",
                "vip_status__vip_tier_expires_at": "timestamptz '2026-12-31 23:59:59+00'",
                "vip_status__progress_value": "balance",
                "vip_status__current_vip_period_end": "timestamptz '2026-12-31 23:59:59+00'",
                "vip_status__delta_to_retain_vip_tier": "case when n % 9 = 0 then 50.0 end",
                "vip_status__next_vip_tier_id": f"if({tier} < 3, ({tier} + 1)::varchar, null)",
                "vip_status__delta_to_next_vip_tier": f"case when {tier} < 3 then 120.0 end",
                "created_at": f"{_START}", "updated_at": "last_at",
            },
            "(select customer_id as id, customer_id::bigint as n, sum(points_change)::bigint "
            "as balance, max(created_at) as last_at from raw_smile.points_transactions "
            "group by all)",
        ),
        _into(
            "raw_smile", "points_products",
            {
                "id": "(i + 1)::varchar",
                "exchange_type": f"case when {_IS_LAST} then 'variable' else 'fixed' end",
                "points_price": f"case when not {_IS_LAST} then 100 * (i + 1) end",
                "variable_points_step": f"case when {_IS_LAST} then 100 end",
                "variable_points_step_reward_value": f"case when {_IS_LAST} then 1 end",
                "variable_points_min": f"case when {_IS_LAST} then 250 end",
                "reward__name": "'$' || 5 * (i + 1) || ' off coupon'",
            },
            f"range({REWARDS_PER_PROGRAM}) as r(i)",
        ),
        _into(
            "raw_smile", "vip_tiers",
            {"id": "i::varchar", "name": f"{list(_TIERS)}[i]", "milestone": "(i - 1) * 500.0"},
            "range(1, 4) as r(i)",
        ),
        _into(
            "raw_smile", "earning_rules",
            {"id": "i::varchar", "name": "'Rule ' || i"}, "range(1, 6) as r(i)",
        ),
        _extracts(
            "raw_smile", "customers", "points_transactions", "reward_fulfillments",
            "points_products", "vip_tiers", "earning_rules", "points_settings",
        ),
    ]  # fmt: skip


def _yotpo(members: int) -> list[str]:
    expressions = {"member": "i", "row": "j"}
    change, text, moment = (each.format(**expressions) for each in (_CHANGE, _TEXT, _MOMENT))
    key = "'member.' || {} || '@yotpo-growth.loyalty-sandbox.dev'"
    requirements = (
        """'{"points_needed": ' || n % 400 || ', "amount_cents_needed": 0, """
        """"purchases_needed": 0, "referrals_needed": 0}'"""
    )
    member = {
        "email_key": "email_key", "email": "email_key", "first_name": "'First ' || n",
        "last_name": "'Last ' || n", "points_balance": "balance", "points_earned": "earned",
        "perks_redeemed": "4", "total_purchases": "15", "total_spend_cents": "earned * 100",
        "last_purchase_at": "last_at", "last_seen_at": "last_at", "has_store_account": "true",
        "opt_in": "n % 20 > 0", "opted_in_at": "'2024-02-29'",
        "points_expire_at": "case when n % 2 = 0 then last_at + interval 1 year end",
        "vip_tier_name": f"{list(_TIERS)}[1 + n % 3]",
        "vip_tier_entry_date": f"{_START}",
        "vip_tier_expiration": "timestamptz '2026-12-31 00:00:00+00'",
        "vip_tier_maintenance_requirements": requirements,
        "vip_tier_upgrade_requirements": requirements,
    }  # fmt: skip
    known = (
        "(select email_key, split_part(email_key, '.', 2)[:-1].replace('@yotpo-growth', '')::bigint"
        " as n, sum(points)::bigint as balance, (sum(points) filter (where points > 0))::bigint as "
        "earned, max(created_at) as last_at from raw_yotpo.history_items group by all)"
    )
    return [
        _into(
            "raw_yotpo", "history_items",
            {
                "email_key": key.format("i"), "history_item_id": "md5(i || '-' || j)",
                "occurrence": "1", "created_at": moment, "completed_at": moment,
                "action": text, "points": change,
                "status": "case when j % 5 = 4 then 'CODE-' || i || '-' || j else 'Approved' end",
                "order_ids": "'[]'",
            },
            _ledger(members),
        ),
        _into("raw_yotpo", "customers", {**member, "record_hash": "md5(email_key)"}, known),
        _into(
            "raw_yotpo", "customer_details",
            {**member, "list_record_hash": "md5(email_key)", "is_found": "true"}, known,
        ),
        _into(
            "raw_yotpo", "completed_referrals",
            {
                "email_key": "email_key", "friend_email": "'friend.' || email_key",
                "last_seen_at": f"{_START} + interval 400 days",
            },
            "raw_yotpo.customers where hash(email_key) % 10 = 0",
        ),
        _into(
            "raw_yotpo", "redemption_options",
            {
                "id": "(i + 1)::varchar", "name": "'$' || 5 * (i + 1) || '.00 Off'",
                "amount": "100 * (i + 1)", "type": "'Coupon'", "discount_type": "'fixed_amount'",
                "discount_amount_cents": "500 * (i + 1)",
            },
            f"range({REWARDS_PER_PROGRAM}) as r(i)",
        ),
        _into(
            "raw_yotpo", "campaigns", {"id": "i::varchar", "title": "'Campaign ' || i"},
            "range(1, 6) as r(i)",
        ),
        _into(
            "raw_yotpo", "vip_tiers",
            {
                "id": "i::varchar", "name": f"{list(_TIERS)}[i]", "list_position": "i",
                "entry_threshold": """'{"points_earned": ' || (i - 1) * 500 || '}'""",
                "retain_threshold": """'{"points_earned": ' || (i - 1) * 500 || '}'""",
            },
            "range(1, 5) as r(i)",
        ),
        _extracts(
            "raw_yotpo", "customers", "customer_details", "redemption_options", "campaigns",
            "vip_tiers",
        ),
    ]  # fmt: skip
