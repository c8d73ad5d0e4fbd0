"""Processes that `loyalty` starts and that must not outlive it, however it ends.

They lead a process group of their own: Ctrl-C on a terminal reaches only `loyalty`, which then
ends them in order. When `loyalty` itself is killed with no chance to do so, Linux signals them in
its place (prctl(2), PR_SET_PDEATHSIG); elsewhere such a child stays and has to be ended by hand.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 30
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | int | None = None
) -> "subprocess.Popen[bytes]":
    """Start `command`; `output` takes all it prints, None = the terminal, PIPE = its `stdout`."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        # Whoever started us may ignore or hold back what has to reach a child: a shell with `&`.
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(  # noqa: S603 - our own commands
        command,
        env=dict(environment),
        stdout=output,
        stderr=subprocess.STDOUT if output == subprocess.PIPE else output,
        start_new_session=True,
        preexec_fn=prepare,  # only system calls; this process has a single thread by now
    )


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a child to end, wait, and then end whatever is left of its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    end_group(process)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End at once whatever is left of a child's group, the child included."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and an ignored SIGINT end this process as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
