"""dlt's load packages that a killed process left half loaded: they are begun anew, whole.

dlt goes on where it was, job by job, and a job whose rows had reached the staging table when the
process died is done again. Tables with a primary key shed the second copy when they are merged;
groups that are replaced as a whole (`Table.replaces`) have none and would keep it. Begun anew, dlt
empties the staging tables first; all merges are by key, so what was merged already stays as it is.
"""

from pathlib import Path

from dlt.common.storages.load_package import PackageStorage

_INITIAL = PackageStorage.SCHEMA_UPDATES_FILE_NAME
_NEW, _STARTED, _COMPLETED = (
    PackageStorage.NEW_JOBS_FOLDER,
    PackageStorage.STARTED_JOBS_FOLDER,
    PackageStorage.COMPLETED_JOBS_FOLDER,
)
# What dlt makes itself while it loads: merges, and references to files that were copied.
_MADE_BY_LOADING = (".sql", ".reference")


def begin_anew(package: Path) -> None:
    """Make a half loaded package one that nobody has begun to load; may itself be interrupted.

    Args:
        package: the folder of a normalised load package.
    """
    if (package / _INITIAL).exists():
        return
    for job in [*_jobs(package, _NEW), *_jobs(package, _STARTED), *_jobs(package, _COMPLETED)]:
        if job.suffix in _MADE_BY_LOADING:
            job.unlink()
        else:
            job.replace(package / _NEW / job.name)
    for note in _jobs(package, PackageStorage.PENDING_TRANSITIONS_FOLDER):
        note.unlink()
    # Last, because it says that nothing has begun. No tables in it: dlt compares with the database.
    draft = package / f"{_INITIAL}.draft"
    draft.write_bytes(b"{}")
    draft.replace(package / _INITIAL)


def _jobs(package: Path, state: str) -> list[Path]:
    folder = package / state
    return sorted(folder.iterdir()) if folder.exists() else []
