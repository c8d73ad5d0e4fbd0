"""A step does not outlive a run that was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

RUN = """
import multiprocessing, os, sys, time
from orchestration.orphans import end_with_parent

def step(path):
    end_with_parent()
    end_with_parent()  # a step may ask twice
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    child = multiprocessing.get_context("forkserver").Process(target=step, args=(sys.argv[1],))
    child.start()
    child.join()
"""


def test_a_step_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "run.py", tmp_path / "step.pid"
    script.write_text(RUN)
    run = subprocess.Popen(
        [sys.executable, str(script), str(told)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    step = psutil.Process(int(wait_for(told)))
    run.send_signal(signal.SIGKILL)
    run.wait()
    step.wait(timeout=30)
    assert not step.is_running()


def wait_for(file: Path) -> str:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, "the step did not start within a minute"
        time.sleep(0.05)
    return file.read_text()
