"""The project's conventions, read from dbt's manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from orchestration.dictionary import Entry, entries
from reverse_etl.ledger_export import EXPORTS
from tests.dbt.warehouse import Warehouse

COMMON = [
    "Program",
    "Points Balance",
    "Best Reward Name",
    "Best Reward Points",
    "Next Reward Name",
    "Next Reward Points",
    "Points To Next Reward",
    "Next Reward Progress",
    "Available Rewards",
    "Available Rewards Count",
    "Headline",
    "Tier Name",
    "Next Tier Name",
    "Points To Next Tier",
    "Amount To Next Tier",
    "Tier Expires At",
    "Tier At Risk",
    "Points Expiring",
    "Points Expire At",
    "Unused Coupons Count",
    "Unused Coupon Code",
    "Unused Coupon Expires At",
    "Referral URL",
    "Segments",
    "Synced At",
]
SMILE = ["Points Balance", "Referral URL", "VIP Tier Name", "VIP Tier ID", "State"]
YOTPO = [
    "swell_point_balance",
    "swell_points_earned",
    "swell_points_expire_at",
    "swell_credit_balance",
    "swell_has_account",
    "swell_name",
    "swell_first_name",
    "swell_last_name",
    "swell_vip_tier_name",
    "swell_vip_tier_ends_at",
    "swell_vt_ends_at_date",
    "swell_referral_link",
    "swell_tier_points_earned",
    "swell_tier_points_needed",
    "swell_tier_amount_spent_cents",
    "swell_tier_amount_spend_needed_cents",
    "swell_tier_amount_spent",
    "swell_tier_amount_spend_needed",
    "swell_tier_purchases_made",
    "swell_tier_purchases_needed",
    "swell_tier_referrals_completed",
    "swell_tier_referrals_needed",
    "swell_birth_month",
    "loyalty_opt_in",
    "loyalty_opt_in_date",
    "loyalty_next_points_expire_on",
    "loyalty_next_points_expire_amount",
    "loyalty_nt_points",
    "loyalty_nt_amount_cents",
    "loyalty_nt_amount_cents_c",
    "loyalty_nt_purchases",
    "loyalty_nt_referrals",
    "loyalty_mt_points",
    "loyalty_mt_amount_cents",
    "loyalty_mt_amount_cents_c",
    "loyalty_mt_purchases",
    "loyalty_mt_referrals",
]
RULE_VENDOR = [
    "Subscriber.FirstName",
    "Subscriber.LastName",
    "Subscriber.Birthday",
    "Yotpo.TotalSpendCents",
    "Yotpo.TotalPurchases",
    "Yotpo.LastPurchaseAt",
    "Yotpo.PerksRedeemed",
    "Yotpo.PointsEarned",
    "Yotpo.PointsBalance",
    "Yotpo.PointsExpireAt",
    "Yotpo.LastSeenAt",
    "Yotpo.IsMember",
    "Yotpo.OptIn",
    "Yotpo.OptInDate",
    *(
        f"Yotpo.TierStats{part}{unit}"
        for part in ("Current", "NeededMaintain", "NeededNext")
        for unit in ("Points", "AmountCents", "Purchases", "Referrals")
    ),
]

KLAVIYO_TYPES = {
    "bigint": "number",
    "decimal(18,2)": "number",
    "varchar": "string",
    "boolean": "boolean",
    "timestamp": "datetime",
    "date": "date",
    "varchar[]": "list",
}

MAY_READ = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate", "marts", "snapshots", "seeds"},
    "snapshots": {"intermediate"},
    "marts": {"staging", "intermediate", "marts", "snapshots", "seeds", "deliveries"},
    "activation": {"intermediate", "marts", "seeds"},
}
NAMES = {
    "staging": r"stg_(smile|yotpo)__[a-z_]+",
    "intermediate": r"int_(loyalty|smile|yotpo)__[a-z_]+",
    "marts": r"(dim|fct|kpi|hub|audit)_[a-z_]+",
    "activation": r"sync_(klaviyo|rule)__[a-z_]+|conflicts",
}


@pytest.fixture(scope="session")
def manifest(empty_warehouse: Warehouse) -> dict[str, Any]:
    return json.loads((empty_warehouse.folder / "target" / "manifest.json").read_text())


def folder(node: dict[str, Any]) -> str:
    if node["resource_type"] == "source" and node["source_name"] == "sync":
        return "deliveries"
    return {"source": "source", "snapshot": "snapshots", "seed": "seeds"}.get(
        node["resource_type"]
    ) or node["fqn"][1]


def models(manifest: dict[str, Any], *folders: str) -> Iterator[dict[str, Any]]:
    for node in manifest["nodes"].values():
        if node["resource_type"] in {"model", "snapshot"} and (
            not folders or folder(node) in folders
        ):
            yield node


def test_every_layer_reads_only_the_layers_below(manifest: dict[str, Any]) -> None:
    everything = manifest["nodes"] | manifest["sources"]
    wrong = [
        f"{node['name']} reads {parent}"
        for node in models(manifest)
        for parent in node["depends_on"]["nodes"]
        if folder(everything[parent]) not in MAY_READ[folder(node)]
    ]
    assert wrong == []


def test_every_name_follows_the_pattern_of_its_folder(manifest: dict[str, Any]) -> None:
    wrong = [
        node["name"]
        for node in models(manifest, *NAMES)
        if not re.fullmatch(NAMES[folder(node)], node["name"])
    ]
    assert wrong == []


def test_every_raw_table_has_exactly_one_staging_model(manifest: dict[str, Any]) -> None:
    staged = sorted(node["name"] for node in models(manifest, "staging"))
    raw = sorted(
        f"stg_{source['source_name'].removeprefix('raw_')}__{source['name']}"
        for source in manifest["sources"].values()
        if folder(source) == "source"
    )
    assert staged == raw


def test_models_over_the_deliveries_need_nothing_that_is_not_published(
    manifest: dict[str, Any],
) -> None:
    """After a sync they are computed in the published file, where no other layer is."""
    everything = manifest["nodes"] | manifest["sources"]
    tagged = {node["name"]: node for node in models(manifest) if "deliveries" in node["tags"]}
    assert sorted(tagged) == [
        "kpi_nudge_effects_monthly",
        "kpi_sync_acceptance_daily",
        "kpi_sync_errors_daily",
        "kpi_sync_profiles_daily",
        "kpi_sync_states",
    ]
    for node in models(manifest):
        read = {everything[parent]["unique_id"] for parent in node["depends_on"]["nodes"]}
        layers = {folder(everything[parent]) for parent in read}
        if node["name"] in tagged:
            assert layers <= {"deliveries", "marts", "activation"}, node["name"]
        else:
            stale = {each["unique_id"] for each in tagged.values()}
            assert "deliveries" not in layers, f"{node['name']} would be a sync behind"
            assert not read & stale, f"{node['name']} would be a sync behind"


def test_the_source_of_deliveries_is_what_the_ledger_exports(manifest: dict[str, Any]) -> None:
    declared = {each["name"] for each in manifest["sources"].values() if each["schema"] == "sync"}
    assert declared <= set(EXPORTS)


def test_everything_is_described(manifest: dict[str, Any]) -> None:
    described = [*models(manifest), *manifest["sources"].values(), *manifest["exposures"].values()]
    described += [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    assert [node["name"] for node in described if not node["description"]] == []


def test_the_grain_is_the_first_sentence_of_each_mart(manifest: dict[str, Any]) -> None:
    wrong = [
        node["name"]
        for node in models(manifest, "marts", "activation", "intermediate", "staging")
        if not node["description"].startswith("One row per ")
    ]
    assert wrong == []


def test_marts_and_activation_have_contracts_with_every_column_typed_and_described(
    manifest: dict[str, Any],
) -> None:
    for node in models(manifest, "marts", "activation"):
        assert node["config"]["contract"]["enforced"], node["name"]
        missing = [
            name
            for name, column in node["columns"].items()
            if not column["data_type"] or not column["description"]
        ]
        assert missing == [], node["name"]


def test_every_model_has_a_tested_key(manifest: dict[str, Any]) -> None:
    tested = {
        parent
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node["test_metadata"]["name"] == "unique_key"
        for parent in node["depends_on"]["nodes"]
    }
    assert [
        node["name"]
        for node in models(manifest)
        if node["resource_type"] == "model" and node["unique_id"] not in tested
    ] == []


def test_every_sync_is_declared_once_and_exposed_once(manifest: dict[str, Any]) -> None:
    exposed = [
        parent
        for exposure in manifest["exposures"].values()
        for parent in exposure["depends_on"]["nodes"]
    ]
    syncs = [node for node in models(manifest, "activation") if node["name"].startswith("sync_")]
    assert sorted(exposed) == sorted(node["unique_id"] for node in syncs)
    declared = {node["name"]: node["config"]["meta"]["sync"] for node in syncs}
    shared = {"key": "email", "people": "dim_members"}
    assert declared == {
        "sync_klaviyo__profiles": {"destination": "klaviyo", "object": "profiles", **shared},
        "sync_rule__subscribers": {"destination": "rule", "object": "subscribers", **shared},
        "sync_klaviyo__events": {"destination": "klaviyo", "object": "events", "key": "event_id"},
        "sync_rule__events": {"destination": "rule", "object": "events", "key": "event_id"},
    }
    assert all(exposure["owner"]["name"] for exposure in manifest["exposures"].values())


def properties(manifest: dict[str, Any], model: str, key: str) -> dict[str, dict[str, Any]]:
    """Property name -> its column's declaration; every column but the two keys must be one."""
    (node,) = [node for node in models(manifest) if node["name"] == model]
    columns = [
        column
        for name, column in node["columns"].items()
        if name not in {"email", "may_create_profile", "tags"}
    ]
    found = {column["config"]["meta"][key]: column for column in columns}
    assert len(found) == len(columns), "a property is declared twice"
    return found


def test_klaviyo_gets_exactly_the_properties_of_the_design(manifest: dict[str, Any]) -> None:
    found = properties(manifest, "sync_klaviyo__profiles", "property")
    assert (
        list(found)
        == [f"Loyalty {name}" for name in COMMON] + [f"Smile {name}" for name in SMILE] + YOTPO
    )
    for name, column in found.items():
        meta = column["config"]["meta"]
        assert column["name"] == name.lower().replace(" ", "_")
        assert meta["family"] == ("common" if name.startswith("Loyalty ") else "vendor")
        assert meta.get("compared", True) is (name != "Loyalty Synced At")

        assert meta["type"] == KLAVIYO_TYPES[column["data_type"]]


def test_rule_gets_exactly_the_fields_of_the_design(manifest: dict[str, Any]) -> None:
    found = properties(manifest, "sync_rule__subscribers", "field")
    assert list(found) == [f"Loyalty.{name.replace(' ', '')}" for name in COMMON] + RULE_VENDOR
    for field, column in found.items():
        meta = column["config"]["meta"]
        assert meta["family"] == ("common" if field.startswith("Loyalty.") else "vendor")
        assert meta.get("never_cleared", False) is field.startswith("Subscriber.")
        expected = {"timestamp": "datetime", "date": "date", "varchar[]": "multiple"}.get(
            column["data_type"], "text"
        )
        assert meta["type"] == expected
    (node,) = [node for node in models(manifest) if node["name"] == "sync_rule__subscribers"]
    assert node["columns"]["tags"]["config"]["meta"]["tags"] is True


@pytest.fixture(scope="session")
def dictionary(manifest: dict[str, Any]) -> list[Entry]:
    return entries(manifest)


def test_every_property_has_its_type_meaning_example_and_when_it_changes(
    manifest: dict[str, Any], dictionary: list[Entry]
) -> None:
    empty = [
        f"{entry.property}: {name}"
        for entry in dictionary
        for name, value in asdict(entry).items()
        if not value.strip()
    ]
    assert empty == []
    listed = {(entry.destination, entry.column) for entry in dictionary}
    written = {
        (node["config"]["meta"]["sync"]["destination"], name)
        for node in models(manifest, "activation")
        if node["name"].startswith("sync_") and not node["name"].endswith("__events")
        for name in node["columns"]
        if name not in {"email", "may_create_profile"}
    }
    assert listed == written


def test_every_example_is_a_value_of_its_type(dictionary: list[Entry]) -> None:
    number = r"-?\d+(\.\d+)?"
    day, clock = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d"
    patterns = {
        "number": number,
        "boolean": "true|false",
        "date": day,
        ("klaviyo", "datetime"): rf"{day}T{clock}\+00:00",
        ("rule", "datetime"): f"{day} {clock}",
        **dict.fromkeys(("list", "multiple", "tags"), r'\[".+"\]'),
        **dict.fromkeys(("string", "text"), ".+"),
    }
    wrong = [
        f"{entry.property}: {entry.example}"
        for entry in dictionary
        if not re.fullmatch(
            patterns.get((entry.destination, entry.type)) or patterns[entry.type], entry.example
        )
    ]
    assert wrong == []


def test_unit_tests_are_named_as_sentences(manifest: dict[str, Any]) -> None:
    names = [test["name"] for test in manifest["unit_tests"].values()]
    assert len(names) >= 25
    assert [name for name in names if name.count("_") < 4] == []


def test_telemetry_is_off(manifest: dict[str, Any]) -> None:
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False


def test_every_dbt_unit_test_passes(empty_warehouse: Warehouse) -> None:
    output = empty_warehouse.dbt("test", "--select", "test_type:unit")
    assert re.search(r"PASS=[1-9][0-9]+ WARN=0 ERROR=0 SKIP=0", output)
