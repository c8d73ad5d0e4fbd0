"""The published file as an asset: after all models and their blocking tests, before any push."""

from collections.abc import Sequence

import dagster as dg

from orchestration.context import LoyaltyResource, explained
from orchestration.dbt import delivery_models, descriptions, dictionary
from orchestration.publish import publish

KEY = dg.AssetKey(["published", "loyalty"])


def publication_asset(models: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset that publishes `models`; it runs only when dbt's build succeeded."""

    @dg.asset(
        key=KEY,
        deps=list(models),
        group_name="published",
        kinds={"duckdb"},
        tags={"cadence": "daily", "pii": "yes"},
        description=(
            "The audited tables in a file of their own, replaced in one rename: "
            "published/loyalty.duckdb. Readers keep what they have open."
        ),
    )
    def published_loyalty(
        context: dg.AssetExecutionContext, loyalty: LoyaltyResource
    ) -> dg.MaterializeResult[None]:
        step = loyalty.step(context)
        with explained():
            published = publish(
                step.home,
                descriptions(step.home),
                delivery_models(step.home),
                dictionary(step.home),
            )
        context.log.info(
            f"{len(published.rows)} tables, {sum(published.rows.values()):,} rows, "
            f"{published.size_bytes / 1e6:.1f} MB"
        )
        table = "\n".join(f"| {name} | {rows:,} |" for name, rows in sorted(published.rows.items()))
        return dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(published.path),
                "tables": len(published.rows),
                "size_bytes": published.size_bytes,
                "dagster/row_count": sum(published.rows.values()),
                "rows": dg.MetadataValue.md(f"| table | rows |\n|---|---|\n{table}"),
            }
        )

    return published_loyalty
