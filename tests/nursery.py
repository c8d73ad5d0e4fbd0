"""Runs in processes of their own, which can be killed at any moment.

`Nursery` starts one helper that imports everything once and forks a process per run, so that a kill
costs no start of Python. The helper's script calls `serve` with what one run does. A run dies by
SIGKILL from outside (`on_start` hears its pid), or by its own hand at a step that was ordered.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

_ENDS_WITHIN_SECONDS = 240.0  # a few, on a machine that has nothing else to do


class AnyJob(Protocol):
    """One run; a dataclass of plain values."""

    @property
    def home(self) -> str:
        """The run's own folder."""


@dataclass(frozen=True)
class Ended:
    """How a run ended; `steps` and `error` are known of one that was not killed."""

    killed: bool
    error: str = ""
    message: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


class Nursery:
    """Starts runs, one at a time.

    Args:
        script: the helper's script; ends in `serve`.
    """

    def __init__(self, script: Path) -> None:
        self._script = script

    def __enter__(self) -> Self:
        paths = [str(self._script.parent), str(self._script.parents[1])]
        self._helper = subprocess.Popen(
            [sys.executable, str(self._script)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._helper.kill()
        self._helper.communicate()

    def run(self, job: AnyJob, on_start: Callable[[int], None] | None = None) -> Ended:
        """Start a run and wait for its end."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(asdict(job)) + "\n")  # type: ignore[call-overload]
        pid = int(self._helper.stdout.readline())
        patience = threading.Timer(_ENDS_WITHIN_SECONDS, os.kill, (pid, signal.SIGABRT))
        patience.start()
        try:
            if on_start is not None:
                on_start(pid)
            ended = json.loads(self._helper.stdout.readline())
        finally:
            patience.cancel()
        assert ended["signal"] in (0, signal.SIGKILL), f"{job} did not end: {ended}"
        if ended["signal"]:
            return Ended(killed=True)
        return Ended(killed=False, **json.loads(_result_file(job).read_text()))


class Steps:
    """Counts the steps of the present phase and ends the process at the one that was ordered."""

    def __init__(self, kill_phase: str, kill_step: int) -> None:
        self._kill_phase = kill_phase
        self._kill_step = kill_step
        self._lock = threading.Lock()
        self.phase = ""
        self.taken: Counter[str] = Counter()

    def step(self) -> None:
        with self._lock:
            self.taken[self.phase] += 1
            if self.phase == self._kill_phase and self.taken[self.phase] == self._kill_step:
                os.kill(os.getpid(), signal.SIGKILL)


def serve(
    play: Callable[[dict[str, Any]], tuple[AnyJob, Steps, Callable[[], dict[str, int]]]],
) -> None:
    """Fork a run per line of standard input; its pid and its end go to standard output.

    Args:
        play: from the job's values to the job, its steps and the run itself, which returns rows.
    """
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(*play(json.loads(line)))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        sys.stdout.write(json.dumps({"signal": ended}) + "\n")
        sys.stdout.flush()


def _run(job: AnyJob, steps: Steps, run: Callable[[], dict[str, int]]) -> None:
    result: dict[str, Any] = {}
    try:
        result["rows"] = run()
    except Exception as error:  # noqa: BLE001 -- told to the parent
        result |= {"error": type(error).__name__, "message": str(error)}
    steps.phase = ""
    _result_file(job).write_text(json.dumps({**result, "steps": dict(steps.taken)}))


def _result_file(job: AnyJob) -> Path:
    """Where a run that was not killed says how it ended; outside its home."""
    return Path(job.home).with_suffix(".result")
