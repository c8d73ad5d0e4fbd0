"""dlt pipelines of this product: their configuration and the translation of their errors.

Owns what dlt is told (all of it from code: no telemetry, no `secrets.toml`, nothing outside the
given folder) and how its failures are told to people. Must not know a vendor.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.dictionary import DictionaryProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_sources.errors import ExtractError, WarehouseLoadError
from vendor_http import LoyaltyError

_CONFIG: Mapping[str, Any] = {
    "runtime": {"dlthub_telemetry": False, "log_level": "WARNING"},
    "normalize": {"loader_file_format": "parquet", "workers": 1},
    # DuckDB uses every core for one statement; two jobs keep it busy between statements.
    "load": {"workers": 2, "delete_completed_jobs": True},
    "data_writer": {"buffer_max_items": 50_000, "disable_compression": False},
}
# What a merge may hold in memory, whatever it merges; the rest goes to DuckDB's temporary folder
# beside the file. A package (`loading.PACKAGE_ROWS`) fits.
LOAD_MEMORY = "512MB"
# JSON travels through Arrow as text and is declared as JSON: the one disagreement of our
# declarations with our Arrow schemas that Arrow cannot express. dlt keeps the declaration, which is
# what we want, and warns for each batch.
_EXPECTED_WARNING = "several column hints were different"


class _Folder(RunContext):
    """A dlt project that is one folder and reads no file and no environment for its settings."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = str(folder)
        self._global_dir = str(folder)

    @property
    def run_dir(self) -> str:
        return self._folder

    @property
    def local_dir(self) -> str:
        return self._folder

    @property
    def data_dir(self) -> str:
        return self._folder

    def initial_providers(self) -> list[Any]:
        provider = DictionaryProvider()
        for section, values in _CONFIG.items():
            for key, value in values.items():
                provider.set_value(key, value, None, section)
        return [provider]


def build_pipeline(
    source: str, warehouse: Path, pipelines_dir: Path, *, program: str | None = None
) -> dlt.Pipeline:
    """A pipeline from `source` ("smile", "yotpo") into `raw_<source>` of the DuckDB file.

    Opens nothing but `pipelines_dir`, which dlt uses for all its files. Several programmes of one
    vendor share the dataset and have a pipeline each.
    """
    pipelines_dir.mkdir(parents=True, exist_ok=True)
    _use_folder(pipelines_dir.resolve())
    name = source if program in (None, source) else f"{source}_{program}"
    return dlt.pipeline(
        pipeline_name=name,
        destination=dlt.destinations.duckdb(credentials=_credentials(warehouse)),
        dataset_name=f"raw_{source}",
        pipelines_dir=str(pipelines_dir.resolve()),
    )


def _credentials(warehouse: Path) -> DuckDbCredentials:
    credentials = DuckDbCredentials(str(warehouse.resolve()))
    credentials.global_config = {"memory_limit": LOAD_MEMORY, "preserve_insertion_order": False}
    return credentials


def hold_open(pipeline: dlt.Pipeline) -> AbstractContextManager[object]:
    """Keep the pipeline's database open for as long as this is entered.

    DuckDB writes a checkpoint when the last connection to a file closes, and dlt closes its own
    between its jobs: that was a third of the time of a small load. For one package only: between
    several, closing gives back the memory. Where the file cannot be opened nothing is held, and
    dlt fails with the same error in its own place.
    """
    if len(pipeline.list_normalized_load_packages()) > 1:
        return nullcontext()
    database = pipeline.destination.config_params["credentials"].database
    try:
        return duckdb.connect(database)
    except duckdb.Error:
        return nullcontext()


def _use_folder(folder: Path) -> None:
    """Make `folder` dlt's whole world in this process."""
    container = Container()
    current = container[PluggableRunContext].context if PluggableRunContext in container else None
    if not isinstance(current, _Folder) or current.run_dir != str(folder):
        container[PluggableRunContext] = PluggableRunContext(_Folder(folder))
    logger = logging.getLogger("dlt")
    if not any(isinstance(entry, _DropExpectedWarning) for entry in logger.filters):
        logger.addFilter(_DropExpectedWarning())


class _DropExpectedWarning(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return _EXPECTED_WARNING not in record.getMessage()


def explained(failure: PipelineStepFailed, step: str) -> LoyaltyError:
    """The error a person can act on, from inside dlt's wrapping."""
    for error in _causes(failure):
        if isinstance(error, LoyaltyError):
            return error
    last = list(_causes(failure))[-1]
    if isinstance(last, duckdb.Error) or step == "load":
        return WarehouseLoadError(
            f"The warehouse did not take the extracted data ({type(last).__name__}). The data is "
            "kept and the next load finishes it. Check that no other program holds the file and "
            "that the disk has room, then run again"
        )
    return ExtractError(
        f"The {step} failed with {type(last).__name__}. What was read is kept. The log has the "
        "place where it happened. Check the disk, then run again"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        nested = getattr(current, "exception", None)
        current = (
            current.__cause__
            or current.__context__
            or (nested if isinstance(nested, BaseException) else None)
        )
