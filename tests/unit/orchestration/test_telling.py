"""When events are told between two refreshes, what is published of them, and what stands back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dlt_sources.inbox.segments import Delivery, SegmentLog
from orchestration import audit
from orchestration.assets.inbox import inbox_assets
from orchestration.assets.telling import CONFIG, JOB_NAME, keys, telling_sensor
from orchestration.audit import EVENTS, EVERYTHING, Build
from orchestration.context import LoyaltyResource
from orchestration.dbt import read_manifest
from orchestration.definitions import defs
from orchestration.event_models import models_of_events, tables_of_events
from orchestration.home import Home
from orchestration.operations.schedules import REFRESH_JOB
from orchestration.publish import publish, publish_tables

pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


def arrive(home: Home) -> None:
    log = SegmentLog(home.inbox("yotpo"), seal_bytes=10**6, seal_seconds=3600)
    body = '{"topic":"loyalty/opt_in","email":"member@mail.loyalty-sandbox.dev"}'
    log.append(Delivery("1", f"{1:032x}", 1, "loyalty/opt_in", None, body).line(), 1)
    log.close()


def look(instance: dg.DagsterInstance) -> str:
    """The run key of what a look starts, or why nothing is."""
    done = telling_sensor().evaluate_tick(dg.build_sensor_context(instance=instance))
    for request in done.run_requests or ():
        return str(request.run_key)
    return str(done.skip_message)


def warehouse(home: Home, **tables: int) -> None:
    """Tables of schema marts with one number each."""
    with duckdb.connect(str(home.warehouse)) as db:
        db.execute("create schema if not exists marts")
        for name, value in tables.items():
            db.execute(f"create or replace table marts.{name} as select {value} as number")


def read(home: Home, table: str) -> int:
    with duckdb.connect(str(home.published), read_only=True) as db:
        found = db.execute(f"select number from marts.{table}").fetchone()
    assert found is not None
    return int(found[0])


def test_webhooks_are_told_once_something_is_published_and_no_refresh_goes_on(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look(instance) == "no webhooks wait"
    arrive(home)
    assert "first `loyalty run`" in look(instance)
    home.audited.touch()
    first = look(instance)
    assert first.startswith("yotpo:")
    assert look(instance) == first, "the same key: Dagster starts it once"
    code = defs()
    refresh = instance.create_run_for_job(
        code.resolve_job_def(REFRESH_JOB), status=dg.DagsterRunStatus.STARTED
    )
    assert f"refresh {refresh.run_id} is going on" in look(instance)
    instance.report_run_canceled(refresh)
    telling = instance.create_run_for_job(
        code.resolve_job_def(JOB_NAME), status=dg.DagsterRunStatus.STARTED
    )
    assert look(instance) == "events are being told"
    instance.report_run_canceled(telling)
    audit.begin_build(home, Build(EVERYTHING, "refresh", NOW))
    assert "is not published" in look(instance)
    audit.begin_build(home, Build(EVENTS, "killed", NOW))
    assert look(instance) == first, "what a killed run of its own left is built again"
    monkeypatch.setenv("LOYALTY_VENDOR_EVENTS", "off")
    assert "LOYALTY_VENDOR_EVENTS is off" in look(instance)


def test_webhooks_that_something_else_loaded_are_told_too(
    home: Home, instance: dg.DagsterInstance
) -> None:
    home.audited.touch()
    arrive(home)
    dg.materialize([inbox_assets()], instance=instance, resources={"loyalty": LoyaltyResource()})
    assert look(instance).startswith("loaded:")
    loaded_at = audit.untold_since(home)
    assert loaded_at is not None
    # a refresh whose clock was read before the webhooks came does not see them
    audit.begin_build(home, Build(EVERYTHING, "early", loaded_at - timedelta(seconds=1)))
    audit.end_build(home)
    assert look(instance).startswith("loaded:")
    audit.begin_build(home, Build(EVENTS, "later", loaded_at))
    audit.end_build(home)
    assert look(instance) == "no webhooks wait"


def test_the_sensor_is_off_until_somebody_switches_it_on(home: Home) -> None:
    assert telling_sensor().default_status is dg.DefaultSensorStatus.STOPPED


def test_the_job_makes_what_lies_between_webhooks_and_vendors_and_nobodys_profile(
    home: Home,
) -> None:
    manifest = read_manifest(home)
    assert [node["name"] for node in models_of_events(manifest)] == [
        "fct_loyalty_events",
        "int_yotpo__events_told_by_webhooks",
        "stg_yotpo__webhook_events",
        "sync_klaviyo__events",
        "sync_rule__events",
    ]
    assert tables_of_events(manifest) == [
        ("marts", "fct_loyalty_events"),
        ("activation", "sync_klaviyo__events"),
        ("activation", "sync_rule__events"),
    ]
    made = {"/".join(key.path) for key in keys(manifest)}
    assert {"klaviyo/events", "rule/events", "published/loyalty"} <= made
    assert not {"klaviyo/profiles", "rule/subscribers"} & made
    nodes = {node.name for node in defs().resolve_job_def(JOB_NAME).nodes}
    assert set(CONFIG) <= nodes
    assert not [name for name in nodes if "read_back" in name]


def test_single_tables_are_published_by_the_run_that_built_them_and_the_others_stay(
    home: Home,
) -> None:
    warehouse(home, fct_loyalty_events=1, dim_members=1)
    publish(home, {})
    warehouse(home, fct_loyalty_events=2, dim_members=2)
    events = [("marts", "fct_loyalty_events")]
    assert publish_tables(home, "mine", events, {}) is None, "nobody has built"
    audit.begin_build(home, Build(EVERYTHING, "refresh", NOW))
    assert publish_tables(home, "mine", events, {}) is None, "a refresh has built since"
    assert (read(home, "fct_loyalty_events"), read(home, "dim_members")) == (1, 1)
    audit.begin_build(home, Build(EVENTS, "mine", NOW))
    published = publish_tables(home, "mine", events, {})
    assert published is not None
    assert published.rows == {"marts.fct_loyalty_events": 1}
    assert (read(home, "fct_loyalty_events"), read(home, "dim_members")) == (2, 1)
    assert audit.unpublished(home) is None


def test_a_publication_of_everything_ends_the_wait(home: Home) -> None:
    warehouse(home, dim_members=1)
    audit.begin_build(home, Build(EVERYTHING, "refresh", NOW))
    home.audited.touch()
    assert "not published" in str(audit.why_events_wait(home))
    publish(home, {})
    assert audit.why_events_wait(home) is None
