"""Highest memory of the process that measures itself."""

import threading

import psutil

_SAMPLE_SECONDS = 0.1


class Peak(threading.Thread):
    """Highest resident set of this process, in bytes, until `stop` is set."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        process = psutil.Process()
        while not self.stop.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, process.memory_info().rss)
