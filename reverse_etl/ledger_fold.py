"""From deliveries to the latest state per person: set based, in one transaction of the ledger."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from reverse_etl.ledger_file import Scope
from reverse_etl.ledger_schema import UNSETTLED


@dataclass(frozen=True)
class OpenJob:
    """A vendor's job whose end is not known yet."""

    job_id: str
    run_id: str
    submitted_at: datetime
    row_count: int


# What is folded while its run goes on: the run keeps the count.
_COUNT_FOLDED = """
update runs set
    attempted_count = runs.attempted_count + counted.attempted,
    accepted_count = runs.accepted_count + counted.accepted,
    rejected_count = runs.rejected_count + counted.rejected,
    invalid_count = runs.invalid_count + counted.invalid
from (
    select run_id, destination, object, operation,
        count(*) filter (was_sent) as attempted,
        count(*) filter (state = 'accepted') as accepted,
        count(*) filter (state = 'rejected') as rejected,
        count(*) filter (state = 'invalid') as invalid
    from settled
    group by all
) as counted
where runs.status = 'running' and counted.run_id = runs.run_id
    and counted.destination = runs.destination and counted.object = runs.object
    and counted.operation = runs.operation
"""
# A run that never ended: what was folded of it is counted already, its other deliveries say the
# rest, and what is neither was not attempted.
CLOSE_BROKEN_RUNS = """
update runs set
    status = 'failed',
    finished_at = ?,
    attempted_count = runs.attempted_count + counted.attempted,
    accepted_count = runs.accepted_count + counted.accepted,
    rejected_count = runs.rejected_count + counted.rejected,
    invalid_count = runs.invalid_count + counted.invalid,
    aborted_count = runs.planned_count - runs.accepted_count - counted.accepted
        - runs.rejected_count - counted.rejected - runs.invalid_count - counted.invalid
        - counted.waiting
from (
    select r.run_id, r.destination, r.object, r.operation,
        count(*) filter (d.was_sent) as attempted,
        count(*) filter (d.state = 'accepted') as accepted,
        count(*) filter (d.state = 'rejected') as rejected,
        count(*) filter (d.state = 'invalid') as invalid,
        count(*) filter (d.state = 'sent') as waiting
    from runs as r
    left join deliveries as d using (run_id, destination, object, operation)
    group by all
) as counted
where runs.status = 'running' and runs.destination = ? and runs.object = ?
    and counted.run_id = runs.run_id and counted.destination = runs.destination
    and counted.object = runs.object and counted.operation = runs.operation
"""


def open_jobs(db: duckdb.DuckDBPyConnection, scope: Scope) -> list[OpenJob]:
    rows = db.execute(
        """
        select job_id, run_id, submitted_at, row_count from jobs
        where status = 'submitted' and destination = ? and object = ?
        order by submitted_at, job_id
        """,
        [scope.destination, scope.object_name],
    ).fetchall()
    return [OpenJob(*row) for row in rows]


def _unsettled(names: str) -> str:
    """SQL of a JSON object in which each of a list of names is unsettled."""
    members = f"list_transform({names}, lambda k: cast(to_json(k) as varchar) || ':{UNSETTLED}')"
    return f"'{{' || array_to_string({members}, ',') || '}}'"


def fold_settled(db: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """Deliveries with an outcome -> profiles, then forget them. Set based, one pass.

    accepted: the patch is applied, unknown: each property of the patch becomes unsettled,
    otherwise the vendor's state is what it was. Of what was accepted in part, the patch is applied
    and only what was left becomes unsettled.
    """
    scoped = [scope.destination, scope.object_name]
    found = db.execute(
        "select 1 from deliveries where state <> 'sent' and destination = ? and object = ? limit 1",
        scoped,
    ).fetchone()
    if found is None:
        return
    db.execute(
        f"""
        create or replace temp table settled as
        select *, case
            when state = 'accepted' then patch
            when left_members is not null then cast(
                json_merge_patch(patch, {_unsettled("left_members")}) as varchar)
            when state = 'unknown' then {_unsettled("json_keys(patch)")}
            end as applied
        from deliveries where state <> 'sent' and destination = ? and object = ?
        """,
        scoped,
    )
    db.execute(_COUNT_FOLDED)
    db.execute(
        """
        insert into acceptance_times
        select run_id, destination, object, date_sub('second', sent_at, settled_at), count(*)
        from settled where state = 'accepted' and sent_at is not null
        group by all
        """
    )
    db.execute(
        """
        update profiles set
            state = case when s.state = 'unknown' then 'aborted' else s.state end,
            reason_code = s.reason_code,
            operation = s.operation,
            payload_hash = case
                when s.state = 'accepted' then s.payload_hash
                when s.state = 'unknown' then null
                else profiles.payload_hash end,
            accepted = case
                when s.reason_code = 'never_created' then '{}'  -- the vendor holds nobody
                when s.applied is null then profiles.accepted
                else cast(json_merge_patch(profiles.accepted, s.applied) as varchar) end,
            job_id = coalesce(s.job_id, case when s.was_sent then null else profiles.job_id end),
            run_id = s.run_id,
            attempt_count = s.attempt_count,
            rejected_count = case s.state
                when 'rejected' then coalesce(profiles.rejected_count, 0) + 1
                when 'accepted' then null
                else profiles.rejected_count end,
            sent_at = coalesce(s.sent_at, profiles.sent_at),
            accepted_at = case when s.state = 'accepted' then s.settled_at
                else profiles.accepted_at end
        from settled as s
        where s.email = profiles.email and s.destination = profiles.destination
            and s.object = profiles.object
        """
    )
    db.execute(
        """
        insert into profiles
        select s.destination, s.object, s.email,
            case when s.state = 'unknown' then 'aborted' else s.state end,
            s.reason_code, s.operation,
            case when s.state = 'accepted' then s.payload_hash end,
            case when s.reason_code = 'never_created' then '{}'
                when s.applied like '%:null%'  -- else merging changes nothing, and costs
                then cast(json_merge_patch('{}', s.applied) as varchar)
                else coalesce(s.applied, '{}') end as accepted,
            accepted <> '{}',
            s.job_id, s.run_id, s.attempt_count, s.sent_at,
            case when s.state = 'accepted' then s.settled_at end,
            null,
            case when s.state = 'rejected' then 1 end
        from settled as s
        where not exists (
            select 1 from profiles as p where p.email = s.email
                and p.destination = s.destination and p.object = s.object
        )
        """
    )
    db.execute(
        """
        update profiles set is_holding = accepted <> '{}'
        where email in (select email from settled) and is_holding is distinct from accepted <> '{}'
            and destination = ? and object = ?
        """,
        scoped,
    )
    db.execute(
        "delete from deliveries where state <> 'sent' and destination = ? and object = ?", scoped
    )
    db.execute("drop table settled")
