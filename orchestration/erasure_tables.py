"""One person in a DuckDB file: which rows are theirs, and whether anything of them is left.

Goes by the names of columns, not by a list of tables, so that a table that joins later is covered:

    whose row it is   member_id, ..._member_id, customer_id, email_key; a raw table's own key column
                      where its declaration says so (`Column.names`); email, ..._email
    by way of others  referral_id of a row that goes; what quarantine keeps of a record
    all other text    is searched: an address in it is taken out, the row stays

Opens no file. Aggregates (`kpi_*`) name nobody and stay; the next build calculates them anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
import pyarrow as pa

from dlt_sources import smile, yotpo
from dlt_sources.declarations import QUARANTINE, Table
from dlt_sources.erased import mentions, normalised, without_mentions
from dlt_sources.inbox.tables import NAME as WEBHOOKS
from dlt_sources.inbox.tables import SMILE_EVENTS, YOTPO_EVENTS

_OWNERS = ("member_id", "customer_id", "email_key")
_RAW: Mapping[str, Mapping[str, Table]] = {
    "raw_smile": {**smile.TABLES, WEBHOOKS: SMILE_EVENTS},
    "raw_yotpo": {**yotpo.TABLES, WEBHOOKS: YOTPO_EVENTS},
}
_STAGING_SUFFIX = "_staging"  # dlt's copy of the last load


@dataclass(frozen=True, repr=False)
class Person:
    """Whom it is about.

    Attributes:
        emails: normalised.
        members: (programme, member id).
    """

    emails: frozenset[str]
    members: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def __repr__(self) -> str:
        return f"Person({len(self.emails)} e-mails, {len(self.members)} members)"


class _Column(NamedTuple):
    name: str
    type: str


class _Relation(NamedTuple):
    """A table of a file, with its columns by what they may say of a person."""

    schema: str
    table: str
    columns: Sequence[_Column]

    @property
    def quoted(self) -> str:
        return f'"{self.schema}"."{self.table}"'

    @property
    def names(self) -> set[str]:
        return {column.name for column in self.columns}

    @property
    def owners(self) -> list[str]:
        declared = _RAW.get(self.schema.removesuffix(_STAGING_SUFFIX), {}).get(self.table)
        own = {c.name for c in declared.columns if c.names == "member"} if declared else set()
        return [
            column.name
            for column in self.columns
            if column.name in own or column.name in _OWNERS or column.name.endswith("_member_id")
        ]

    @property
    def emails(self) -> list[str]:
        return [
            column.name
            for column in self.columns
            if column.name in ("email", "email_key") or column.name.endswith("_email")
        ]

    @property
    def texts(self) -> list[_Column]:
        known = {*self.owners, *self.emails}
        return [c for c in self.columns if c.name not in known and _may_hold_text(c.type)]


def erase(db: duckdb.DuckDBPyConnection, person: Person) -> dict[str, int]:
    """Delete the person's rows and take mentions out of all others; rows per `schema.table`."""
    _register(db, person)
    relations = list(_relations(db))
    db.execute(f"create temp table erased_referrals as {_referrals(db)}")
    gone: dict[str, int] = {}
    for relation in relations:
        condition = _condition(relation)
        count = 0
        if condition:
            row = db.execute(f"delete from {relation.quoted} as t where {condition}").fetchone()
            count = int(row[0]) if row else 0
        for column in relation.texts:
            if column.type in ("VARCHAR", "JSON"):
                count += _take_out(db, relation, column, person)
        if count:
            gone[f"{relation.schema}.{relation.table}"] = count
    _unregister(db)
    db.execute("drop table erased_referrals")
    return gone


def find_left(db: duckdb.DuckDBPyConnection, person: Person) -> list[str]:
    """Tables (`schema.table`) that still hold the person: by key, or in any text at all."""
    _register(db, person)
    db.execute("create temp table erased_referrals (referral_id varchar)")
    left = []
    for relation in _relations(db):
        condition = _condition(relation)
        owned = (
            db.execute(f"select 1 from {relation.quoted} as t where {condition} limit 1").fetchall()
            if condition
            else []
        )
        if owned or any(_mentioning(db, relation, column, person) for column in relation.texts):
            left.append(f"{relation.schema}.{relation.table}")
    _unregister(db)
    db.execute("drop table erased_referrals")
    return left


def _register(db: duckdb.DuckDBPyConnection, person: Person) -> None:
    emails = pa.table({"email": pa.array(sorted(person.emails), pa.string())})
    programs, ids = zip(*sorted(person.members), strict=True) if person.members else ((), ())
    members = pa.table(
        {"program": pa.array(programs, pa.string()), "member_id": pa.array(ids, pa.string())}
    )
    db.register("erased_emails", emails)
    db.register("erased_members", members)


def _unregister(db: duckdb.DuckDBPyConnection) -> None:
    db.unregister("erased_emails")
    db.unregister("erased_members")


def _relations(db: duckdb.DuckDBPyConnection, *, views: bool = False) -> Iterator[_Relation]:
    kind = "('BASE TABLE', 'VIEW')" if views else "('BASE TABLE')"
    found = db.execute(
        f"""
        select table_schema, table_name, list(column_name order by ordinal_position),
            list(data_type order by ordinal_position)
        from information_schema.columns
        join information_schema.tables using (table_catalog, table_schema, table_name)
        where table_catalog = current_database() and table_type in {kind}
        group by all order by all
        """
    ).fetchall()
    for schema, table, names, types in found:
        columns = [_Column(*each) for each in zip(names, types, strict=True)]
        yield _Relation(schema, table, columns)


def _referrals(db: duckdb.DuckDBPyConnection) -> str:
    """Referrals that the person made or was brought by; history knows them by their id only."""
    parts = [
        f"select cast(t.referral_id as varchar) as referral_id from {relation.quoted} as t "
        f"where {_belongs(relation)}"
        for relation in _relations(db, views=True)
        if "referral_id" in relation.names and (relation.owners or relation.emails)
    ]
    return " union ".join(parts) or "select cast(null as varchar) as referral_id where false"


def _belongs(relation: _Relation) -> str:
    """SQL: a key of row `t` is the person's; empty for a table without such columns."""
    program = "and m.program = t.program" if "program" in relation.names else ""
    parts = [
        f"exists (select 1 from erased_members as m "
        f'where m.member_id = cast(t."{owner}" as varchar) {program})'
        for owner in relation.owners
    ]
    parts += [
        f'lower(trim(cast(t."{email}" as varchar))) in (select email from erased_emails)'
        for email in relation.emails
    ]
    return " or ".join(parts)


def _condition(relation: _Relation) -> str:
    """SQL: row `t` goes."""
    parts = [_belongs(relation)] if relation.owners or relation.emails else []
    if "referral_id" in relation.names:
        parts.append("t.referral_id in (select referral_id from erased_referrals)")
    if {"resource", "record_id"} <= relation.names:
        parts += [
            "lower(trim(t.record_id)) in (select email from erased_emails)",
            "t.resource = 'customers' and "
            "(t.program, t.record_id) in (select program, member_id from erased_members)",
        ]
    if relation.table == QUARANTINE.name and "payload" in relation.names:
        parts += [
            "(t.program, json_extract_string(t.payload, '$.customer_id')) in "
            "(select program, member_id from erased_members)",
            "exists (select 1 from erased_emails as e "
            "where contains(lower(cast(t.payload as varchar)), to_json(e.email)))",
        ]
    return " or ".join(f"({part})" for part in parts)


def _take_out(
    db: duckdb.DuckDBPyConnection, relation: _Relation, column: _Column, person: Person
) -> int:
    """Replace texts that mention the person; rows changed."""
    changed = 0
    is_erased = person.emails.__contains__
    for text in _mentioning(db, relation, column, person):
        row = db.execute(
            f'update {relation.quoted} set "{column.name}" = cast(? as {column.type}) '
            f'where cast("{column.name}" as varchar) = ?',
            [without_mentions(text, is_erased), text],
        ).fetchone()
        changed += int(row[0]) if row else 0
    return changed


def _mentioning(
    db: duckdb.DuckDBPyConnection,
    relation: _Relation,
    column: _Column,
    person: Person,
) -> list[str]:
    """Distinct texts of a column that mention the person."""
    value = f'cast(t."{column.name}" as varchar)'
    found = db.execute(
        f"select distinct {value} from {relation.quoted} as t where exists "
        f"(select 1 from erased_emails as e where contains(lower({value}), e.email))"
    ).fetchall()
    return [
        text
        for (text,) in found
        if any(normalised(address) in person.emails for address in mentions(text))
    ]


def _may_hold_text(kind: str) -> bool:
    """Whether values of a DuckDB type can hold an address; lists and structs of texts can."""
    return "VARCHAR" in kind or "JSON" in kind
