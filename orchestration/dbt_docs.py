"""dbt's own documentation of the project, as one page that a browser opens from the disk."""

from pathlib import Path

import orjson
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from orchestration import dbt
from orchestration.context import one_line
from orchestration.home import Home
from orchestration.settings import Settings
from orchestration.slot import writer_slot
from vendor_http import LoyaltyError


def write_docs(home: Home, settings: Settings) -> Path:
    """Generate the page from project and warehouse; returns where it is.

    Raises:
        LoyaltyError: dbt could not, in its words.
    """
    dbt.export_environment(home)
    target = home.dbt / "docs"
    arguments = [
        *("--quiet", "docs", "generate", "--static", "--target-path", str(target)),
        *("--project-dir", str(dbt.PROJECT_FOLDER), "--profiles-dir", str(dbt.PROJECT_FOLDER)),
        *("--vars", orjson.dumps(dbt.variables(settings)).decode()),
    ]
    with writer_slot(home):
        try:
            answer = dbtRunner().invoke(arguments)
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if not answer.success:
        why = one_line(answer.exception) if answer.exception else "see the lines above"
        raise LoyaltyError(f"dbt could not write its documentation: {why}")
    return target / "static_index.html"
