"""Old records leave the ledger; what a plan needs never does.

Deleted: counters of runs, refusals, settled jobs, times of acceptance, read-backs and their drift,
sizes of plans. Kept whatever its age: what each vendor holds of each person (`profiles`), what is
under way (`deliveries`), and which events were told (`events`), for they keep a vendor from being
written to twice.
"""

from collections.abc import Mapping
from datetime import datetime

from reverse_etl.ledger_file import LedgerFile, utc

# Table -> the rows that are older than ?; children before their parents.
_OLD: Mapping[str, str] = {
    "rejections": "recorded_at < ?",
    "jobs": "settled_at < ?",
    "acceptance_times": "run_id in (select run_id from runs where started_at < ?)",
    "plan_sizes": "planned_at < ?",
    "read_back_drift": "read_back_id in (select read_back_id from read_backs where started_at < ?)",
    "read_backs": "started_at < ?",
    "runs": "started_at < ? and status <> 'running'",
}


def delete_records(ledger: LedgerFile, before: datetime) -> dict[str, int]:
    """Delete records from before a moment; table -> rows that went.

    Args:
        before: aware.

    Raises:
        LedgerBusyError: nobody let go of the ledger within its lock time.
    """
    gone = {}
    with ledger.open() as db:
        for table, is_old in _OLD.items():
            found = db.execute(f"delete from {table} where {is_old}", [utc(before)]).fetchone()
            if found and found[0]:
                gone[table] = int(found[0])
    return gone
