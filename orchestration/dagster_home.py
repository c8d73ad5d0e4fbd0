"""Dagster's folder and its `dagster.yaml`, written from the settings at each start.

Imports no Dagster: commands that only look at a home stay quick. A `dagster.yaml` whose first line
somebody has removed is theirs and stays as it is.
"""

import importlib.util
import os

from orchestration.home import Home
from orchestration.settings import Settings, variable_names
from vendor_http import ConfigurationError

_OURS = "# Written by `loyalty` at each start; remove this line, and it stays as you edit it.\n"
# As an earlier release wrote it once.
_EARLIER = """\
# Written by `loyalty` when the folder is made; edit it, it is not written again.
telemetry:
  enabled: false
nux: # no invitation to a newsletter in front of the first page
  enabled: false
"""
_ALWAYS = """\
telemetry:
  enabled: false
nux: # no invitation to a newsletter in front of the first page
  enabled: false
python_logs:
  python_log_level: INFO # on the terminal; every event of a run stays in the UI
"""
# Ticks that did nothing are kept for a week; the others as long as runs.
_RETENTION = """\
retention:
  schedule:
    purge_after_days: {{skipped: 7, failure: {days}, success: {days}}}
  sensor:
    purge_after_days: {{skipped: 7, failure: {days}, success: {days}}}
"""
_ANSWER_SECONDS = 10
_DRIVER, _WITHOUT_DRIVER = "postgresql+psycopg2", ("postgresql", "postgres")
_POSTGRES = """\
storage:
  postgres:
    postgres_url:
      env: {variable}
"""


def prepare_dagster(home: Home, settings: Settings) -> None:
    """Make Dagster's folder and its settings, and let its programs find their database.

    Raises:
        ConfigurationError: PostgreSQL is wanted and cannot be used as things are.
    """
    home.prepare()
    url = settings.dagster_postgres_url
    if url is not None:
        # The file names the variable, never the password; from .env it comes here only.
        os.environ[POSTGRES_VARIABLE] = _with_driver(url.get_secret_value())
        if trouble := database_trouble(settings):
            raise ConfigurationError(trouble)
    file = home.dagster / "dagster.yaml"
    present = file.read_text() if file.exists() else _OURS
    if present.startswith(_OURS) or present == _EARLIER:
        wanted = dagster_yaml(settings)
        if present != wanted or not file.exists():
            temporary = file.with_suffix(".new")
            temporary.write_text(wanted)
            temporary.replace(file)
    elif url is not None and POSTGRES_VARIABLE not in present:
        raise ConfigurationError(
            f"{file} is your own and does not name {POSTGRES_VARIABLE}; add its `storage` section "
            "(docs/production.md), or restore its first line"
        )


def database_trouble(settings: Settings) -> str | None:
    """Why Dagster's PostgreSQL cannot be used; None = it answers, or files are used instead.

    Asked before Dagster is, which repeats itself and ends in a traceback.
    """
    if settings.dagster_postgres_url is None:
        return None
    if importlib.util.find_spec("dagster_postgres") is None:
        return (
            f"{POSTGRES_VARIABLE} needs the package dagster-postgres; install the product with "
            "its extra `postgres`"
        )
    import psycopg2  # comes with dagster-postgres

    _, separator, rest = settings.dagster_postgres_url.get_secret_value().partition("://")
    try:
        # libpq knows no drivers; its messages name host, port and role, never the password
        psycopg2.connect(f"postgresql{separator}{rest}", connect_timeout=_ANSWER_SECONDS).close()
    except psycopg2.Error as error:
        said = " ".join(str(error).split())
        return f"Dagster's PostgreSQL ({POSTGRES_VARIABLE}) cannot be used: {said}"
    return None


def _with_driver(url: str) -> str:
    """The address with the driver that dagster-postgres brings.

    SQLAlchemy 2.1 takes another one for an address that names none.
    """
    scheme, separator, rest = url.partition("://")
    return f"{_DRIVER}://{rest}" if separator and scheme in _WITHOUT_DRIVER else url


def dagster_yaml(settings: Settings) -> str:
    """The text of `dagster.yaml`."""
    parts = [_OURS, _ALWAYS, _RETENTION.format(days=settings.keep_run_days)]
    if settings.dagster_postgres_url is not None:
        parts.append(_POSTGRES.format(variable=POSTGRES_VARIABLE))
    return "".join(parts)


POSTGRES_VARIABLE = variable_names()["dagster_postgres_url"]
