"""Which models stand between the webhooks and what is told of them; from dbt's manifest, pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from dlt_sources.inbox.tables import NAME
from orchestration.activate import EVENT_SYNCS
from orchestration.publish import SCHEMAS

Node = Mapping[str, Any]


def models_of_events(manifest: Mapping[str, Any]) -> list[Node]:
    """Nodes that webhooks change and events are told from: what is built when webhooks came."""
    webhooks = [key for key, node in manifest["sources"].items() if node["name"] == NAME]
    names = {sync.model for sync in EVENT_SYNCS}
    told = [
        key
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["name"] in names
    ]
    changed = _closure(webhooks, manifest["child_map"])
    behind = _closure(told, manifest["parent_map"])
    return [
        manifest["nodes"][key]
        for key in sorted(changed & behind)
        if manifest["nodes"].get(key, {}).get("resource_type") in ("model", "snapshot")
    ]


def tables_of_events(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(schema, table) of those that are published."""
    return [
        (node["schema"], node["alias"])
        for node in models_of_events(manifest)
        if node["schema"] in SCHEMAS and node["config"]["materialized"] == "table"
    ]


def _closure(start: Iterable[str], neighbours: Mapping[str, list[str]]) -> set[str]:
    """`start` and whatever is reached from it."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += neighbours.get(key, ())
    return found
