"""The sensor of the webhook inbox: starts one load when something waits, and nothing otherwise."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from dlt_sources.inbox.segments import Delivery, SegmentLog, seal_open
from orchestration.assets.inbox import (
    JOB_NAME,
    TELLING_SENSOR_NAME,
    in_words,
    inbox_assets,
    inbox_job,
    inbox_sensor,
)
from orchestration.context import LoyaltyResource
from orchestration.home import Home
from orchestration.inbox import LoadedInbox
from orchestration.programs import Program

# Dagster asks pydantic in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def arrive(home: Home, number: int, source: str = "yotpo") -> None:
    log = SegmentLog(home.inbox(source), seal_bytes=10**6, seal_seconds=3600)
    body = f'{{"topic":"loyalty/opt_in","email":"member{number}@mail.loyalty-sandbox.dev"}}'
    delivery = Delivery(str(number), f"{number:032x}", number, "loyalty/opt_in", None, body)
    log.append(delivery.line(), number)
    log.close()


def look(instance: dg.DagsterInstance) -> list[str | None]:
    """Run keys of what one look at the inbox starts."""
    context = dg.build_sensor_context(instance=instance)
    return [request.run_key for request in inbox_sensor().evaluate_tick(context).run_requests or ()]


def test_an_empty_inbox_starts_nothing_a_delivery_one_load(home: Home) -> None:
    with dg.instance_for_test() as instance:
        assert look(instance) == []
        arrive(home, 1)
        (first,) = look(instance)
        assert look(instance) == [first], "the same key: Dagster starts it once"
        arrive(home, 2)
        (second,) = look(instance)
        assert second != first
        seal_open(home.inbox("yotpo"))
        arrive(home, 3, "smile")
        (third,) = look(instance)
        assert third != second


def test_nothing_is_started_while_a_load_is_going_on(home: Home) -> None:
    arrive(home, 1)
    job = inbox_job(dg.in_process_executor)
    definitions = dg.Definitions(
        assets=[inbox_assets()], jobs=[job], resources={"loyalty": LoyaltyResource()}
    )
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(
            definitions.resolve_job_def(JOB_NAME), status=dg.DagsterRunStatus.STARTED
        )
        assert look(instance) == []
        instance.report_run_canceled(run)
        assert look(instance)


def test_the_operation_loads_what_waits_and_says_how_much(home: Home) -> None:
    arrive(home, 1)
    arrive(home, 2, "smile")
    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [inbox_assets()], instance=instance, resources={"loyalty": LoyaltyResource()}
        )
        rows = {
            event.materialization.asset_key.path[0]: event.materialization.metadata[
                "rows_this_run"
            ].value
            for event in done.get_asset_materialization_events()
        }
        assert rows == {"raw_smile": 1, "raw_yotpo": 1}
        assert look(instance) == []


def test_what_a_load_says_names_no_one() -> None:
    done = LoadedInbox(rows=1200, segments=1, left_out=2, damaged=1, quarantined=3)
    assert in_words(Program("yotpo", "yotpo"), done) == (
        "yotpo: 1,200 webhooks loaded; 2 of erased people left out; lost because the disk damaged "
        "their lines: 1; values that did not fit: 3, in raw_yotpo.quarantine"
    )
    assert in_words(Program("yotpo", "yotpo"), LoadedInbox()) == "yotpo: no webhooks waited"


def test_the_inbox_is_left_to_the_sensor_that_tells_where_that_is_on(home: Home) -> None:
    arrive(home, 1)
    with dg.instance_for_test() as instance:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("loyalty"), "__repository__"),
            TELLING_SENSOR_NAME,
        )
        state = InstigatorState(
            origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData()
        )
        instance.add_instigator_state(state)
        assert look(instance) == []
        instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
        assert look(instance)
