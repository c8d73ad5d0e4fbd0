"""Rows that a vendor keeps refusing: tried again with fresh data, then set aside until released.

Owns the end of the tries and the way back. A row in quarantine is planned no more, whatever its
data become: refusals are about the person's record at the vendor or its key more often than about
one value, and a row that fails every day hides the one that began to fail today.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from reverse_etl.ledger_file import LedgerFile, Scope, utc

# Tries of one row before it is set aside; a week of daily runs, with a weekend to notice.
ATTEMPTS = 7


@dataclass(frozen=True, repr=False)
class Refused:
    """One person whose last delivery was refused.

    `rejected_count`: refusals in a row; `reason`: the vendor's words, without personal data.
    """

    destination: str
    object_name: str
    email: str
    state: str
    operation: str
    reason_code: str
    reason: str | None
    rejected_count: int
    last_at: datetime | None
    quarantined_at: datetime | None

    def __repr__(self) -> str:
        return f"Refused({self.destination}, {self.reason_code}, {self.rejected_count})"


def set_aside(ledger: LedgerFile, scope: Scope, now: datetime, attempts: int = ATTEMPTS) -> int:
    """Put those in quarantine who were refused `attempts` times in a row; returns how many."""
    with ledger.open() as db:
        found = db.execute(
            """
            update profiles set quarantined_at = ?
            where destination = ? and object = ? and state = 'rejected'
                and quarantined_at is null and rejected_count >= ?
            returning email
            """,
            [utc(now), scope.destination, scope.object_name, attempts],
        ).fetchall()
        if found:
            # Only the latest refusal of each carries the mark: the earlier ones were tried again.
            db.execute(
                """
                update rejections set quarantined_at = ?
                where destination = ? and object = ? and state = 'rejected'
                    and email in (select unnest(?))
                    and recorded_at = (
                        select max(r.recorded_at) from rejections as r
                        where r.destination = rejections.destination
                            and r.object = rejections.object and r.email = rejections.email
                    )
                """,
                [utc(now), scope.destination, scope.object_name, [row[0] for row in found]],
            )
    return len(found)


def count_set_aside(ledger: LedgerFile, scope: Scope) -> tuple[int, int]:
    """People of a destination that the ledger knows, and how many of them are set aside."""
    if not ledger.path.exists():
        return 0, 0
    with ledger.open() as db:
        found = db.execute(
            "select count(*), count(quarantined_at) from profiles "
            "where destination = ? and object = ?",
            [scope.destination, scope.object_name],
        ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def refused(
    ledger: LedgerFile, destinations: Collection[str], *, only_quarantined: bool = False
) -> list[Refused]:
    """People whose last delivery was refused, by the vendor or by us; quarantined ones first."""
    with ledger.open() as db:
        rows = db.execute(
            """
            select p.destination, p.object, p.email, p.state, p.operation,
                coalesce(p.reason_code, 'refused'), last.reason, coalesce(p.rejected_count, 0),
                last.recorded_at, p.quarantined_at
            from profiles as p
            left join (
                select destination, object, email, max(recorded_at) as recorded_at,
                    arg_max(reason, recorded_at) as reason
                from rejections group by all
            ) as last using (destination, object, email)
            where p.state in ('rejected', 'invalid') and list_contains(?, p.destination)
                and (p.quarantined_at is not null or not ?)
            order by p.quarantined_at is null, p.destination, p.reason_code, p.email
            """,
            [list(destinations), only_quarantined],
        ).fetchall()
    return [Refused(*row) for row in rows]


def release(
    ledger: LedgerFile,
    destinations: Collection[str],
    *,
    email: str | None = None,
    reason_code: str | None = None,
) -> int:
    """Let quarantined people be tried again from the next sync on; returns how many.

    Args:
        email: only this person; None = everybody.
        reason_code: only those refused for this reason.
    """
    key = email.strip().lower() if email else None
    with ledger.open() as db:
        found = db.execute(
            """
            update profiles set quarantined_at = null, rejected_count = null
            where quarantined_at is not null and list_contains(?, destination)
                and (? is null or email = ?) and (? is null or reason_code = ?)
            returning destination, object, email
            """,
            [list(destinations), key, key, reason_code, reason_code],
        ).fetchall()
        if found:
            db.executemany(
                """
                update rejections set quarantined_at = null
                where quarantined_at is not null and destination = ? and object = ? and email = ?
                """,
                [list(row) for row in found],
            )
    return len(found)
