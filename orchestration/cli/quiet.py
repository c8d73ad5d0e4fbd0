"""Keeps the tools' own output off the screen: dbt's and Dagster's lines go to a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def output_to(file: Path) -> Iterator[TextIO]:
    """Send whatever this process and its children print to `file`; yields the real terminal.

    Works on file descriptors, because steps run in processes of their own.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with file.open("ab") as log, os.fdopen(os.dup(saved[0]), "w", buffering=1) as terminal:
        log.truncate(0)  # of the last run only; appending, so that several processes can write
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in zip((1, 2), saved, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
