"""Warehouses that the dbt tests share; each is built once per session."""

from __future__ import annotations

import pytest

from tests.dbt.deliveries import fill_deliveries
from tests.dbt.shop import fill_shop
from tests.dbt.warehouse import Compiled, Warehouse


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Raw tables without a row: no vendor is configured yet."""
    warehouse = Warehouse(tmp_path_factory.mktemp("empty"))
    warehouse.build()
    return warehouse


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A small shop with both programmes and one person for each rule."""
    warehouse = Warehouse(tmp_path_factory.mktemp("shop"))
    fill_shop(warehouse)
    fill_deliveries(warehouse)
    warehouse.build()
    return warehouse


@pytest.fixture(scope="session")
def compiled(empty_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    # A folder of its own: dbt puts the SQL of unit tests, with their rows in it, over the models'.
    target = tmp_path_factory.mktemp("compiled")
    empty_warehouse.dbt("compile", "--target-path", str(target))
    return Compiled(target / "compiled" / "loyalty" / "models")
