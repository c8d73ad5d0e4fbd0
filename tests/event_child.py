"""Syncs of events in processes that can be killed (see `nursery`).

A step is a request leaving, its answer arriving, or a call of the ledger beginning or ending: a
kill between two of them finds the files and the vendor as they are there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nursery

PHASE = "sync"
_LEDGER_CALLS = ("recover", "start_run", "record_unsent", "record_sent", "settle", "finish_run")


@dataclass(frozen=True)
class Job:
    """One sync of `home/published.duckdb` with `home/ledger.duckdb`.

    Attributes:
        base_url: of the sandbox.
        kill_phase: `sync`, or "" = it is not killed; right before step `kill_step`.
    """

    vendor: str
    base_url: str
    home: str
    kill_phase: str = ""
    kill_step: int = 0


def syncs() -> nursery.Nursery:
    """Processes that sync."""
    return nursery.Nursery(Path(__file__))


def _watched(call: Callable[..., Any], steps: nursery.Steps) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        steps.step()
        answer = call(*arguments, **named)
        steps.step()
        return answer

    return watched


def _play(job: Job, steps: nursery.Steps) -> dict[str, int]:
    import httpx
    from event_models import run
    from event_vendors import account_of, small, triggering

    from reverse_etl.events.ledger import EventLedger
    from reverse_etl.ledger import Ledger
    from sandbox.control_client import ControlClient
    from sandbox.credentials import environment

    for name in _LEDGER_CALLS:
        setattr(EventLedger, name, _watched(getattr(EventLedger, name), steps))
    with ControlClient(job.base_url) as control:
        account = account_of(job.vendor, control, environment(job.base_url))
        destination = small(account)
        httpx.Client.send = _watched(httpx.Client.send, steps)  # type: ignore[method-assign]
        steps.phase = PHASE
        home = Path(job.home)
        published, ledger = home / "published.duckdb", Ledger(home / "ledger.duckdb")
        result = run(published, ledger, destination, "killed", triggering(job.vendor))
    steps.phase = ""
    return {"accepted": result.total("accepted")}


def _prepare(values: dict[str, Any]) -> tuple[Job, nursery.Steps, Callable[[], dict[str, int]]]:
    job = Job(**values)
    steps = nursery.Steps(job.kill_phase, job.kill_step)
    return job, steps, partial(_play, job, steps)


def main() -> None:
    """Serve syncs."""
    import duckdb  # noqa: F401 -- imported before the first fork
    import event_vendors  # noqa: F401

    nursery.serve(_prepare)


if __name__ == "__main__":
    main()
