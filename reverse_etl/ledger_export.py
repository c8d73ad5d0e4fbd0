"""The ledger as published tables (schema `sync`): what `EXPORTS` lists.

Column names are what analysts and dbt rely on: add, never rename. Rows travel as Arrow, so that
ledger and published file never have to be attached to each other. Payloads stay in the ledger: what
a vendor holds of somebody is asked for by person (`loyalty why`), not in bulk.
"""

from collections.abc import Mapping, Sequence

import duckdb

from reverse_etl.ledger_words import TABLES

# A delivery under way is newer than the state it will become.
_PROFILES = """
    with under_way as (
        select destination, object, email, run_id, operation, job_id, attempt_count, sent_at
        from deliveries where state = 'sent'
    )
    select
        destination, object, email,
        case when u.email is not null then 'sent' else p.state end as state,
        case when u.email is null then p.reason_code end as reason_code,
        p.payload_hash,
        coalesce(u.job_id, p.job_id) as job_id,
        coalesce(u.sent_at, p.sent_at) as sent_at,
        p.accepted_at,
        coalesce(u.run_id, p.run_id) as run_id,
        coalesce(u.operation, p.operation) as operation,
        coalesce(u.attempt_count, p.attempt_count) as attempt_count,
        p.quarantined_at{more}
    from profiles as p full join under_way as u using (destination, object, email)
    order by destination, object, email
"""
# For one person at a time: the JSON object of what the vendor holds of ours goes along.
PROFILES_WITH_PAYLOAD = _PROFILES.format(more=",\n        p.accepted as accepted_payload")
EXPORTS: Mapping[str, str] = {
    "runs": """
        select run_id, destination, object, operation, started_at, finished_at, status,
            planned_count, attempted_count, accepted_count, rejected_count, invalid_count,
            aborted_count
        from runs
        order by started_at, run_id, destination, object, operation
    """,
    "profiles": _PROFILES.format(more=""),
    # An event under way is told as such until its answer is folded.
    "events": """
        with under_way as (
            select destination, event_id, email, run_id, was_backfill, occurred_at, sent_at
            from event_deliveries where state = 'sent'
        )
        select
            destination, event_id, coalesce(e.email, u.email) as email,
            case when u.event_id is not null then 'sent' else e.state end as state,
            case when u.event_id is null then e.reason_code end as reason_code,
            coalesce(u.was_backfill, e.was_backfill) as was_backfill,
            coalesce(u.occurred_at, e.occurred_at) as occurred_at,
            coalesce(u.sent_at, e.sent_at) as sent_at,
            e.accepted_at,
            coalesce(u.run_id, e.run_id) as run_id,
            e.quarantined_at
        from events as e full join under_way as u using (destination, event_id)
        order by destination, event_id
    """,
    "rejections": """
        select run_id, destination, object, email, operation, state, reason_code, reason,
            attempt_count, recorded_at, quarantined_at
        from rejections
        order by recorded_at, run_id, destination, email
    """,
    "jobs": """
        select destination, object, job_id, run_id, status, submitted_at, settled_at, row_count,
            accepted_count, rejected_count
        from jobs
        order by submitted_at, destination, object, job_id
    """,
    # Each fold adds its own rows; readers see one per number of seconds.
    "acceptance_times": """
        select run_id, destination, object, seconds, cast(sum(row_count) as bigint) as row_count
        from acceptance_times
        group by run_id, destination, object, seconds
        order by run_id, destination, object, seconds
    """,
    "read_backs": """
        select read_back_id, destination, object, started_at, finished_at, is_sample, known_count,
            checked_count, accurate_count, missing_count, drifted_count, repaired_count,
            cast(accurate_count * 10000 // nullif(checked_count, 0) / 10000 as decimal(5, 4))
                as accuracy
        from read_backs
        order by started_at, destination, object, read_back_id
    """,
    # Who drifted stays in the ledger. Rows of a read-back that never finished tell nothing yet.
    "drift": """
        select d.destination, d.object, nullif(d.property, '') as property, d.kind, r.started_at,
            count(*) as people_count
        from read_back_drift as d
        join read_backs as r using (read_back_id, destination, object)
        group by all
        order by d.destination, d.object, people_count desc, property, d.kind
    """,
}


def write_exports(
    ledger: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, schema: str
) -> None:
    """Replace the tables of `EXPORTS` in `schema` of `target`."""
    quoted = ".".join(f'"{part}"' for part in schema.split("."))
    target.execute(f"create schema if not exists {quoted}")
    for table, query in EXPORTS.items():
        rows = ledger.sql(query).to_arrow_table()
        name = f"_ledger_{table}"
        target.register(name, rows)
        try:
            target.execute(f"create or replace table {quoted}.{table} as select * from {name}")
        finally:
            target.unregister(name)
        _describe(target, f"{quoted}.{table}", table, rows.column_names)


def _describe(
    target: duckdb.DuckDBPyConnection, relation: str, table: str, columns: Sequence[str]
) -> None:
    meaning, words = TABLES[table]
    target.execute(f"comment on table {relation} is {_text(meaning)}")
    for column in columns:
        target.execute(f"comment on column {relation}.{column} is {_text(words[column])}")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
