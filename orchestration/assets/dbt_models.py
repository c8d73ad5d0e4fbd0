"""Every dbt model, seed and snapshot as an asset, every dbt test as a check on it.

Keys say where the object lives ([marts, dim_members]); dbt's own defaults give that, sources
included, so extraction and dbt agree without any mapping. The build holds the writer's slot.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import orjson
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from orchestration import dbt
from orchestration.context import LoyaltyResource, explained
from orchestration.slot import writer_slot

_PII_SCHEMAS = {"staging", "intermediate", "marts", "activation", "sync", "snapshots"}


class Translator(DagsterDbtTranslator):
    """Groups by layer; activation by destination; kinds and tags for filtering in the UI."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The spec of one dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = {**manifest["nodes"], **manifest.get("sources", {})}[unique_id]
        schema = node["config"].get("schema") or node.get("schema", "")
        if node["resource_type"] == "source":
            group = f"extract_{node['source_name'].removeprefix('raw_')}"
        else:
            group = {"sync": "activation"}.get(schema, schema)
            destination = node["config"].get("meta", {}).get("sync", {}).get("destination")
            group = f"activation_{destination}" if destination else group
        tags = {"cadence": "daily", "pii": "yes" if schema in _PII_SCHEMAS else "no"}
        return spec.replace_attributes(
            group_name=group,
            kinds={"dbt", "duckdb"},
            tags={**spec.tags, **tags} if node["resource_type"] != "source" else spec.tags,
        )


def build_assets(project: DbtProject) -> dg.AssetsDefinition:
    """All dbt nodes as one operation: `dbt build` of whatever is selected."""

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        name="build_models",
        dagster_dbt_translator=Translator(),
        exclude="resource_type:unit_test",
    )
    def build_models(
        context: dg.AssetExecutionContext, loyalty: LoyaltyResource, dbt_cli: DbtCliResource
    ) -> Iterator[Any]:
        step = loyalty.step(context)
        dbt.export_environment(step.home)
        variables = dbt.variables(step.settings, step.now)
        arguments = ["build", "--vars", orjson.dumps(variables).decode()]
        built, passed, warned = 0, 0, 0
        with explained(), writer_slot(step.home):
            for event in dbt_cli.cli(
                arguments, context=context, target_path=step.home.dbt / "build"
            ).stream():
                if isinstance(event, dg.AssetCheckResult | dg.AssetCheckEvaluation):
                    passed += event.passed
                    warned += not event.passed
                else:
                    built += 1
                yield event
        context.log.info(
            f"{built} models, seeds and snapshots built; {passed} tests passed, {warned} warned"
        )

    return build_models
