"""A declaration that cannot work fails when it is read, with the name of the model."""

from typing import Any

import pytest
from reverse_etl_models import BOTH, COMMON, MODELS, manifest, spec

from reverse_etl.declarations import sync_spec
from vendor_http import ConfigurationError

MODEL = MODELS["klaviyo"]


def node(declared: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = declared["nodes"][f"model.loyalty.{MODEL}"]
    return found


def test_a_spec_holds_the_properties_of_the_families_that_are_on_by_name() -> None:
    names = [item.name for item in spec("klaviyo", COMMON).properties]
    assert names == sorted(names)
    assert "Smile State" not in names
    assert "Smile State" in [item.name for item in spec("klaviyo", BOTH).properties]


def test_tags_compared_and_never_cleared_are_read_from_the_meta() -> None:
    found = spec("rule")
    by_name = {item.name: item for item in found.properties}
    assert found.tags_column == "tags"
    assert not by_name["Loyalty.SyncedAt"].is_compared
    assert by_name["Subscriber.Birthday"].is_never_cleared
    assert found.relation == '"activation"."sync_rule__subscribers"'


def test_meta_beside_the_column_is_read_where_config_has_none() -> None:
    declared = manifest()
    column = node(declared)["columns"]["points"]
    column["meta"] = column.pop("config")["meta"]
    assert sync_spec(declared, MODEL, BOTH) == spec("klaviyo")


def _unknown_type(found: dict[str, Any]) -> None:
    found["columns"]["points"]["config"]["meta"]["type"] = "integer"


def _two_columns_one_name(found: dict[str, Any]) -> None:
    found["columns"]["tier"]["config"]["meta"]["property"] = "Loyalty Points Balance"


def _no_family(found: dict[str, Any]) -> None:
    del found["columns"]["tier"]["config"]["meta"]["family"]


def _no_sync(found: dict[str, Any]) -> None:
    found["config"]["meta"] = {}


def _quote_in_name(found: dict[str, Any]) -> None:
    found["columns"]["tier"]["config"]["meta"]["property"] = 'Loyalty "Tier"'


@pytest.mark.parametrize(
    "spoil", [_unknown_type, _two_columns_one_name, _no_family, _no_sync, _quote_in_name]
)
def test_a_declaration_that_cannot_work_is_refused(spoil: Any) -> None:
    declared = manifest()
    spoil(node(declared))
    with pytest.raises(ConfigurationError, match=MODEL):
        sync_spec(declared, MODEL, BOTH)


def test_a_rule_field_needs_exactly_one_dot() -> None:
    declared = manifest()
    columns = declared["nodes"][f"model.loyalty.{MODELS['rule']}"]["columns"]
    columns["tier"]["config"]["meta"]["field"] = "Loyalty.Tier.Name"
    with pytest.raises(ConfigurationError, match=r"Group\.Field"):
        sync_spec(declared, MODELS["rule"], BOTH)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no model sync_other"):
        sync_spec(manifest(), "sync_other", BOTH)
