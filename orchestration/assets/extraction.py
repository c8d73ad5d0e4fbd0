"""One operation per programme, one asset per raw table it fills."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from pydantic import Field

import dlt_sources.smile as smile
import dlt_sources.yotpo as yotpo
from dlt_sources.declarations import STAMPS, Table
from orchestration.assets.owners import DATA
from orchestration.context import LoyaltyResource, explained, problem_in_words, throttled
from orchestration.extract import Extracted, extract
from orchestration.operations.sources import Attempt, fails_alone, remember
from orchestration.programs import Program, programs
from orchestration.settings import key_name

# Dagster's own mark of an output that is no materialization: what is behind it may run, and the
# table is not shown as made. There is no public way to say so; a test watches over it.
_NOT_MADE = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}


class Reach(Enum):
    """How much an extraction reads."""

    quick = "quick"  # what changed since the last one
    daily = "daily"  # Smile's customers in full, ledger and coupons when a sweep is due
    full = "full"  # everything from the beginning, all members' details included


class ExtractConfig(dg.Config):
    """How an extraction is launched from the UI."""

    reach: Reach = Field(
        default=Reach.daily,
        description="quick: what changed since the last run; daily: Smile's customers in full too, "
        "so that the deleted are seen; full: everything from the beginning.",
    )
    allow_shrink: bool = Field(
        default=False,
        description="Believe a list however short it came back, and mark as deleted what it no "
        "longer shows.",
    )


def tables(program: Program) -> tuple[Table, ...]:
    """The raw tables of a programme's vendor."""
    return tuple((smile.TABLES if program.source == "smile" else yotpo.TABLES).values())


def operation_name(program: Program) -> str:
    """Name of a programme's extraction step."""
    return f"extract_{program.name}"


def keys(sources: Iterable[str]) -> list[dg.AssetKey]:
    """Asset keys of all raw tables of the named sources."""
    return [
        dg.AssetKey([program.dataset, table.name])
        for program in programs()
        if program.source in set(sources)
        for table in tables(program)
    ]


def extraction_assets(program: Program) -> dg.AssetsDefinition:
    """The raw tables of one programme, extracted together."""
    specs = [
        dg.AssetSpec(
            key=[program.dataset, table.name],
            group_name=f"extract_{program.source}",
            kinds={"dlt", "duckdb", program.source},
            owners=DATA,
            tags={"cadence": "daily", "pii": "yes"},
            description=f"One row: {table.grain}."
            + (f" Documented at {table.evidence}" if table.evidence else ""),
            metadata={
                "dagster/table_name": f"{program.dataset}.{table.name}",
                "dagster/column_schema": column_schema(table),
            },
        )
        for table in tables(program)
    ]

    @dg.multi_asset(name=operation_name(program), specs=specs)
    def extraction(
        context: dg.AssetExecutionContext, config: ExtractConfig, loyalty: LoyaltyResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        step = loyalty.step(context)
        attempt = Attempt(step.run_id, step.now.isoformat())
        with explained():
            try:
                done = extract(
                    program,
                    step.settings,
                    step.home,
                    step.now,
                    throttled(context.log.info),
                    reach=config.reach.value,
                    allow_shrink=config.allow_shrink,
                )
            except Exception as error:  # whatever it is, the other programme goes on
                if not fails_alone(error, step.home, program):
                    raise
                attempt = replace(attempt, problem=problem_in_words(error))
                remember(step.home, program, attempt)
                context.log.warning(f"{program.name} was not read: {attempt.problem}")
                for spec in specs:
                    yield dg.MaterializeResult(asset_key=spec.key, metadata=_NOT_MADE)
                return
        rows = sum(done.rows.values())
        remember(step.home, program, replace(attempt, rows=rows, is_left_out=done.left_out))
        if done.left_out:
            context.log.info(f"left out: {key_name(program.source)} not set")
        else:
            context.log.info(summary(done, program.dataset))
        for spec in specs:
            yield dg.MaterializeResult(
                asset_key=spec.key, metadata=_figures(done, spec.key.path[-1])
            )

    return extraction


def summary(done: Extracted, dataset: str) -> str:
    """What an extraction did, in one line."""
    changes = done.changes.values()
    counts = {
        "new": sum(each.new for each in changes),
        "changed": sum(each.changed for each in changes),
        "deleted": sum(each.deleted for each in changes),
    }
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    text = (
        f"{sum(done.rows.values()):,} rows ({told}) in {done.total.requests:,} requests "
        f"({done.total.retries} retries, {done.total.throttled} × 429), "
        f"{done.reading_seconds:.1f} s reading, {done.loading_seconds:.1f} s loading"
    )
    set_aside = sum(each.quarantined for each in changes)
    if set_aside:
        text += f"; values that did not fit and are in {dataset}.quarantine: {set_aside:,}"
    if done.erased_people:
        people = "person" if done.erased_people == 1 else "people"
        text += f"; {done.erased_people:,} erased {people} left out"
    return text + ("; continued what was interrupted" if done.is_continued else "")


def _figures(done: Extracted, table: str) -> dict[str, Any]:
    """One table's metadata; traffic only where requests of its own fill it."""
    figures: dict[str, Any] = {
        "rows_this_run": done.rows.get(table, 0),
        "left_out": done.left_out,
        # of the programme's extraction as a whole, not of this table
        "extraction_requests": done.total.requests,
        "extraction_reading_seconds": round(done.reading_seconds, 2),
        "extraction_loading_seconds": round(done.loading_seconds, 2),
    }
    if (changes := done.changes.get(table)) is not None:
        figures |= {
            "rows_new": changes.new,
            "rows_changed": changes.changed,
            "rows_unchanged": changes.unchanged,
            "rows_deleted": changes.deleted,
            "values_quarantined": changes.quarantined,
        }
    if (traffic := done.traffic.get(table)) is not None:
        figures |= {
            "requests": traffic.requests,
            "retries": traffic.retries,
            "answers_429": traffic.throttled,
            "limiter_seconds": round(traffic.waited_seconds, 2),
            "bytes_received": traffic.bytes_received,
        }
    return figures


def column_schema(table: Table) -> dg.TableSchema:
    """What the table is declared to hold; fields a vendor adds become columns beside these."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in (*STAMPS, *table.columns)
        ]
    )
