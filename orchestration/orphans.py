"""A step ends with the run it belongs to.

Steps are processes of their own. Of a run that was killed they would go on by themselves, unseen,
while the next run waits for what they hold. Everything a step does can be cut off at any moment and
is taken up by the next run, so it is cut off. The same holds for the code server, the process that
this location is loaded in: of a `loyalty serve` that was killed it would execute its run to the
end, while the next one has closed that run as failed.
"""

import multiprocessing
import os
import sys
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """In a process that was started by another one: end at once when that one is gone."""
    parent = multiprocessing.parent_process()
    sentinel = parent.sentinel if parent else _code_server()
    if sentinel is None or any(thread.name == _NAME for thread in threading.enumerate()):
        return

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name=_NAME, daemon=True).start()


def _code_server() -> int | None:
    """In a code server, what becomes ready when its keeper ends; None elsewhere.

    By a file descriptor of the process, which Linux has; on other systems Dagster's heartbeat ends
    this process, once its run has ended.
    """
    if sys.argv[1:3] != ["api", "grpc"] or sys.platform != "linux":
        return None
    return os.pidfd_open(os.getppid())


_NAME = "end-with-parent"
