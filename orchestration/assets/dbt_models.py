"""Every dbt model, seed and snapshot as an asset, every dbt test as a check on it.

Keys say where the object lives ([marts, dim_members]); dbt's own defaults give that, sources
included, so extraction and dbt agree without any mapping. The build holds the writer's slot.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test
from pydantic import Field

from orchestration.assets.owners import DATA, MARKETING
from orchestration.audit import EVENTS, EVERYTHING, Build, begin_build, why_events_wait
from orchestration.context import LoyaltyResource, explained, throttled
from orchestration.dbt_build import NodeResult, build, count_rows, explain_failures
from orchestration.operations.runbooks import runbook
from orchestration.programs import clock
from orchestration.slot import writer_slot

_PII_SCHEMAS = {"staging", "intermediate", "marts", "activation", "sync", "snapshots"}
_DELIVERIES = "deliveries"


class BuildConfig(dg.Config):
    """What a build is for."""

    scope: str = Field(
        default=EVERYTHING,
        description="`events`: only what webhooks change and events are told from, upon the tables "
        "of the last published build; waits for the next refresh where that is not published.",
    )


class Translator(DagsterDbtTranslator):
    """Groups by layer; kinds and tags for filtering in the UI."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The spec of one dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = {**manifest["nodes"], **manifest.get("sources", {})}[unique_id]
        if node["resource_type"] == "source":
            name = node["source_name"]
            group = f"extract_{name.removeprefix('raw_')}" if name != "sync" else _DELIVERIES
            return spec.replace_attributes(group_name=group, owners=DATA)
        schema = node["config"].get("schema") or ""
        # The syncs are in activation_<destination>, behind the publication: apart, so that
        # the graph by groups runs one way.
        tags = {"cadence": "daily", "pii": "yes" if schema in _PII_SCHEMAS else "no"}
        return spec.replace_attributes(
            group_name={"sync": "activation"}.get(schema, schema),
            kinds={"dbt", "duckdb"},
            owners=MARKETING if schema == "activation" else DATA,
            tags={**spec.tags, **tags},
        )

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the yml says; the SQL is in the repository, lists are to be read."""
        return str(dbt_resource_props.get("description") or dbt_resource_props["name"])


def delivery_specs(manifest: Mapping[str, Any]) -> list[dg.AssetSpec]:
    """The record of deliveries that dbt reads; begins the graph, for it is of earlier runs."""
    return [
        dg.AssetSpec(
            key=[node["schema"], node["name"]],
            group_name=_DELIVERIES,
            kinds={"duckdb"},
            owners=DATA,
            tags={"cadence": "daily", "pii": "yes"},
            description=f"{node['description']} Loaded from the ledger before each build, and "
            "published again after each sync.",
        )
        for node in manifest["sources"].values()
        if node["source_name"] == "sync"
    ]


def build_assets(project: DbtProject, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """All dbt nodes as one operation: `dbt build` of whatever is selected."""
    translator = Translator()

    @dbt_assets(
        manifest=manifest,
        project=project,
        name="build_models",
        dagster_dbt_translator=translator,
        exclude="resource_type:unit_test",
    )
    def build_models(
        context: dg.AssetExecutionContext, config: BuildConfig, loyalty: LoyaltyResource
    ) -> Iterator[Any]:
        step = loyalty.step(context)
        select = _selectors(context, manifest, translator, project)
        is_apart = config.scope == EVENTS
        # What came after the run began is not of the future for a build that is about the present.
        now = clock(step.settings)() if is_apart else step.now
        with explained(), writer_slot(step.home, say=context.log.info):
            if is_apart and (reason := why_events_wait(step.home)):
                context.log.warning(reason)
                return
            is_still = step.settings.now is not None
            begin_build(step.home, Build(config.scope, step.run_id, now, is_still))
            results = build(
                step.home,
                step.settings,
                now,
                select,
                throttled(context.log.info),
                is_apart=is_apart,
            )
            rows = count_rows(step.home)
        yield from _events(context, results, rows, manifest, translator, project)
        context.log.info(_sentence(results))
        if failure := explain_failures(results):
            raise dg.Failure(description=failure, allow_retries=False)

    return build_models


def _selectors(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: Translator,
    project: DbtProject,
) -> list[str]:
    """dbt selectors of what was picked in the UI; empty for everything."""
    if not context.is_subset:
        return []
    return [
        ".".join(node["fqn"])
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
        and translator.get_asset_spec(manifest, unique_id, project).key
        in context.selected_asset_keys
    ]


def _events(
    context: dg.AssetExecutionContext,
    results: Sequence[NodeResult],
    rows: Mapping[tuple[str, str], int],
    manifest: Mapping[str, Any],
    translator: Translator,
    project: DbtProject,
) -> Iterator[Any]:
    for result in results:
        seconds = {"seconds": round(result.seconds, 3)}
        if result.is_test:
            key = get_asset_check_key_for_test(manifest, translator, result.unique_id, project)
            if key and key in context.selected_asset_check_keys and result.status != "skipped":
                warns = manifest["nodes"][result.unique_id]["config"]["severity"].lower() == "warn"
                yield dg.AssetCheckResult(
                    passed=result.status == "pass",
                    asset_key=key.asset_key,
                    check_name=key.name,
                    severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
                    metadata={
                        **seconds,
                        "rows_found": result.failures,
                        "look_at": ".".join(key.asset_key.path),
                        "runbook": runbook("check", "dbt_test"),
                    },
                )
        elif result.status == "success" and result.unique_id in manifest["nodes"]:
            spec = translator.get_asset_spec(manifest, result.unique_id, project)
            node = manifest["nodes"][result.unique_id]
            counted = rows.get((node["schema"], node["alias"]))  # None: a view has no rows to count
            metadata = seconds if counted is None else {**seconds, "dagster/row_count": counted}
            yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)


def _sentence(results: Sequence[NodeResult]) -> str:
    tests = [result for result in results if result.is_test]
    passed = sum(result.status == "pass" for result in tests)
    warned = sum(result.status == "warn" for result in tests)
    built = sum(not result.is_test and result.status == "success" for result in results)
    return f"{built} models, seeds and snapshots built; {passed} tests passed, {warned} warned"
