"""One person's path: source rows -> membership -> points, tier, rewards -> segments.

Reads the audited file, and the warehouse only if nobody writes it at the moment: a look never makes
a run wait. What each vendor should hold and does hold is `person_delivery`'s business. The facts
hold e-mails and names: for the screen of whoever asked, never for a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from dlt_sources.erased import normalised
from orchestration.home import Home
from orchestration.slot import SlotTakenError, writer_slot
from orchestration.tombstones import Tombstones

Row = dict[str, Any]


@dataclass(frozen=True)
class SourceRow:
    """What one raw table says of the person.

    Attributes:
        table: `raw_smile.customers`.
        row_count: rows of the person in it.
        seen_at: product clock of the extraction that read the newest of them, UTC.
        values: columns that matter of the newest row, as the vendor sent them.
    """

    program: str
    table: str
    row_count: int
    seen_at: Any
    values: Row


@dataclass(frozen=True)
class Membership:
    """One membership with its numbers.

    Attributes:
        facts: columns of `marts.dim_members`.
        speaks: whether its values fill the profile, where members share the e-mail.
        speaker: member id and reason where another member speaks.
        rewards: one dict per active reward: reward_name, price, is_eligible, points_needed,
            affordable_points, mark (best, next or empty).
        summary: columns of `marts.fct_member_rewards`.
        tier: columns of `marts.fct_member_tiers`.
        segments: segment, title, entered_on.
        coupons: status -> how many.
        why_no_rewards: why nothing can be redeemed whatever the balance; None for a member.
    """

    facts: Row
    speaks: bool
    speaker: Row | None
    rewards: list[Row]
    summary: Row | None
    tier: Row | None
    segments: list[Row]
    coupons: dict[str, int]
    why_no_rewards: str | None


@dataclass(frozen=True, repr=False)
class Person:
    """All that the sources and the audited tables say.

    Attributes:
        sources: None when the warehouse was being written.
        hint: for somebody unknown: the nearest explanation.
    """

    email: str
    sources: list[SourceRow] | None
    memberships: list[Membership]
    hint: str | None = None


@dataclass(frozen=True)
class _Source:
    table: str
    key: str
    by: str  # "email" or "member": what `key` is compared with
    columns: Sequence[str] = field(default_factory=tuple)


_SOURCES: dict[str, tuple[_Source, ...]] = {
    "smile": (
        _Source("raw_smile.customers", "email", "email", (
            "id", "state", "points_balance", "vip_tier_id", "updated_at")),
        _Source("raw_smile.points_transactions", "customer_id", "member", (
            "points_change", "description", "created_at")),
        _Source("raw_smile.reward_fulfillments", "customer_id", "member", (
            "name", "code", "usage_status", "created_at")),
    ),
    "yotpo": (
        _Source("raw_yotpo.customers", "email_key", "email", (
            "opt_in", "points_balance", "points_earned", "vip_tier_name", "last_seen_at")),
        _Source("raw_yotpo.customer_details", "email_key", "email", (
            "is_found", "points_balance", "next_points_expire_on")),
        _Source("raw_yotpo.history_items", "email_key", "email", (
            "action", "points", "status", "created_at")),
    ),
}  # fmt: skip

_REWARDS = """
    select
        r.reward_name,
        coalesce(r.points_price, r.variable_min_points) as price,
        r.exchange_type,
        e.is_eligible,
        e.points_needed,
        e.affordable_points,
        case
            when e.reward_id = w.best_reward_id then 'best'
            when e.reward_id = w.next_reward_id then 'next'
            else ''
        end as mark
    from marts.fct_reward_eligibility as e
    join marts.dim_rewards as r using (program, reward_id)
    left join marts.fct_member_rewards as w using (program, member_id)
    where e.program = ? and e.member_id = ?
    order by e.is_eligible desc, e.points_needed, price, r.reward_name
"""
_SEGMENTS = """
    select m.segment, s.title, m.entered_on
    from marts.fct_member_segments as m
    left join marts.dim_segments as s using (program, segment)
    where m.program = ? and m.member_id = ?
    order by all
"""
_MINE = "select * from {relation} where program = ? and member_id = ?"


def find_person(home: Home, email: str) -> Person:
    """What is known of the person, in any spelling of the e-mail."""
    key = normalised(email)
    memberships = _memberships(home.audited, key)
    members = {(m.facts["program"], m.facts["member_id"]) for m in memberships}
    sources = _sources(home, key, members)
    return Person(key, sources, memberships, _hint(home, key, sources, memberships))


def read(file: Path) -> duckdb.DuckDBPyConnection:
    """A file of the product, read-only, times in UTC."""
    connection = duckdb.connect(str(file), read_only=True)
    connection.execute("set timezone = 'UTC'")
    return connection


def rows(db: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any]) -> list[Row]:
    """The answer as dicts; none where a table is not there (yet)."""
    try:
        found = db.execute(query, list(parameters))
    except (duckdb.CatalogException, duckdb.BinderException):
        return []
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _memberships(audited: Path, email: str) -> list[Membership]:
    if not audited.exists():
        return []
    with read(audited) as db:
        found = rows(
            db,
            "select * from marts.dim_members where email = ? order by program, member_id",
            [email],
        )
        return [_membership(db, facts) for facts in found]


def _membership(db: duckdb.DuckDBPyConnection, facts: Row) -> Membership:
    key = [facts["program"], facts["member_id"]]

    def one(relation: str) -> Row | None:
        return next(iter(rows(db, _MINE.format(relation=relation), key)), None)

    speaker = one("sync.conflicts")
    coupons = rows(
        db,
        "select status, count(*) as number from marts.fct_coupons "
        "where program = ? and member_id = ? group by all order by all",
        key,
    )
    return Membership(
        facts=facts,
        speaks=speaker is None and not facts["is_deleted"],
        speaker=speaker,
        rewards=rows(db, _REWARDS, key),
        summary=one("marts.fct_member_rewards"),
        tier=one("marts.fct_member_tiers"),
        segments=rows(db, _SEGMENTS, key),
        coupons={each["status"]: each["number"] for each in coupons},
        why_no_rewards=_why_no_rewards(facts),
    )


def _why_no_rewards(facts: Row) -> str | None:
    if facts["is_deleted"]:
        return "gone at the vendor: nothing can be redeemed, and our properties are cleared"
    if facts["membership"] == "member":
        return None
    words = {
        "non_member": "has not joined the programme",
        "excluded": "is excluded from the programme",
    }
    what = words.get(facts["membership"], "has a state that is not known here")
    return f"{what} (the vendor says {facts['source_state']}): rewards are for members only"


def _sources(home: Home, email: str, members: set[tuple[str, str]]) -> list[SourceRow] | None:
    if not home.warehouse.exists():
        return []
    try:
        with (
            writer_slot(home, wait_seconds=0, foreign_wait_seconds=0),
            read(home.warehouse) as db,
        ):
            return _read_sources(db, email, members)
    except SlotTakenError:
        return None


def _read_sources(
    db: duckdb.DuckDBPyConnection, email: str, members: set[tuple[str, str]]
) -> list[SourceRow]:
    found = []
    fresh = rows(
        db, "select program, id from raw_smile.customers where lower(trim(email)) = ?", [email]
    )
    ids = sorted({member for _, member in members} | {each["id"] for each in fresh})
    for tables in _SOURCES.values():
        for source in tables:
            wanted = [email] if source.by == "email" else ids
            columns = ", ".join(source.columns)
            answer = rows(
                db,
                f"select program, {columns}, seen_at, count(*) over (partition by program) as n "
                f"from {source.table} where list_contains(?, lower(trim({source.key}))) "
                f"qualify row_number() over (partition by program "
                f"order by {source.columns[-1]} desc nulls last) = 1",
                [wanted],
            )
            found += [
                SourceRow(
                    each["program"], source.table, each["n"], each["seen_at"],
                    {name: each[name] for name in source.columns},
                )
                for each in answer
            ]  # fmt: skip
    return found


def _hint(
    home: Home, email: str, sources: list[SourceRow] | None, memberships: list[Membership]
) -> str | None:
    if memberships:
        return None
    stone = Tombstones.read(home).of_email(email)
    if stone is not None:
        state = "" if stone.is_finished else "; the erasure is not finished, give `forget` again"
        return f"was erased on {stone.erased_at[:10]}{state}"
    if "@" not in email:
        return "is no e-mail; people are found by their e-mail"
    if sources:
        return "is known to the programme, but not in the audited tables yet: `loyalty run`"
    if not home.audited.exists():
        return "is not known here, for nothing is published yet: `loyalty run`"
    if sources is None:
        return "is not in the audited tables; the warehouse is being written, so ask again later"
    return (
        "is unknown: neither programme has a customer with this e-mail. Look it up at Smile.io or "
        "Yotpo: the e-mail may be another, or the customer has none, and who has none is never sent"
    )
