"""Warehouses that the dbt tests share; each is built once, whichever worker comes first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from filelock import FileLock

from tests.dbt.deliveries import fill_deliveries
from tests.dbt.shop import fill_shop
from tests.dbt.warehouse import Compiled, Warehouse


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Raw tables without a row: no vendor is configured yet."""
    return _built_once(tmp_path_factory, "empty")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A small shop with both programmes and one person for each rule."""
    return _built_once(tmp_path_factory, "shop", fill_shop, fill_deliveries)


@pytest.fixture(scope="session")
def compiled(empty_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    # A folder of its own: dbt puts the SQL of unit tests, with their rows in it, over the models'.
    target = tmp_path_factory.mktemp("compiled")
    empty_warehouse.dbt("compile", "--target-path", str(target))
    return Compiled(target / "compiled" / "loyalty" / "models")


def _built_once(
    factory: pytest.TempPathFactory, name: str, *fills: Callable[[Warehouse], None]
) -> Warehouse:
    """This worker's copy of a warehouse that one of them builds."""
    own = factory.mktemp(name) / "home"
    everybodys = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        everybodys = everybodys.parent  # below it, each worker has a folder
    built = everybodys / f"built_{name}"
    with FileLock(f"{built}.lock"):
        if not built.exists():
            making = factory.mktemp(f"making_{name}")
            warehouse = Warehouse(making)
            for fill in fills:
                fill(warehouse)
            warehouse.build()
            making.rename(built)
    shutil.copytree(built, own)
    return Warehouse(own)
