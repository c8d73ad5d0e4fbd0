"""Work that Rule accepts now and does later, and the callbacks it would then make.

Tasks are done in order, when anybody next looks and their time has come; no thread is needed.
Callbacks are recorded, never called: the sandbox opens no connection.
"""

import time
from collections import deque
from collections.abc import Callable

from sandbox.rule.catalogue import Record


class Background:
    """A queue of tasks; `monotonic` is real time in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._tasks: deque[tuple[float, Callable[[], object]]] = deque()
        self.callbacks: list[Record] = []

    def later(self, seconds: float, task: Callable[[], object]) -> None:
        """Does `task` after `seconds`, at once if that is 0 and nothing waits before it."""
        self._tasks.append((self._monotonic() + seconds, task))
        self.settle()

    def settle(self) -> None:
        """Does what is due."""
        now = self._monotonic()
        while self._tasks and self._tasks[0][0] <= now:
            self._tasks.popleft()[1]()

    def finish(self) -> None:
        """Does everything now."""
        while self._tasks:
            self._tasks.popleft()[1]()

    def record_callback(self, url: str, method: str) -> None:
        """Remembers that Rule would have called `url`."""
        self.callbacks.append({"url": url, "method": method})
