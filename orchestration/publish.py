"""Write–audit–publish: the step between a build that passed its tests and the people who read it.

The warehouse's reader-facing schemas are copied into a new file, which replaces the old one in a
single rename: readers keep what they have open, a crash leaves yesterday's file. Two files leave
this module, with the same tables: `audited.duckdb`, which only the product opens (so that nobody's
shell can stop a sync), and `published/loyalty.duckdb` for people, with the record of deliveries.

The record grows after the build, so the models over it are computed again whenever it is published:
with the SQL that dbt made of them, which travels in the audited file beside what it belongs to.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration import dictionary as words
from orchestration.audit import end_build, unpublished
from orchestration.dictionary import Entry
from orchestration.home import Home
from orchestration.settings import load_settings
from orchestration.slot import exclusive, writer_slot
from reverse_etl.file_rewrite import to_disk
from reverse_etl.ledger import Ledger
from reverse_etl.ledger_export import EXPORTS
from vendor_http import LoyaltyError

SCHEMAS = ("marts", "activation", "sync")
DELIVERIES = "sync"
# In the audited file only: name and SQL of the models over the deliveries.
_KEPT = "delivery_models"
# The oldest DuckDB whose files every client since 1.2 can open; 2.0's own format shuts out 1.x.
STORAGE_VERSION = "v1.2.0"
_WAIT_SECONDS = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """What was published: rows per `schema.table`, and the size of the file in bytes.

    All tables of the published file, or those that were replaced in it.
    """

    path: Path
    rows: dict[str, int]
    size_bytes: int


@dataclass(frozen=True)
class Described:
    """A table in words: what it is, and each of its columns."""

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class DeliveryModel:
    """A model over the record of deliveries, with the SQL that dbt made of it in the last build.

    The SQL names its tables as the warehouse does: `"warehouse"."sync"."runs"`.
    """

    schema: str
    table: str
    sql: str


def publish(
    home: Home,
    descriptions: Mapping[tuple[str, str], Described],
    delivery_models: Sequence[DeliveryModel] = (),
    dictionary: Sequence[Entry] = (),
    *,
    say: Callable[[str], None] = _log.info,
) -> Published:
    """Copy the audited schemas out of the warehouse and put them in front of readers.

    Call only after a build whose blocking tests passed.

    Args:
        descriptions: by (schema, table); they travel with the tables as comments, so that a client
            shows them beside the columns.
        delivery_models: to be computed again after each sync, each after those it reads.
        dictionary: what is written to the vendors, in words; published beside it.
        say: told whom it waits for.

    Raises:
        LoyaltyError: there is nothing to publish.
    """
    with writer_slot(home, say=say) as warehouse:
        if not warehouse.exists():
            raise LoyaltyError("There is no warehouse to publish yet; run `loyalty build` first")
        with _replacing(home.audited) as new:
            copied = _copy_tables(warehouse, new, None, descriptions)
            if not copied:
                raise LoyaltyError("The warehouse holds no marts yet; run `loyalty build` first")
            with duckdb.connect(str(new)) as connection:
                _keep(connection, [m for m in delivery_models if f"{m.schema}.{m.table}" in copied])
                words.write_dictionary(connection, dictionary)
        end_build(home)
    publish_deliveries(home)
    return Published(home.published, _count(home.published), home.published.stat().st_size)


def publish_tables(
    home: Home,
    run_id: str,
    tables: Sequence[tuple[str, str]],
    descriptions: Mapping[tuple[str, str], Described],
) -> Published | None:
    """Replace single tables in front of readers; all others stay as they were audited.

    Call only after a build of these tables, by the same run, whose blocking tests passed.

    Args:
        run_id: the run that built them.
        tables: (schema, table).

    Returns:
        What was replaced; None when another build has begun since, whose publication takes these
        tables along.

    Raises:
        LoyaltyError: nothing was published yet.
    """
    require_published(home)
    with writer_slot(home) as warehouse:
        build = unpublished(home)
        if build is None or build.run_id != run_id:
            return None
        with _replacing(home.audited) as new:
            shutil.copyfile(home.audited, new)
            rows = _copy_tables(warehouse, new, tables, descriptions)
        end_build(home)
    publish_deliveries(home)
    return Published(home.published, rows, home.published.stat().st_size)


def require_published(home: Home) -> None:
    """Refuse a home without audited tables.

    Raises:
        LoyaltyError: nothing was published yet.
    """
    if not home.audited.exists():
        raise LoyaltyError(
            "Nothing is published yet; run `loyalty run` first, or `loyalty publish` after a build"
        )


def publish_deliveries(home: Home) -> None:
    """Put the audited tables before readers once more, with the ledger's newest record.

    Raises:
        LoyaltyError: nothing was published yet.
    """
    require_published(home)
    mode = int(load_settings().published_mode, 8)
    with (
        exclusive(home, "publish", "the published file", _WAIT_SECONDS),
        _replacing(home.published, mode) as new,
    ):
        shutil.copyfile(home.audited, new)
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")  # as in the build
            connection.execute(f"attach {_text(str(new))} as warehouse")
            Ledger(home.ledger).export(connection, f"warehouse.{DELIVERIES}")
            _compute_again(connection)
            connection.execute("detach warehouse")  # checkpoints
    home.let_readers_in(mode)


def _keep(audited: duckdb.DuckDBPyConnection, models: Sequence[DeliveryModel]) -> None:
    audited.execute(f"create table {_KEPT} (position integer, relation varchar, query varchar)")
    for position, model in enumerate(models):
        relation = f"{_name(model.schema)}.{_name(model.table)}"
        audited.execute(f"insert into {_KEPT} values (?, ?, ?)", [position, relation, model.sql])


def _compute_again(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the models over the deliveries in the file that is attached as `warehouse`.

    Rows are replaced, not tables: types and comments stay as they were audited.
    """
    known = connection.execute(
        "select 1 from duckdb_tables() where database_name = 'warehouse' and table_name = ?",
        [_KEPT],
    ).fetchone()
    if known is None:  # audited by an earlier release
        return
    kept = connection.execute(
        f"select relation, query from warehouse.{_KEPT} order by position"
    ).fetchall()
    for relation, query in kept:
        connection.execute(f"truncate warehouse.{relation}")
        connection.execute(f"insert into warehouse.{relation} by name {query}")
    connection.execute(f"drop table warehouse.{_KEPT}")


def _copy_tables(
    warehouse: Path,
    new: Path,
    tables: Sequence[tuple[str, str]] | None,
    descriptions: Mapping[tuple[str, str], Described],
) -> dict[str, int]:
    """Rows of each table that was copied, in place of one of its name; `tables`: None = all."""
    with duckdb.connect() as connection:
        connection.execute(f"attach {_text(str(warehouse))} as warehouse (read_only)")
        connection.execute(
            f"attach {_text(str(new))} as published (storage_version '{STORAGE_VERSION}')"
        )
        rows = {}
        for schema, table in _tables(connection) if tables is None else tables:
            target = f"published.{_name(schema)}.{_name(table)}"
            connection.execute(f"create schema if not exists published.{_name(schema)}")
            connection.execute(
                f"create or replace table {target} as from warehouse.{_name(schema)}.{_name(table)}"
            )
            if described := descriptions.get((schema, table)):
                _describe(connection, target, described)
            count = connection.execute(f"select count(*) from {target}").fetchone()
            rows[f"{schema}.{table}"] = int(count[0]) if count else 0
        connection.execute("detach published")  # checkpoints: the file is complete on disk
    return rows


def _count(published: Path) -> dict[str, int]:
    """Rows of every table that readers find."""
    with duckdb.connect(str(published), read_only=True) as connection:
        found = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal order by all"
        ).fetchall()
        rows = {}
        for schema, table in found:
            target = f"{_name(schema)}.{_name(table)}"
            count = connection.execute(f"select count(*) from {target}").fetchone()
            rows[f"{schema}.{table}"] = int(count[0]) if count else 0
    return rows


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """What is copied: all but the record of deliveries, which comes from the ledger itself."""
    return connection.execute(
        """
        select table_schema, table_name
        from information_schema.tables
        where table_catalog = 'warehouse' and list_contains(?, table_schema)
            and not (table_schema = ? and list_contains(?, table_name))
        order by all
        """,
        [list(SCHEMAS), DELIVERIES, list(EXPORTS)],
    ).fetchall()


def _describe(connection: duckdb.DuckDBPyConnection, target: str, described: Described) -> None:
    existing = {str(row[0]) for row in connection.execute(f"describe {target}").fetchall()}
    connection.execute(f"comment on table {target} is {_text(described.table)}")
    for column, text in described.columns.items():
        if column in existing:
            connection.execute(f"comment on column {target}.{_name(column)} is {_text(text)}")


@contextmanager
def _replacing(target: Path, mode: int = 0o600) -> Iterator[Path]:
    """A new file beside `target` that takes its place, whole and on disk, or leaves no trace."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    try:
        yield new
        new.chmod(mode)
        to_disk(new)
        new.replace(target)
        to_disk(target.parent)
    finally:
        for leftover in (new, new.with_name(new.name + ".wal")):
            leftover.unlink(missing_ok=True)


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
