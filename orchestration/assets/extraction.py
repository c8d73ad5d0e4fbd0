"""One operation per programme, one asset per raw table it fills."""

from collections.abc import Iterable, Iterator

import dagster as dg

import dlt_sources.smile as smile
import dlt_sources.yotpo as yotpo
from dlt_sources.declarations import STAMPS, Table
from orchestration.context import LoyaltyResource, explained, throttled
from orchestration.extract import extract
from orchestration.programs import Program, programs
from orchestration.settings import key_name


class ExtractConfig(dg.Config):
    """How an extraction is launched from the UI."""

    full: bool = False


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
            tags={"cadence": "daily", "pii": "yes"},
            description=f"One row: {table.grain}."
            + (f" Documented at {table.evidence}" if table.evidence else ""),
            metadata={
                "dagster/table_name": f"{program.dataset}.{table.name}",
                "dagster/column_schema": _columns(table),
            },
        )
        for table in tables(program)
    ]

    @dg.multi_asset(name=operation_name(program), specs=specs)
    def extraction(
        context: dg.AssetExecutionContext, config: ExtractConfig, loyalty: LoyaltyResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        step = loyalty.step(context)
        with explained():
            done = extract(
                program,
                step.settings,
                step.home,
                step.now,
                throttled(context.log.info),
                full=config.full,
            )
        if done.left_out:
            context.log.info(f"left out: {key_name(program.source)} not set")
        else:
            context.log.info(
                f"{sum(done.rows.values()):,} rows in {done.requests:,} requests "
                f"({done.retries} retries), {done.network_seconds:.1f} s reading, "
                f"{done.load_seconds:.1f} s loading"
            )
        for spec in specs:
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "rows_this_run": done.rows.get(spec.key.path[-1], 0),
                    "left_out": done.left_out,
                    # of the programme's extraction as a whole, not of this table
                    "extraction_requests": done.requests,
                    "extraction_retries": done.retries,
                    "extraction_reading_seconds": round(done.network_seconds, 2),
                    "extraction_loading_seconds": round(done.load_seconds, 2),
                },
            )

    return extraction


def _columns(table: Table) -> dg.TableSchema:
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
