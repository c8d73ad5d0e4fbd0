"""What lies between a build and its publication, remembered in two small files under LOYALTY_HOME.

`unpublished.json`  a build has begun that is not published: its tests failed, it was killed, or it
                    goes on. Until a publication takes it along, nothing is built upon it: telling
                    events in between asks here first, so that unaudited data reaches nobody.
`untold.json`       webhooks were loaded that no build has seen since; whoever publishes a later
                    build takes it away.

Both are written with the writer's slot or the inbox's lock held. No person is named in them.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from orchestration.home import Home

EVERYTHING, EVENTS = "everything", "events"


@dataclass(frozen=True)
class Build:
    """A build that is not published.

    Attributes:
        scope: everything (or any part that somebody picked), or events.
        run_id: the run that builds.
        now: the product's clock in that build.
        is_still: it stands still (LOYALTY_NOW), so it cannot tell what came later.
    """

    scope: str
    run_id: str
    now: datetime
    is_still: bool = False


def begin_build(home: Home, build: Build) -> None:
    """Remember that the warehouse's tables are no longer the audited ones."""
    _write(_unpublished(home), {**asdict(build), "now": build.now.isoformat()})


def unpublished(home: Home) -> Build | None:
    """The build that was begun last, unless it is published."""
    found = _read(_unpublished(home))
    if found is None:
        return None
    now = datetime.fromisoformat(found["now"])
    return Build(found["scope"], found["run_id"], now, found["is_still"])


def why_events_wait(home: Home) -> str | None:
    """Why events must not be built upon the warehouse's tables now; None when nothing is wrong."""
    if not home.audited.exists():
        return "nothing was built and published yet: the first `loyalty run` takes webhooks along"
    last = unpublished(home)
    if last is None or last.scope == EVENTS:
        return None
    return (
        "the warehouse holds a build that is not published (its tests failed, it was stopped, or "
        "it goes on): webhooks wait for the next refresh that succeeds"
    )


def end_build(home: Home) -> None:
    """The build is published: forget it, and the webhooks that it has seen."""
    build = unpublished(home)
    loaded_at = untold_since(home)
    if build and loaded_at and (build.is_still or loaded_at <= build.now):
        _untold(home).unlink(missing_ok=True)
    _unpublished(home).unlink(missing_ok=True)


def note_webhooks(home: Home) -> None:
    """Webhooks were loaded just now."""
    _write(_untold(home), {"loaded_at": datetime.now(UTC).isoformat()})


def untold_since(home: Home) -> datetime | None:
    """When webhooks were loaded last that no published build has seen; None when there are none."""
    found = _read(_untold(home))
    return None if found is None else datetime.fromisoformat(found["loaded_at"])


def _unpublished(home: Home) -> Path:
    return home.root / "unpublished.json"


def _untold(home: Home) -> Path:
    return home.root / "untold.json"


def _write(file: Path, content: dict[str, Any]) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_bytes(orjson.dumps(content))
    temporary.replace(file)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    return found
