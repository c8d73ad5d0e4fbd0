"""A step ends with the run it belongs to.

Steps are processes of their own. Of a run that was killed they would go on by themselves, unseen,
while the next run waits for what they hold. Everything a step does can be cut off at any moment and
is taken up by the next run, so it is cut off.
"""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """In a process that was started by another one: end at once when that one is gone."""
    parent = multiprocessing.parent_process()
    if parent is None or any(thread.name == _NAME for thread in threading.enumerate()):
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name=_NAME, daemon=True).start()


_NAME = "end-with-parent"
