"""What an edited reward catalogue would change, before anybody edits the real one.

The rules are not written again: the SQL that dbt compiled for the last build runs once more, over
the audited members and the edited catalogue, in a file of its own. Data flow: audited tables +
catalogue -> the compiled models of `_MODELS` -> differences, kept in
`LOYALTY_HOME/simulations/<time>.duckdb`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.catalogue import COLUMNS, Reward, current_catalogue
from orchestration.home import Home
from orchestration.programs import programs
from vendor_http import LoyaltyError

# In this order each needs only those before it and what `_INPUTS` provides.
_MODELS = (
    ("intermediate", "int_loyalty__rewards_unioned"),
    ("intermediate", "int_loyalty__rewards_ranked"),
    ("marts", "fct_reward_eligibility"),
    ("intermediate", "int_loyalty__rewards_chosen"),
)
_CATALOGUE = pa.schema(
    [
        (name, pa.decimal128(18, 8) if "value" in name else pa.int64())
        if "points" in name or "value" in name or name == "priority"
        else (name, pa.string())
        for name in COLUMNS
    ]
)
# The rewards as the vendors' models would give them. Smile sells at any price, 0 included; at Yotpo
# an amount of 0 marks what is given, and a variable option without a rate is worth nothing.
_INPUTS = """
    create view warehouse.marts.dim_members as select * from audited.marts.dim_members;
    create table warehouse.seeds.reward_priority as
        select program, reward_id, priority from catalogue_after where priority is not null;
    create table warehouse.intermediate.int_{source}__rewards_normalised as
        select * exclude (priority), reward_name as description, null::varchar as image_url,
            {purchasable} as is_purchasable, true as is_active, null::timestamp as seen_at,
            null::timestamp as ended_at
        from catalogue_after where program in ({names});
"""
_PURCHASABLE = {
    "smile": "true",
    "yotpo": "case exchange_type when 'fixed' then coalesce(points_price, 0) > 0 "
    "else coalesce(variable_step_value, 0) > 0 end",
}
_RESULTS = """
    create table eligibility_changes as
        select program, member_id, reward_id,
            case when coalesce(before.is_eligible, false) and not coalesce(after.is_eligible, false)
                then 'loses' else 'gains' end as change,
            coalesce(before.affordable_points, 0) as points_before,
            coalesce(after.affordable_points, 0) as points_after,
            before.affordable_value as value_before,
            after.affordable_value as value_after
        from audited.marts.fct_reward_eligibility as before
        full join warehouse.marts.fct_reward_eligibility as after
            using (program, member_id, reward_id)
        where coalesce(before.is_eligible, false) <> coalesce(after.is_eligible, false);

    create table reward_changes as
        with counted as (
            select program, reward_id,
                count(*) filter (where is_before) as eligible_before_count,
                count(*) filter (where not is_before) as eligible_after_count,
                sum(affordable_value) filter (where is_before) as value_before,
                sum(affordable_value) filter (where not is_before) as value_after
            from (
                select program, reward_id, affordable_value, true as is_before
                from audited.marts.fct_reward_eligibility where is_eligible
                union all
                select program, reward_id, affordable_value, false
                from warehouse.marts.fct_reward_eligibility where is_eligible
            )
            group by all
        ),
        moved as (
            select program, reward_id,
                count(*) filter (where change = 'gains') as gains_count,
                count(*) filter (where change = 'loses') as loses_count,
                sum(points_after) filter (where change = 'gains') as gained_points
            from eligibility_changes
            group by all
        )
        select program, reward_id,
            coalesce(after.reward_name, before.reward_name) as reward_name,
            case when before.reward_id is null then 'new' when after.reward_id is null then 'ended'
                when before is distinct from after then 'changed' else 'unchanged' end as change,
            before.points_price as points_price_before,
            after.points_price as points_price_after,
            coalesce(eligible_before_count, 0) as eligible_before_count,
            coalesce(eligible_after_count, 0) as eligible_after_count,
            coalesce(gains_count, 0) as gains_count,
            coalesce(loses_count, 0) as loses_count,
            coalesce(gained_points, 0) as gained_points,
            value_before,
            value_after
        from catalogue_before as before
        full join catalogue_after as after using (program, reward_id)
        left join counted using (program, reward_id)
        left join moved using (program, reward_id);

    create table program_changes as
        with before as (
            select program, member_id, max(affordable_points) as points,
                max(affordable_value) as value
            from audited.marts.fct_reward_eligibility where is_eligible group by all
        ),
        after as (
            select program, member_id, max(affordable_points) as points,
                max(affordable_value) as value
            from warehouse.marts.fct_reward_eligibility where is_eligible group by all
        )
        select program, count(*) as member_count,
            count(before.member_id) as can_redeem_before_count,
            count(after.member_id) as can_redeem_after_count,
            count(*) filter (where before.member_id is null and after.member_id is not null)
                as gains_count,
            count(*) filter (where before.member_id is not null and after.member_id is null)
                as loses_count,
            coalesce(sum(before.points), 0)::bigint as redeemable_points_before,
            coalesce(sum(after.points), 0)::bigint as redeemable_points_after,
            coalesce(sum(before.value), 0)::decimal(18, 2) as redeemable_value_before,
            coalesce(sum(after.value), 0)::decimal(18, 2) as redeemable_value_after
        from audited.marts.dim_members
        left join before using (program, member_id)
        left join after using (program, member_id)
        where membership = 'member' and not is_deleted
        group by program;

    create table best_reward_changes as
        select program, member_id, before.best_reward_id as best_reward_id_before,
            after.best_reward_id as best_reward_id_after
        from audited.marts.fct_member_rewards as before
        left join warehouse.intermediate.int_loyalty__rewards_chosen as after
            using (program, member_id)
        where before.best_reward_id is distinct from after.best_reward_id;
"""


@dataclass(frozen=True)
class Simulation:
    """What a catalogue would change, and the file that holds it row by row."""

    file: Path
    rewards: list[dict[str, Any]]
    programs: list[dict[str, Any]]
    best_reward_changes: int


def read_current(home: Home) -> list[Reward]:
    """The catalogue as it is now, to be edited."""
    with _audited(home) as connection:
        return current_catalogue(connection)


def simulate(home: Home, catalogue: Sequence[Reward], now: datetime) -> Simulation:
    """Compare the present eligibility with that under `catalogue`; nothing else is touched.

    Raises:
        LoyaltyError: nothing was built yet.
    """
    file = home.root / "simulations" / f"{now:%Y-%m-%dT%H-%M-%S}.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with _audited(home) as connection:
        connection.execute(f"attach '{_quoted(file)}' as result (storage_version 'v1.2.0')")
        connection.execute("use result")
        _store(connection, "catalogue_before", current_catalogue(connection))
        _store(connection, "catalogue_after", catalogue)
        connection.execute("attach ':memory:' as warehouse")
        for schema in ("marts", "intermediate", "seeds"):
            connection.execute(f"create schema warehouse.{schema}")
        _provide(connection)
        for schema, model in _MODELS:
            compiled = _compiled(home, schema, model)
            connection.execute(f"create table warehouse.{schema}.{model} as {compiled}")
        connection.execute(_RESULTS)
        ((changed,),) = connection.execute("select count(*) from best_reward_changes").fetchall()
        return Simulation(
            file,
            _rows(connection, "select * from reward_changes order by program, reward_id"),
            _rows(connection, "select * from program_changes order by program"),
            int(changed),
        )


def _provide(connection: duckdb.DuckDBPyConnection) -> None:
    """What the models read: members as audited, rewards as edited."""
    view, priorities, table = (part for part in _INPUTS.split(";") if part.strip())
    connection.execute(view)
    connection.execute(priorities)
    for source, purchasable in _PURCHASABLE.items():
        names = ", ".join(f"'{each.name}'" for each in programs() if each.source == source)
        connection.execute(table.format(source=source, purchasable=purchasable, names=names))


def _audited(home: Home) -> duckdb.DuckDBPyConnection:
    if not home.audited.exists():
        raise LoyaltyError("Nothing is published yet; run `loyalty run` first")
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach '{_quoted(home.audited)}' as audited (read_only)")
    return connection


def _compiled(home: Home, schema: str, model: str) -> str:
    """The SQL that dbt made of a model in the last build."""
    found = sorted((home.dbt / "build" / "compiled").glob(f"*/models/{schema}/**/{model}.sql"))
    if not found:
        raise LoyaltyError("The last build left no SQL to work with; run `loyalty build` first")
    return found[0].read_text()


def _store(connection: duckdb.DuckDBPyConnection, table: str, rewards: Sequence[Reward]) -> None:
    rows = pa.Table.from_pylist([reward.model_dump() for reward in rewards], schema=_CATALOGUE)
    connection.register("given", rows)
    connection.execute(f"create table {table} as from given")
    connection.unregister("given")


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
