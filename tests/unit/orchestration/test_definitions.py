"""The code location: loads from nothing, names what house style asks for, runs raw → vendors."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from orchestration.activate import EVENT_SYNCS, SYNCS, event_sync
from orchestration.assets.extraction import tables
from orchestration.definitions import refresh_loyalty_job
from orchestration.programs import programs

# Dagster asks pydantic in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
ROOT = Path(__file__).parents[3]
# Raw tables that feed no property, each with its reason. Whatever else is read must arrive.
NOT_PUSHED = {
    ("raw_yotpo", "campaigns"): "ways to earn are in dim_earning_rules; no property of a person",
    ("raw_smile", "quarantine"): "records that could not be read; for the operator",
    ("raw_yotpo", "quarantine"): "records that could not be read; for the operator",
}
IMPORT_EVERYTHING = """
import os, socket, sys, pkgutil, importlib
def no_socket(*arguments, **options):
    raise AssertionError("a socket was opened while importing")
packages = ("orchestration", "dlt_sources", "reverse_etl", "sandbox", "vendor_http")
names = []
for name in packages:
    package = importlib.import_module(name)
    names += [m.name for m in pkgutil.walk_packages(package.__path__, name + ".")]
# What the libraries do when they are imported is theirs; import them before watching ours.
import dagster, dagster_dbt, dlt, duckdb, httpx, pandas, pyarrow.parquet, dbt.cli.main, uvicorn
socket.socket.connect = no_socket
socket.socket.bind = no_socket
read = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "w" in str(arguments[1] or ""):
        path = os.path.abspath(arguments[0])
        if "__pycache__" not in path:
            read.append(f"wrote {path}")
real = os.environ.__class__.__getitem__
def getitem(self, key):
    caller = sys._getframe(1)
    while caller and caller.f_globals.get("__name__") in ("os", "_collections_abc"):
        caller = caller.f_back
    if caller and caller.f_globals.get("__name__", "").split(".")[0] in packages:
        read.append(f"{caller.f_globals['__name__']} read {key}")
    return real(self, key)
os.environ.__class__.__getitem__ = getitem
sys.addaudithook(watch)
for name in names:
    if name not in ("orchestration.preload", "sandbox.__main__"):
        importlib.import_module(name)
print(len(names))
print("\\n".join(read))
"""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """The definitions as Dagster loads them: no key, an empty home, no network."""
    from orchestration.definitions import defs

    patch = pytest.MonkeyPatch()
    patch.setenv("LOYALTY_HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("LOYALTY_ENV_FILE", os.devnull)

    def refuse(*_: object) -> None:
        raise AssertionError("loading the definitions opened a connection")

    patch.setattr(socket.socket, "connect", refuse)
    try:
        return defs()
    finally:
        patch.undo()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> AssetGraph:
    return definitions.resolve_asset_graph()


def specs(graph: AssetGraph) -> Iterable[tuple[tuple[str, ...], dg.AssetSpec]]:
    for key in graph.get_all_asset_keys():
        yield tuple(key.path), graph.get(key).to_asset_spec()


def upstream(graph: AssetGraph, key: dg.AssetKey) -> set[tuple[str, ...]]:
    """Everything that `key` is made from, at any distance."""
    found: set[dg.AssetKey] = set()
    waiting = [key]
    while waiting:
        for parent in graph.get(waiting.pop()).parent_keys - found:
            found.add(parent)
            waiting.append(parent)
    return {tuple(parent.path) for parent in found}


def test_definitions_load_without_keys_and_without_a_network(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("refresh_loyalty_job")
    assert {node.name for node in job.nodes} == {
        *("extract_smile", "extract_yotpo", "load_inbox", "build_models", "published__loyalty"),
        *("examine_smile", "examine_yotpo"),
        *(sync.step for sync in (*SYNCS, *EVENT_SYNCS)),
    }


@pytest.mark.parametrize(
    ("name", "operation", "config"),
    [
        ("quick_refresh_job", "extract_smile", {"reach": "quick"}),
        ("full_refresh_job", "extract_yotpo", {"reach": "full"}),
        ("approved_sync_job", "klaviyo__profiles", {"approve": True}),
        ("approved_sync_job", "rule__events", {"approve": True}),
    ],
)
def test_a_choice_is_a_job_that_needs_no_yaml(
    definitions: dg.Definitions, name: str, operation: str, config: dict[str, object]
) -> None:
    job = definitions.resolve_job_def(name)
    assert job.description
    assert job.run_config is not None
    assert job.run_config["ops"][operation]["config"] == config
    assert dg.validate_run_config(job, job.run_config)
    refresh = {node.name for node in definitions.resolve_job_def("refresh_loyalty_job").nodes}
    told = {sync.step for sync in (*SYNCS, *EVENT_SYNCS)}
    assert {node.name for node in job.nodes} == (told if name.startswith("approved") else refresh)


def test_the_schedule_is_daily_and_off_until_somebody_switches_it_on(
    definitions: dg.Definitions,
) -> None:
    schedule = definitions.resolve_schedule_def("daily_refresh_loyalty_job")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "refresh_loyalty_job"
    minute, hour, *days = str(schedule.cron_schedule).split()
    assert days == ["*", "*", "*"]
    assert minute.isdigit()
    assert hour.isdigit()


def test_every_layer_that_a_refresh_makes_has_a_freshness_policy(graph: AssetGraph) -> None:
    without = {path for path, spec in specs(graph) if spec.freshness_policy is None}
    assert {path[0] for path in without} <= {
        *("seeds", "snapshots", "staging", "intermediate", "sync"),
        *("raw_smile", "raw_yotpo"),
    }
    assert {path[1] for path in without if path[0].startswith("raw_")} == {
        *("webhook_events", "quarantine"),
    }


def test_read_backs_have_a_job_of_their_own_and_no_sync_waits_for_them(
    definitions: dg.Definitions,
) -> None:
    checks = {f"{sync.step}_read_back" for sync in (*SYNCS, event_sync("klaviyo"))}
    job = definitions.resolve_job_def("read_back_job")
    assert {node.name for node in job.nodes} == checks
    schedule = definitions.resolve_schedule_def("nightly_read_back_job")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    # `loyalty sync` runs a part of the refresh: Dagster adds to it every check that it knows.
    for sync in (*SYNCS, *EVENT_SYNCS):
        key = dg.AssetKey([sync.destination, sync.object_name])
        part = refresh_loyalty_job().get_subset(asset_selection={key})
        assert {node.name for node in part.nodes} == {sync.step}


def test_webhooks_are_loaded_by_a_job_of_their_own_that_a_sensor_starts(
    definitions: dg.Definitions,
) -> None:
    job = definitions.resolve_job_def("load_inbox_job")
    assert {node.name for node in job.nodes} == {"load_inbox"}
    sensor = definitions.resolve_sensor_def("webhook_inbox_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds <= 30
    context = dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral())
    outcome = sensor.evaluate_tick(context)
    assert not outcome.run_requests, "an empty inbox starts nothing"
    assert outcome.skip_message == "no webhooks wait"


def test_the_alert_sensor_is_on_watches_every_check_and_starts_no_run(
    definitions: dg.Definitions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_LEAST_DISK_GIB", "0")
    sensor = definitions.resolve_sensor_def("alert_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        outcome = sensor.evaluate_tick(context)
    assert not outcome.run_requests
    assert outcome.skip_message == "open incidents: none; messages sent: 0"


def test_every_raw_table_reaches_klaviyo_or_says_why_not(graph: AssetGraph) -> None:
    # by way of the model it sends: everything reaches the published file, which comes before it
    arriving = upstream(graph, dg.AssetKey(["activation", "sync_klaviyo__profiles"]))
    raw = {(program.dataset, table.name) for program in programs() for table in tables(program)}
    assert raw - arriving == set(NOT_PUSHED), "either a gap in the lineage, or list the reason"


@pytest.mark.parametrize("sync", [*SYNCS, *EVENT_SYNCS], ids=lambda sync: sync.step)
def test_every_sync_comes_from_both_programmes_and_from_the_published_file(
    graph: AssetGraph, sync: object
) -> None:
    above = upstream(graph, dg.AssetKey([sync.destination, sync.object_name]))  # type: ignore[attr-defined]
    assert {
        ("raw_smile", "customers"),
        ("raw_yotpo", "customers"),
        ("published", "loyalty"),
        ("marts", "dim_members"),
    } <= above


def test_nothing_but_extractions_seeds_and_earlier_deliveries_begins_the_graph(
    graph: AssetGraph,
) -> None:
    roots = {path for path, _ in specs(graph) if not graph.get(dg.AssetKey(path)).parent_keys}
    assert {path[0] for path in roots} == {"raw_smile", "raw_yotpo", "seeds", "sync"}


def test_keys_say_where_the_object_lives_and_groups_follow_the_layers(
    graph: AssetGraph,
) -> None:
    groups: dict[str, set[str]] = {}
    for path, spec in specs(graph):
        assert len(path) == 2, path
        groups.setdefault(path[0], set()).add(str(spec.group_name))
    assert groups == {
        "raw_smile": {"extract_smile"},
        "raw_yotpo": {"extract_yotpo"},
        "seeds": {"seeds"},
        "snapshots": {"snapshots"},
        "staging": {"staging"},
        "intermediate": {"intermediate"},
        "marts": {"marts"},
        "activation": {"activation"},
        "sync": {"activation", "deliveries"},
        "published": {"published"},
        "klaviyo": {"activation_klaviyo"},
        "rule": {"activation_rule"},
    }


def test_every_asset_is_described_owned_and_says_whether_it_holds_people(
    graph: AssetGraph,
) -> None:
    for path, spec in specs(graph):
        assert spec.description, path
        assert "```" not in spec.description, f"{path}: prose belongs here, SQL in the repository"
        assert 1 <= len(spec.kinds) <= 3, path
        assert "team:data" in spec.owners, path
        assert spec.tags["cadence"] == "daily", path
        assert spec.tags["pii"] in ("yes", "no"), path


def test_every_data_test_of_a_mart_is_a_check_that_blocks_what_is_behind_it(
    graph: AssetGraph,
) -> None:
    checks = [graph.get(key) for key in graph.asset_check_keys]
    blocking = [check for check in checks if check.blocking]
    assert {check.key.asset_key.path[1] for check in blocking} >= {"dim_members", "fct_coupons"}
    unchecked = {
        path
        for path, _ in specs(graph)
        if path[0] in ("marts", "activation")
        and not any(check.key.asset_key.path == list(path) for check in checks)
    }
    assert not unchecked, "a table that nobody tests"


def test_importing_any_module_does_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        cwd=ROOT,
        env={**os.environ, "LOYALTY_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    count, *acts = [line for line in done.stdout.splitlines() if line]
    assert int(count) > 100
    assert acts == []
    assert not home.exists()


def test_dagsters_own_validation_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dagster"), "definitions", "validate"),
            *("-w", str(ROOT / "workspace.yaml")),
        ],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
