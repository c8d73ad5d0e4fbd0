"""What came of each programme's extractions, and whose data are too old to be sent.

Two records with different questions. `sources/<program>.json` under LOYALTY_HOME tells of the last
attempt: which run, and why it failed. `marts.audit_sources`, which travels with the audited tables,
tells how old the data are that would be sent; only that decides what a sync holds back.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import orjson

from dlt_sources.errors import WarehouseLoadError
from orchestration.home import Home
from orchestration.programs import Program
from orchestration.settings import Settings
from orchestration.slot import SlotTakenError, writer_slot
from vendor_http import LoyaltyError


@dataclass(frozen=True)
class Attempt:
    """The last extraction of a programme.

    Attributes:
        run_id: the Dagster run it was part of.
        attempted_at: product's clock, ISO 8601.
        problem: why nothing was loaded, in words without a person; None = it was loaded.
        rows: rows merged; 0 when nothing changed, too.
        is_left_out: the programme has no key.
    """

    run_id: str
    attempted_at: str
    problem: str | None = None
    rows: int = 0
    is_left_out: bool = False


def remember(home: Home, program: Program, attempt: Attempt) -> None:
    """Keep the last attempt, whole or not at all."""
    file = _file(home, program)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_bytes(orjson.dumps(asdict(attempt), option=orjson.OPT_INDENT_2))
    new.replace(file)


def recall(home: Home, program: Program) -> Attempt | None:
    """The last attempt; None before the first."""
    file = _file(home, program)
    return Attempt(**orjson.loads(file.read_bytes())) if file.exists() else None


def fails_alone(error: Exception, home: Home, program: Program) -> bool:
    """Whether the rest of a run may go on although this programme was not read.

    Not when the warehouse is in trouble: a load may have been cut in half. Nor before the first
    reading: its people would look as if they had left.
    """
    if isinstance(error, WarehouseLoadError | SlotTakenError):
        return False
    try:
        with writer_slot(home) as warehouse:
            return _was_read(warehouse, program)
    except LoyaltyError:
        return False


def stale_programs(home: Home, settings: Settings, now: datetime) -> dict[str, datetime]:
    """Programmes whose audited data are older than LOYALTY_MAX_STALE_HOURS, and when they are of.

    Empty for tables that an earlier release audited, which do not tell.

    Args:
        now: the product's clock.
    """
    oldest = now - timedelta(hours=settings.max_stale_hours)
    return {name: at for name, at in read_times(home.audited).items() if at < oldest}


def read_times(file: Path) -> dict[str, datetime]:
    """When each programme was last read, as tables with `marts.audit_sources` say; UTC."""
    if not file.exists():
        return {}
    with duckdb.connect(str(file), read_only=True) as connection:
        try:
            found = connection.execute("select program, read_at from marts.audit_sources")
        except duckdb.CatalogException:
            return {}
        return {str(name): at.replace(tzinfo=UTC) for name, at in found.fetchall()}


def in_words(stale: dict[str, datetime]) -> str:
    """Stale programmes in one line."""
    return ", ".join(f"{name} (last read {at:%Y-%m-%d %H:%M} UTC)" for name, at in stale.items())


def _was_read(warehouse: Path, program: Program) -> bool:
    if not warehouse.exists():
        return False
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            found = connection.execute(
                f"select 1 from {program.dataset}.extracts where program = ? limit 1",
                [program.name],
            ).fetchone()
        except duckdb.CatalogException:
            return False
        return found is not None


def _file(home: Home, program: Program) -> Path:
    return home.sources / f"{program.name}.json"
