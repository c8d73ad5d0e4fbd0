"""Is there room for another refresh?"""

import shutil

from orchestration.home import Home

GIB = 1024**3


def free_gib(home: Home) -> float:
    """What is free where LOYALTY_HOME lies, in GiB."""
    return shutil.disk_usage(home.root).free / GIB


def too_full(home: Home, least_gib: float) -> str | None:
    """What to tell when less than LOYALTY_LEAST_DISK_GIB is free; else None."""
    free = free_gib(home)
    if free >= least_gib:
        return None
    return (
        f"{free:.1f} GiB are free where {home.root} lies, {least_gib:g} GiB is the least "
        "(LOYALTY_LEAST_DISK_GIB). Make room before the next refresh"
    )
