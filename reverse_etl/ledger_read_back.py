"""Read-backs in the ledger: whom to read, what was found, and what is to be written again.

Owns the tables `read_backs` and `read_back_drift`. No value is stored here, only names of
properties and the kind of difference; per-person rows stay in the ledger, and only those of the
latest read-back of each destination and object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from reverse_etl.declarations import TAG_PREFIX
from reverse_etl.drift import WHOLE_PERSON, Difference
from reverse_etl.ledger_file import LedgerFile, Scope, utc
from reverse_etl.ledger_schema import UNSETTLED

# Marking waits for a running sync: a plan made before the mark would settle over it.
_WAIT_FOR_SYNC_SECONDS = 600.0
# Whoever the vendor has accepted something for, cleared people included. Left out: who has a
# delivery under way, who turned out never to have been created, whose values are all unsettled.
_SETTLED = """
from profiles as p
where destination = ? and object = ? and accepted_at is not null
    and reason_code is distinct from 'never_created'
    and not exists (
        select 1 from deliveries as d
        where d.email = p.email and d.destination = p.destination and d.object = p.object
    )
"""
_KNOWN = f"""
{_SETTLED}
    and (not contains(accepted, '{UNSETTLED}') or len(list_filter(
        json_keys(accepted),
        lambda k: cast(json_extract(accepted, '$."' || k || '"') as varchar) <> '{UNSETTLED}'
    )) > 0)
"""


@dataclass(frozen=True)
class ReadBack:
    """What one read-back found; counts of people.

    Attributes:
        known: people whom the vendor should know from us.
        checked: of these, read back and compared; checked = accurate + missing + drifted.
        missing: the vendor does not know them.
        drifted: at least one value is not the one it accepted.
        repaired: marked to be written again.
        by_property: (property, kind, people), most people first; property "" = the whole person.
        stopped: reason code why not everybody was read, or None.
    """

    read_back_id: str
    scope: Scope
    started_at: datetime
    finished_at: datetime
    is_sample: bool
    known: int
    checked: int
    accurate: int
    missing: int
    drifted: int
    repaired: int = 0
    by_property: tuple[tuple[str, str, int], ...] = ()
    stopped: str | None = None

    @property
    def accuracy(self) -> float:
        """Share of the checked who are as accepted; 1 when there was nobody to check."""
        return self.accurate / self.checked if self.checked else 1.0


@dataclass(frozen=True, repr=False)
class Holding:
    """What the ledger says of one person: a JSON object, and when it was last accepted (UTC)."""

    accepted: str
    accepted_at: datetime


def choose_people(
    ledger: LedgerFile, scope: Scope, day: datetime, sample: int | None
) -> tuple[int, list[str]]:
    """How many people can be read back, and the e-mails of those to read now.

    A sample is a window over all people in the order of a hash of their e-mail. It moves on by its
    own length each day, so daily samples see everybody once before they see anybody again; the same
    day gives the same people.

    Args:
        day: any moment of the day.
        sample: people to read; None = all.
    """
    with ledger.open() as db:
        scoped = [scope.destination, scope.object_name]
        found = db.execute(f"select count(*) {_KNOWN}", scoped).fetchone()
        total = int(found[0]) if found else 0
        if sample is None or sample >= total:
            rows = db.execute(f"select email {_KNOWN} order by md5(email), email", scoped)
        else:
            first = day.astimezone(UTC).toordinal() * sample % total
            rows = db.execute(
                f"""
                with placed as (
                    select email, row_number() over (order by md5(email), email) - 1 as place
                    {_KNOWN}
                )
                select email from placed where (place - ? + ?) % ? < ? order by place
                """,
                [*scoped, first, total, total, sample],
            )
        return total, [str(row[0]) for row in rows.fetchall()]


def tags_given(ledger: LedgerFile, scope: Scope) -> frozenset[str]:
    """Every tag that somebody carries because of us, by the ledger."""
    with ledger.open() as db:
        rows = db.execute(
            """
            select distinct key from (
                select unnest(json_keys(accepted)) as key from profiles
                where destination = ? and object = ? and is_holding
            ) where starts_with(key, ?)
            """,
            [scope.destination, scope.object_name, TAG_PREFIX],
        ).fetchall()
    return frozenset(str(row[0]).removeprefix(TAG_PREFIX) for row in rows)


def holdings(ledger: LedgerFile, scope: Scope, emails: Sequence[str]) -> dict[str, Holding]:
    """What these people should show now; whoever is being written to at the moment is left out."""
    with ledger.open() as db:
        _register_emails(db, emails)
        rows = db.execute(
            f"select email, accepted, accepted_at {_SETTLED} "
            "and email in (select email from wanted_emails)",
            [scope.destination, scope.object_name],
        ).fetchall()
        db.unregister("wanted_emails")
    return {email: Holding(accepted, at.replace(tzinfo=UTC)) for email, accepted, at in rows}


def record_drift(
    ledger: LedgerFile,
    scope: Scope,
    read_back_id: str,
    found: Sequence[tuple[str, Difference]],
) -> None:
    """Write down differences: (e-mail, difference)."""
    if not found:
        return
    rows = pa.table(
        {
            "email": pa.array([email for email, _ in found], pa.string()),
            "property": pa.array([each.property for _, each in found], pa.string()),
            "kind": pa.array([each.kind for _, each in found], pa.string()),
        }
    )
    with ledger.open() as db:
        db.register("incoming", rows)
        db.execute(
            "insert into read_back_drift select ?, ?, ?, email, property, kind from incoming",
            [read_back_id, scope.destination, scope.object_name],
        )
        db.unregister("incoming")


def drift_by_property(
    ledger: LedgerFile, scope: Scope, read_back_id: str
) -> tuple[tuple[str, str, int], ...]:
    """(property, kind, people) of one read-back, most people first."""
    with ledger.open() as db:
        rows = db.execute(
            """
            select property, kind, count(*) from read_back_drift
            where read_back_id = ? and destination = ? and object = ?
            group by property, kind order by count(*) desc, property, kind
            """,
            [read_back_id, scope.destination, scope.object_name],
        ).fetchall()
    return tuple((str(name), str(kind), int(people)) for name, kind, people in rows)


def record_read_back(ledger: LedgerFile, result: ReadBack) -> None:
    """Write down a finished read-back; the per-person rows of earlier ones are dropped."""
    scope = result.scope
    with ledger.open() as db:
        db.execute(
            "insert into read_backs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                result.read_back_id, scope.destination, scope.object_name,
                utc(result.started_at), utc(result.finished_at), result.is_sample,
                result.known, result.checked, result.accurate, result.missing, result.drifted,
                result.repaired,
            ],
        )  # fmt: skip
        db.execute(
            """
            delete from read_back_drift
            where destination = ? and object = ? and read_back_id <> ?
            """,
            [scope.destination, scope.object_name, result.read_back_id],
        )


def mark_for_repair(ledger: LedgerFile, scope: Scope, read_back_id: str) -> int:
    """Make everything that this read-back found wrong unsettled, so that the next plan writes it.

    Of people whom the vendor does not know, all values become unsettled and their acceptance is
    forgotten: the next plan adds who may get a profile, and asks for the others before it writes.
    Nobody with a delivery under way is touched.

    Returns:
        people marked.

    Raises:
        LedgerBusyError: a sync of this destination runs and does not end.
    """
    scoped = [scope.destination, scope.object_name]
    with ledger.exclusive(scope, _WAIT_FOR_SYNC_SECONDS), ledger.open() as db:
        marked = db.execute(
            f"""
            with marks as (
                select email, bool_or(property = '{WHOLE_PERSON}') as is_missing,
                    list(property) as names
                from read_back_drift
                where read_back_id = ? and destination = ? and object = ?
                group by email
            )
            update profiles set
                accepted = cast(json_merge_patch(accepted, '{{' || array_to_string(
                    list_transform(
                        case when is_missing then json_keys(accepted) else names end,
                        lambda n: cast(to_json(n) as varchar) || ':{UNSETTLED}'
                    ), ',') || '}}') as varchar),
                is_holding = true,
                payload_hash = null,
                accepted_at = case when is_missing then null else accepted_at end
            from marks
            where marks.email = profiles.email and destination = ? and object = ?
                and profiles.email not in (
                    select email from deliveries where destination = ? and object = ?
                )
            returning profiles.email
            """,
            [read_back_id, *scoped, *scoped, *scoped],
        ).fetchall()
        db.execute(
            "update read_backs set repaired_count = ? where read_back_id = ? "
            "and destination = ? and object = ?",
            [len(marked), read_back_id, *scoped],
        )
    return len(marked)


def _register_emails(db: duckdb.DuckDBPyConnection, emails: Sequence[str]) -> None:
    db.register("wanted_emails", pa.table({"email": pa.array(emails, pa.string())}))
