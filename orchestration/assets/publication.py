"""The published file as an asset: after all models and their blocking tests, before any push."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
from pydantic import Field

from orchestration.assets.owners import DATA
from orchestration.audit import EVENTS, EVERYTHING
from orchestration.context import LoyaltyResource, Step, explained
from orchestration.dbt import delivery_models, descriptions, dictionary, read_manifest
from orchestration.event_models import tables_of_events
from orchestration.operations.disk import free_gib, too_full
from orchestration.operations.row_counts import in_words, losses
from orchestration.operations.runbooks import runbook
from orchestration.publish import Published, publish, publish_tables
from vendor_http import LoyaltyError

KEY = dg.AssetKey(["published", "loyalty"])
ROWS_KEPT = "rows_kept"
DISK_SPACE = "disk_space"


class PublicationConfig(dg.Config):
    """What is published."""

    scope: str = Field(
        default=EVERYTHING,
        description="`events`: only the tables that a build of events made; all others stay.",
    )


def publication_asset(models: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset that publishes `models`; it runs only when dbt's build succeeded."""

    @dg.asset(
        key=KEY,
        deps=list(models),
        output_required=False,
        group_name="published",
        kinds={"duckdb"},
        owners=DATA,
        tags={"cadence": "daily", "pii": "yes"},
        description=(
            "The audited tables in a file of their own, replaced in one rename: "
            "published/loyalty.duckdb. Readers keep what they have open."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                ROWS_KEPT,
                asset=KEY,
                description="No table has lost more of a programme's rows than LOYALTY_ROWS_LOST "
                "allows since it was last published; otherwise nothing is. Look at: "
                f"marts.dim_members. Runbook: {runbook('check', ROWS_KEPT)}",
            ),
            dg.AssetCheckSpec(
                DISK_SPACE,
                asset=KEY,
                description="LOYALTY_LEAST_DISK_GIB are free for the next refresh. Runbook: "
                f"{runbook('check', DISK_SPACE)}",
            ),
        ],
    )
    def published_loyalty(
        context: dg.AssetExecutionContext, config: PublicationConfig, loyalty: LoyaltyResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        step = loyalty.step(context)
        with explained():
            lost = in_words(losses(step.home, step.settings.rows_lost, context.log.info))
            yield dg.AssetCheckResult(
                passed=lost is None, asset_key=KEY, check_name=ROWS_KEPT, description=lost
            )
            if lost:
                raise LoyaltyError(lost)
            published = _publish(config, step, context.log.info)
        if published is None:
            context.log.warning(
                "another build has begun since; its publication takes these events along"
            )
            return
        context.log.info(
            f"{len(published.rows)} tables{_how(config)}, {sum(published.rows.values()):,} rows, "
            f"{published.size_bytes / 1e6:.1f} MB"
        )
        table = "\n".join(f"| {name} | {rows:,} |" for name, rows in sorted(published.rows.items()))
        full = too_full(step.home, step.settings.least_disk_gib)
        yield dg.AssetCheckResult(
            passed=full is None,
            asset_key=KEY,
            check_name=DISK_SPACE,
            description=full,
            metadata={"free_gib": round(free_gib(step.home), 1)},
        )
        yield dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(published.path),
                "tables": len(published.rows),
                "size_bytes": published.size_bytes,
                "dagster/row_count": sum(published.rows.values()),
                "rows": dg.MetadataValue.md(f"| table | rows |\n|---|---|\n{table}"),
                **_pictures(published.path),
            }
        )

    return published_loyalty


def _publish(config: PublicationConfig, step: Step, say: Callable[[str], None]) -> Published | None:
    if config.scope == EVENTS:
        tables = tables_of_events(read_manifest(step.home))
        return publish_tables(step.home, step.run_id, tables, descriptions(step.home))
    return publish(
        step.home,
        descriptions(step.home),
        delivery_models(step.home),
        dictionary(step.home),
        say=say,
    )


def _how(config: PublicationConfig) -> str:
    return " replaced" if config.scope == EVENTS else ""


def _pictures(file: Path) -> dict[str, dg.MetadataValue]:
    from orchestration.plots import points_by_day, rewards_in_reach  # slow to import

    return {
        "points_by_day": dg.MetadataValue.md(points_by_day(file)),
        "rewards_within_reach": dg.MetadataValue.md(rewards_in_reach(file)),
    }
