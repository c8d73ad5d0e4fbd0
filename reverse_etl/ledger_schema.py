"""Tables of the ledger, as numbered migrations: a newer program opens an older file.

Never edit a migration that was released; append one.

`profiles` is the latest truth per person and destination, wide and rarely written: once per sync,
as a whole. `deliveries` holds what is under way: appended before a request leaves, settled by its
answer, folded into `profiles` at the end. So a batch costs the size of a batch, not of the ledger.

`profiles.accepted` is a JSON object: property -> value the vendor holds because of us. The value
`{"unsettled": true}` means that a request about it left and nobody knows whether it was applied: it
equals nothing, so the next plan writes or clears it again. Tags are properties named `tag:<tag>`.
"""

from collections.abc import Sequence

import duckdb

UNSETTLED = '{"unsettled":true}'

MIGRATIONS: Sequence[str] = (
    """
create table profiles (
    destination varchar not null,
    object varchar not null,
    email varchar not null,
    state varchar not null,          -- unchanged, accepted, rejected, invalid, aborted
    reason_code varchar,
    operation varchar,               -- add, change, clear: the last one planned
    payload_hash varchar,            -- of the last payload that was accepted whole
    accepted varchar not null,       -- JSON object, see above
    is_holding boolean not null,     -- accepted is not empty
    job_id varchar,
    run_id varchar,
    attempt_count integer not null,  -- tries of what is outstanding, or of what was accepted last
    sent_at timestamp,
    accepted_at timestamp            -- null = the vendor never accepted anything
);
create table deliveries (
    destination varchar not null,
    object varchar not null,
    email varchar not null,
    run_id varchar not null,
    operation varchar not null,
    state varchar not null,          -- sent, then as in profiles; 'unknown' = outcome unknown
    reason_code varchar,
    reason varchar,
    patch varchar not null,          -- JSON object; null = clear
    payload_hash varchar,
    job_id varchar,
    job_position integer,            -- place in the job's request: vendors point at rows by it
    attempt_count integer not null,
    was_sent boolean not null,
    sent_at timestamp,
    settled_at timestamp
);
create table jobs (
    destination varchar not null,
    object varchar not null,
    job_id varchar not null,
    run_id varchar not null,
    status varchar not null,         -- submitted, complete, cancelled, expired
    submitted_at timestamp not null,
    settled_at timestamp,
    row_count integer not null,
    accepted_count integer,
    rejected_count integer
);
create table runs (
    run_id varchar not null,
    destination varchar not null,
    object varchar not null,
    operation varchar not null,
    started_at timestamp not null,
    finished_at timestamp,
    status varchar not null,         -- running, succeeded, unfinished, aborted, held, failed
    planned_count bigint not null,
    attempted_count bigint not null,
    accepted_count bigint not null,
    rejected_count bigint not null,
    invalid_count bigint not null,
    aborted_count bigint not null
);
create table rejections (
    run_id varchar not null,
    destination varchar not null,
    object varchar not null,
    email varchar,
    operation varchar not null,
    state varchar not null,          -- rejected = by the vendor, invalid = by us
    reason_code varchar not null,
    reason varchar,
    attempt_count integer not null,
    recorded_at timestamp not null,
    quarantined_at timestamp
);
""",
    """
alter table profiles add column quarantined_at timestamp;  -- since when it is no longer tried
create table acceptance_times (
    run_id varchar not null,
    destination varchar not null,
    object varchar not null,
    seconds integer not null,        -- from leaving to acceptance, whole seconds
    row_count bigint not null
);
create table read_backs (
    read_back_id varchar not null,
    destination varchar not null,
    object varchar not null,
    started_at timestamp not null,
    finished_at timestamp,
    is_sample boolean not null,
    known_count bigint not null,     -- people who hold values of ours, by the ledger
    checked_count bigint not null,   -- of these: read back
    accurate_count bigint not null,
    missing_count bigint not null,   -- no such person at the vendor
    drifted_count bigint not null,   -- at least one value is another
    repaired_count bigint not null   -- marked to be written again
);
create table read_back_drift (
    read_back_id varchar not null,
    destination varchar not null,
    object varchar not null,
    email varchar not null,
    property varchar not null,       -- '' where the person is missing as a whole
    kind varchar not null            -- missing, different, unexpected
);
""",
    """
alter table profiles add column rejected_count integer;  -- refusals in a row, null = none
create table plan_sizes (
    run_id varchar not null,
    destination varchar not null,
    object varchar not null,
    planned_at timestamp not null,
    row_count bigint not null,       -- rows of the model
    known_count bigint not null      -- people who held values of ours
);
""",
    """
create table events (                -- latest truth per destination and event, see `events.ledger`
    destination varchar not null,
    event_id varchar not null,
    email varchar,
    state varchar not null,          -- accepted, rejected, invalid, aborted, skipped
    reason_code varchar,
    was_backfill boolean,            -- as it was sent last; null = it never left
    occurred_at timestamp,
    run_id varchar not null,
    attempt_count integer not null,
    rejected_count integer,          -- refusals in a row, null = none
    is_uncertain boolean not null,   -- one request with it left, and nobody knows what became of it
    sent_at timestamp,
    accepted_at timestamp,
    quarantined_at timestamp
);
create table event_deliveries (      -- what is under way or was just answered; folded into events
    destination varchar not null,
    event_id varchar not null,
    email varchar not null,
    run_id varchar not null,
    state varchar not null,          -- sent, then as in events; 'unknown' = outcome unknown
    reason_code varchar,
    reason varchar,
    was_backfill boolean not null,
    occurred_at timestamp,
    attempt_count integer not null,
    sent_at timestamp not null,
    settled_at timestamp
);
""",
    """
alter table deliveries add column left_members varchar[];  -- null = nothing of it is accepted yet;
-- else: all members of the patch are, but these (an empty list = all of them)
""",
)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the open ledger up to date; each migration is one transaction."""
    connection.execute(
        "create table if not exists schema_versions (version integer, applied_at timestamp)"
    )
    found = connection.execute("select coalesce(max(version), 0) from schema_versions").fetchone()
    current = int(found[0]) if found else 0
    for version, statements in enumerate(MIGRATIONS[current:], start=current + 1):
        connection.execute("begin")
        connection.execute(statements)
        connection.execute(
            "insert into schema_versions values (?, current_localtimestamp())", [version]
        )
        connection.execute("commit")
