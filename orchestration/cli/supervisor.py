"""Keeps several programs running until told to stop: restarts what crashes, gives up loudly.

One thread does it all, so that processes may be forked at any time: it reads what the programs
print, starts what is due, and looks who has ended. Owns when a program is started again, when there
are too many crashes, and in which order all end; must not know what the programs do.
"""

import os
import re
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from orchestration.cli import children
from vendor_http import LoyaltyError

# A program that crashed comes back after 1, 2, 4, 8 … seconds, at most a minute; the fifth crash
# within ten minutes is no accident any more.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
MOST_CRASHES, CRASH_WINDOW_SECONDS = 5, 600.0
# A receiver answers what was begun, Dagster's servers end their own children.
STOP_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_READ_BYTES = 65_536
_LAST_LINES = 5
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Part:
    """One program.

    Attributes:
        name: what its lines are marked with.
        is_ready: whether it can be used; asked while it runs.
        needs: name of the part that must be ready before this one starts.
        before_start: called each time before it starts; tidies up after a crash.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool] = lambda: True
    needs: str | None = None
    before_start: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Patience:
    """When a crash is one too many, and how long to wait for an end; seconds."""

    first_pause: float = FIRST_PAUSE_SECONDS
    most_crashes: int = MOST_CRASHES
    window: float = CRASH_WINDOW_SECONDS
    stop: float = STOP_SECONDS


@dataclass(frozen=True)
class _Child:
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]


@dataclass
class _State:
    """A part, its process while there is one, and its past."""

    part: Part
    child: _Child | None = None
    due: float = 0.0  # when it may be started, monotonic
    crashes: "deque[float]" = field(default_factory=deque)
    unfinished: bytes = b""
    last: "deque[str]" = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    def is_alive(self) -> bool:
        return self.child is not None and self.child.process.poll() is None

    def is_ready(self) -> bool:
        return self.is_alive() and self.part.is_ready()


class Supervisor:
    """Runs parts until it is interrupted.

    Args:
        parts: in the order of starting; those that need others end first.
        say: takes each line that a part prints, marked, and what happens to parts.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        environment: Mapping[str, str],
        say: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._parts = {part.name: _State(part) for part in parts}
        self._environment = environment
        self._say = say
        self._patience = patience or Patience()
        self._outputs = selectors.DefaultSelector()
        self._width = max(len(name) for name in self._parts)

    def run(self, on_ready: Callable[[], None], on_stop: Callable[[], None] = lambda: None) -> None:
        """Keep the parts running until KeyboardInterrupt, which ends them all and is passed on.

        Args:
            on_ready: called once, when every part can be used.
            on_stop: called when they are about to be ended.

        Raises:
            LoyaltyError: a part crashed too often; the others were ended.
        """
        was_ready = False
        try:
            while True:
                self._start_due()
                self._pump(_LOOK_SECONDS)
                for each in self._parts.values():
                    if each.child is not None and not each.is_alive():
                        self._crashed(each, each.child)
                if not was_ready and all(each.is_ready() for each in self._parts.values()):
                    was_ready = True
                    on_ready()
        finally:
            on_stop()
            self._stop()

    def _start_due(self) -> None:
        for each in self._parts.values():
            if each.child is not None or time.monotonic() < each.due:
                continue
            if each.part.needs and not self._parts[each.part.needs].is_ready():
                continue
            each.part.before_start()
            process = children.start(each.part.command, self._environment, subprocess.PIPE)
            if process.stdout is not None:  # always, for it is a pipe
                os.set_blocking(process.stdout.fileno(), False)
                self._outputs.register(process.stdout, selectors.EVENT_READ, each)
                each.child = _Child(process, process.stdout)

    def _pump(self, seconds: float) -> None:
        """Pass on what parts print, for at most so many seconds."""
        if not self._outputs.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._outputs.select(seconds):
            each: _State = key.data
            if each.child is not None:
                self._read(each, each.child.output)

    def _read(self, each: _State, output: IO[bytes]) -> bool:
        """Pass on what is there; False when there is nothing, or never will be."""
        try:
            read = os.read(output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not read:
            self._forget(output)
        *lines, each.unfinished = (each.unfinished + read).split(b"\n")
        if not read and each.unfinished:
            lines, each.unfinished = [each.unfinished], b""
        for line in lines:
            text = _COLOURS.sub("", line.decode(errors="replace")).rstrip()
            if text:
                each.last.append(text)
                self._say(f"{each.part.name:<{self._width}} | {text}")
        return bool(read)

    def _crashed(self, each: _State, child: _Child) -> None:
        code = child.process.returncode
        self._let_go(each)
        now = time.monotonic()
        each.crashes.append(now)
        while each.crashes[0] < now - self._patience.window:
            each.crashes.popleft()
        how = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        if len(each.crashes) >= self._patience.most_crashes:
            raise LoyaltyError(
                f"{each.part.name} {how} for the {len(each.crashes)}th time within "
                f"{self._patience.window / 60:.0f} minutes, so all of it stops. "
                f"It said last: {' / '.join(each.last) or 'nothing'}"
            )
        pause = min(
            LONGEST_PAUSE_SECONDS, self._patience.first_pause * 2 ** (len(each.crashes) - 1)
        )
        each.due = now + pause
        self._say(f"{each.part.name} {how}; it is started again in {pause:.0f} s")

    def _let_go(self, each: _State) -> None:
        """End what is left of a part's processes, and read its last words."""
        child, each.child = each.child, None
        if child is None:
            return
        children.end_group(child.process)
        while self._read(each, child.output):
            pass
        self._forget(child.output)
        child.output.close()

    def _forget(self, output: IO[bytes]) -> None:
        with suppress(KeyError):  # its end was seen before
            self._outputs.unregister(output)

    def _stop(self) -> None:
        """End all parts, those that need others first, within the bound."""
        deadline = time.monotonic() + self._patience.stop
        states = list(self._parts.values())
        try:
            for stage in (
                [each for each in states if each.part.needs],
                [each for each in states if not each.part.needs],
            ):
                for each in stage:
                    if each.child is not None:
                        each.child.process.terminate()
                while time.monotonic() < deadline and any(each.is_alive() for each in stage):
                    self._pump(_LOOK_SECONDS)
        except KeyboardInterrupt:
            self._say("interrupted again: ending at once")
        finally:
            for each in states:
                self._let_go(each)
            self._outputs.close()
