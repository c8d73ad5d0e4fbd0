"""Every alert, check, schedule and sensor has its runbook, and every runbook its reason to be."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.operations.alerts import KINDS
from orchestration.operations.runbooks import FOLDER, runbook

# Dagster asks pydantic in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
ROOT = Path(__file__).parents[2]
BOOKS = sorted(path for path in (ROOT / FOLDER).glob("*.md") if path.name != "README.md")
SECTIONS = ["What it means", "Who is affected", "What to do", "How to know it is over"]
OF_DBT = "build_models"  # its checks are dbt's tests, which share one runbook
NO_TABLE = {"disk_space"}  # a disk is no table


def is_task(path: Path) -> bool:
    return path.name.startswith("task-")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    from orchestration.definitions import defs

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOYALTY_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("LOYALTY_ENV_FILE", os.devnull)
        yield defs()


def own_checks(definitions: dg.Definitions) -> dict[str, str]:
    """Name → description of every check that is no dbt test."""
    found: dict[str, str] = {}
    graph = definitions.resolve_asset_graph()
    of_dbt = {
        check.key
        for assets in graph.assets_defs
        if assets.is_executable and OF_DBT in assets.op.name
        for check in assets.check_specs
    }
    for key in graph.asset_check_keys - of_dbt:
        found[key.name] = f"{found.get(key.name, '')} {graph.get(key).description}"
    return found


def test_every_name_in_the_code_has_its_page_and_every_page_a_name(
    definitions: dg.Definitions,
) -> None:
    repository = definitions.get_repository_def()
    wanted = {
        *(kind.runbook for kind in KINDS.values()),
        *(runbook("check", name) for name in own_checks(definitions)),
        runbook("check", "dbt_test"),
        *(runbook("schedule", schedule.name) for schedule in repository.schedule_defs),
        *(runbook("sensor", sensor.name) for sensor in repository.sensor_defs),
    }
    assert {f"{FOLDER}/{path.name}" for path in BOOKS if not is_task(path)} == wanted


def test_every_check_of_ours_names_the_table_to_look_at_and_its_runbook(
    definitions: dg.Definitions,
) -> None:
    for name, description in own_checks(definitions).items():
        assert runbook("check", name) in description, name
        table = re.search(r"\b(sync|marts|activation|raw_\w+)\.\w+", description)
        assert table or name in NO_TABLE, f"{name} names no table"


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_the_index_leads_to_every_page(path: Path) -> None:
    assert f"({path.name})" in (ROOT / FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    "path", [path for path in BOOKS if not is_task(path)], ids=lambda path: path.stem
)
def test_a_page_says_what_who_what_to_do_and_how_it_ends(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    for section in text.split("\n## ")[1:]:
        assert len(section.split()) > len(section.splitlines()[0].split()) + 3, section
