"""Servers in processes of their own, and fresh processes that measure."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.control_client import ControlClient
from sandbox.credentials import environment

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
# Scaled so, no limit of any vendor is ever met.
NO_LIMITS = 1_000_000.0


def measure(module: str, **options: object) -> dict[str, Any]:
    """Run `module` in a fresh process; what its last line says, as JSON."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def sandbox(customers: int, limits_scale: float) -> Iterator[Mapping[str, str]]:
    """The sandbox; yields the settings that point at it, and its address as `BASE_URL`."""
    arguments = ["--customers", str(customers), "--limits-scale", str(limits_scale)]
    with server("sandbox", *arguments) as base_url, ControlClient(base_url) as control:
        control.now()  # answers as soon as the shop stands
        yield {**environment(base_url), "BASE_URL": base_url}


@contextmanager
def server(module: str, *arguments: str) -> Iterator[str]:
    """`python -m module --port N`; yields its address once somebody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *arguments],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port, process, module)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=_STOP_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes], module: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{module} did not start; run `python -m {module}` to see why")
