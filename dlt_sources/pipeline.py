"""dlt pipelines of this product: where they keep their files, and the two halves of a run.

Owns dlt's configuration (all of it from code: no telemetry, no `secrets.toml`, nothing outside the
given folder), the split into `extract_and_normalize` (network and files, no database) and `load`
(the only step that opens DuckDB), and the translation of dlt's errors. Must not know a vendor.

A run that was killed leaves either half a package, which dlt forgets, or a whole one, which the
next `load` finishes first: every table merges on its key, so finishing twice adds nothing.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow.parquet as pq
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.dictionary import DictionaryProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from dlt_sources.errors import ExtractError, WarehouseLoadError
from vendor_http import LoyaltyError

_CONFIG: Mapping[str, Any] = {
    "runtime": {"dlthub_telemetry": False, "log_level": "WARNING"},
    # All chains of a source in flight at once; the vendor's limiter sets the pace.
    "extract": {"workers": 8, "max_parallel_items": 16},
    "normalize": {"loader_file_format": "parquet", "workers": 1},
    # DuckDB uses every core for one statement; two jobs keep it busy between statements.
    "load": {"workers": 2, "delete_completed_jobs": True},
    "data_writer": {"buffer_max_items": 50_000, "disable_compression": False},
}
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
        destination=dlt.destinations.duckdb(credentials=str(warehouse.resolve())),
        dataset_name=f"raw_{source}",
        pipelines_dir=str(pipelines_dir.resolve()),
    )


def extract_and_normalize(pipeline: dlt.Pipeline, source: DltSource) -> Mapping[str, int]:
    """Read the vendor and write one load package; opens no database.

    Returns:
        Rows per table that the next `load` will merge (those of an earlier, unfinished run too).

    Raises:
        LoyaltyError: what the vendor or the machine refused; then no package was written.
    """
    try:
        pipeline.normalize()  # what an earlier run extracted completely, but did not finish
        pipeline.extract(source, loader_file_format="parquet")
        pipeline.normalize()
    except PipelineStepFailed as failure:
        raise _explained(failure, "extraction") from failure
    return pending_rows(pipeline)


def load(pipeline: dlt.Pipeline) -> Mapping[str, int]:
    """Merge all pending packages, oldest first, and close the database.

    Returns:
        Rows per table that were merged.

    Raises:
        WarehouseLoadError: DuckDB refused; the packages stay, and the next load finishes them.
    """
    rows = pending_rows(pipeline)
    try:
        pipeline.load()
    except PipelineStepFailed as failure:
        raise _explained(failure, "load") from failure
    return rows


def pending_rows(pipeline: dlt.Pipeline) -> Mapping[str, int]:
    """Rows per table in packages that are written and not yet loaded."""
    rows: Counter[str] = Counter()
    for load_id in pipeline.list_normalized_load_packages():
        package = pipeline.get_load_package_info(load_id)
        for job in package.jobs["new_jobs"]:
            table = job.job_file_info.table_name
            if job.file_path.endswith(".parquet") and not table.startswith("_dlt"):
                rows[table] += pq.read_metadata(job.file_path).num_rows
    return dict(rows)


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


def _explained(failure: PipelineStepFailed, step: str) -> LoyaltyError:
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
        f"The {step} failed with {type(last).__name__}; nothing of it was kept. The log has the "
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
