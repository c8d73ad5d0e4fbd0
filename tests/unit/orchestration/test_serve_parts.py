"""`loyalty serve` before anything runs: refusals, warnings, Dagster's settings, stranded runs."""

import os
import socket
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._utils import is_port_in_use
from filelock import FileLock

from orchestration import dagster_home, step_server
from orchestration.cli import base
from orchestration.cli.serve import Addresses, warnings
from orchestration.cli.serving import only_ui, require_free
from orchestration.cli.webhook_commands import webhook_sources
from orchestration.dagster_home import POSTGRES_VARIABLE, dagster_yaml, prepare_dagster
from orchestration.home import Home
from orchestration.runner import INVOCATION_TAG
from orchestration.settings import load_settings
from orchestration.stranded import close_stranded_runs
from vendor_http import ConfigurationError, LoyaltyError

URL = "postgresql://loyalty:a-password@db.internal/dagster"
# SQLAlchemy looks for a driver that is not there unless one is named.
WITH_DRIVER = "postgresql+psycopg2://loyalty:a-password@db.internal/dagster"
EARLIER = """\
# Written by `loyalty` when the folder is made; edit it, it is not written again.
telemetry:
  enabled: false
nux: # no invitation to a newsletter in front of the first page
  enabled: false
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def idle() -> None:
    nothing()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if PostgreSQL answered."""
    monkeypatch.setattr(dagster_home, "database_trouble", lambda _settings: None)


def test_a_taken_port_is_refused_with_the_option_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert is_port_in_use("127.0.0.1", port)
        with pytest.raises(LoyaltyError, match=rf"Port {port} .*--webhook-port"):
            require_free("127.0.0.1", port, "loyalty serve --webhook-port 8771")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(LoyaltyError, match=r"at 192\.0\.2\.1 cannot be used"):
        require_free("192.0.2.1", 3999, "another")


def test_only_who_opens_a_port_to_others_is_warned() -> None:
    assert warnings(Addresses("127.0.0.1", 3000, "::1", 8770), receives=True) == []
    [line] = warnings(Addresses("0.0.0.0", 3000, "0.0.0.0", 8770), receives=False)  # noqa: S104
    assert "password" in line
    assert len(warnings(Addresses("10.0.0.5", 3000, "10.0.0.5", 8770), receives=True)) == 2


def test_only_webhooks_that_are_told_from_a_strangers_are_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert webhook_sources(load_settings()) == []
    monkeypatch.setenv("YOTPO_WEBHOOK_SECRET", "s")
    monkeypatch.setenv("SMILE_WEBHOOK_SECRET", "s")
    assert webhook_sources(load_settings()) == ["yotpo"]
    monkeypatch.setenv("SMILE_WEBHOOK_HEADER", "x-smile")
    assert webhook_sources(load_settings()) == ["yotpo", "smile"]


def test_a_second_ui_of_one_home_is_refused(home: Home) -> None:
    with only_ui(home), pytest.raises(LoyaltyError, match="already open"), only_ui(home):
        pytest.fail("two daemons would start every scheduled run twice")


def test_runs_of_a_dead_server_are_closed_and_a_living_command_is_left_alone(home: Home) -> None:
    prepare_dagster(home, load_settings())
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        started, new = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED
        stranded = instance.create_run_for_job(idle, status=started).run_id
        cancelling = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.CANCELING).run_id
        waiting = instance.create_run_for_job(idle, status=new).run_id
        typed = instance.create_run_for_job(idle, tags={INVOCATION_TAG: "a"}, status=started).run_id

        def status(run_id: str) -> dg.DagsterRunStatus:
            return instance.get_run_by_id(run_id).status  # type: ignore[union-attr]

        with FileLock(home.lock("run")):  # `loyalty run` is at work
            assert close_stranded_runs(home) == 2
        assert status(stranded) == status(cancelling) == dg.DagsterRunStatus.FAILURE
        assert status(waiting) == new
        assert status(typed) == started
        assert close_stranded_runs(home) == 1  # it was killed meanwhile
        assert status(typed) == dg.DagsterRunStatus.FAILURE


def test_dagster_keeps_its_runs_in_files_unless_told_otherwise(home: Home) -> None:
    prepare_dagster(home, load_settings())
    text = (home.dagster / "dagster.yaml").read_text()
    assert "storage" not in yaml.safe_load(text)
    assert yaml.safe_load(text)["telemetry"] == {"enabled": False}


@pytest.mark.parametrize("url", [None, URL])
def test_dagster_accepts_what_we_write(
    home: Home, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    if url:
        monkeypatch.setenv(POSTGRES_VARIABLE, url)
    written = yaml.safe_load(dagster_yaml(load_settings()))
    checked = process_config(dagster_instance_config_schema(), written)
    assert checked.success, [error.message for error in checked.errors or ()]


@pytest.mark.usefixtures("answering")
def test_postgres_is_named_by_its_variable_and_the_password_stays_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster_postgres import DagsterPostgresStorage
    from dagster_postgres.utils import pg_url_from_config

    monkeypatch.setenv(POSTGRES_VARIABLE, URL)
    prepare_dagster(home, load_settings())
    text = (home.dagster / "dagster.yaml").read_text()
    assert "a-password" not in text
    config = yaml.safe_load(text)["storage"]["postgres"]
    checked = process_config(DagsterPostgresStorage.config_type(), config)
    assert checked.success, [error.message for error in checked.errors or ()]
    assert checked.value is not None
    assert pg_url_from_config(checked.value) == WITH_DRIVER


@pytest.mark.usefixtures("answering")
def test_sqlalchemy_finds_the_driver_that_dagster_brings(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlalchemy

    monkeypatch.setenv(POSTGRES_VARIABLE, URL)
    prepare_dagster(home, load_settings())
    engine = sqlalchemy.create_engine(os.environ[POSTGRES_VARIABLE])  # connects to nothing yet
    assert engine.driver == "psycopg2"
    prepare_dagster(home, load_settings())
    assert os.environ[POSTGRES_VARIABLE] == WITH_DRIVER


@pytest.mark.usefixtures("answering")
def test_a_url_from_the_settings_file_reaches_dagster(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"{POSTGRES_VARIABLE}={URL}\n")
    monkeypatch.setenv("LOYALTY_ENV_FILE", str(file))
    monkeypatch.setenv(POSTGRES_VARIABLE, "")  # so that it is restored afterwards
    monkeypatch.delenv(POSTGRES_VARIABLE)
    prepare_dagster(home, load_settings())
    assert os.environ[POSTGRES_VARIABLE] == WITH_DRIVER
    assert URL not in repr(load_settings())


def test_a_database_that_does_not_answer_is_said_in_a_line_without_its_password(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused at once
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv(POSTGRES_VARIABLE, f"postgresql+psycopg2://me:a-password@{address}/d")
        with pytest.raises(ConfigurationError, match=r"PostgreSQL.*refused") as failure:
            prepare_dagster(home, load_settings())
    assert "a-password" not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_postgres_without_its_package_says_what_to_install(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, URL)
    monkeypatch.setattr(dagster_home.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="dagster-postgres"):
        prepare_dagster(home, load_settings())
    assert "dagster-postgres" in str(dagster_home.database_trouble(load_settings())), "for doctor"


@pytest.mark.usefixtures("answering")
def test_a_file_of_an_earlier_release_is_renewed_and_one_of_the_operator_is_kept(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home.dagster / "dagster.yaml"
    file.write_text(EARLIER)
    prepare_dagster(home, load_settings())
    ours = file.read_text()
    assert ours != EARLIER
    own = ours.split("\n", 1)[1]
    file.write_text(own)
    prepare_dagster(home, load_settings())
    assert file.read_text() == own
    monkeypatch.setenv(POSTGRES_VARIABLE, URL)
    with pytest.raises(ConfigurationError, match="storage"):
        prepare_dagster(home, load_settings())


@pytest.mark.usefixtures("answering")
def test_the_processes_of_a_runs_steps_are_told_the_driver_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are forked from one that is started before anything else, with its environment."""
    monkeypatch.setenv(POSTGRES_VARIABLE, URL)
    told: list[str] = []
    monkeypatch.setattr(step_server, "start_step_server", lambda: told.append(_url()))
    with pytest.raises(LoyaltyError, match="no such part"):
        base.start_run(_no_such_part)
    assert told == [WITH_DRIVER]


def _url() -> str:
    return os.environ[POSTGRES_VARIABLE]


def _no_such_part() -> None:
    raise LoyaltyError("no such part")
