"""Which API revisions are alive on a day.

Pure. A revision lives two years and is then answered with 410:
https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy
"""

import re
from datetime import date

REVISIONS: tuple[date, ...] = (
    date(2023, 2, 22),
    date(2023, 6, 15),
    date(2023, 7, 15),
    date(2023, 8, 15),
    date(2023, 9, 15),
    date(2023, 10, 15),
    date(2023, 12, 15),
    date(2024, 2, 15),
    date(2024, 5, 15),
    date(2024, 6, 15),
    date(2024, 7, 15),
    date(2024, 10, 15),
    date(2025, 1, 15),
    date(2025, 4, 15),
    date(2025, 7, 15),
    date(2025, 10, 15),
    date(2026, 1, 15),
    date(2026, 4, 15),
    date(2026, 7, 15),
    date(2026, 10, 15),
)
HEADER = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.pre)?")
# From here on the embedded profile's `meta` of a single event stands beside its attributes.
EVENT_META_MOVED = date(2026, 10, 15)
# From here on events may date back to 1990 instead of 2000.
EVENT_FLOOR_MOVED = date(2026, 7, 15)


def known_revision(header: str, *, nearest_earlier: bool) -> date | None:
    """The revision a header names; with `nearest_earlier`, any date counts as the one before it."""
    match = HEADER.fullmatch(header)
    if match is None:
        return None
    try:
        wanted = date.fromisoformat(match.group(1))
    except ValueError:
        return None
    if wanted in REVISIONS:
        return wanted
    earlier = [revision for revision in REVISIONS if revision < wanted]
    return earlier[-1] if nearest_earlier and earlier else None


def newest_revision(today: date) -> date:
    """The newest revision published by `today`."""
    return max(revision for revision in REVISIONS if revision <= max(today, REVISIONS[0]))


def is_retired(revision: date, today: date) -> bool:
    """Whether two years have passed since the revision came out."""
    return today >= revision.replace(year=revision.year + 2)


def event_floor_year(revision: date) -> int:
    """The earliest year of an event's `time`."""
    return 1990 if revision >= EVENT_FLOOR_MOVED else 2000
