"""What `loyalty dev` and `loyalty serve` share: one UI per home, its environment, its ports."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.dagster_home import prepare_dagster
from orchestration.home import Home
from orchestration.settings import Settings
from vendor_http import LoyaltyError

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@contextmanager
def only_ui(home: Home) -> Iterator[None]:
    """Hold the right to run this home's UI and daemon.

    A second daemon on the same storage would start every scheduled run twice.

    Raises:
        LoyaltyError: somebody else holds it.
    """
    lock = FileLock(home.lock("dev"), blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise LoyaltyError(
            f"`loyalty dev` or `loyalty serve` is already open on {home.root}; end it first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def dagster_environment(home: Home, settings: Settings) -> dict[str, str]:
    """The environment of Dagster's programs, with their folder made."""
    prepare_dagster(home, settings)
    return {**os.environ, "DAGSTER_HOME": str(home.dagster), "LOYALTY_HOME": str(home.root)}


def program(name: str) -> str:
    """A program of this environment, by its full path.

    Raises:
        LoyaltyError: it is not installed.
    """
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise LoyaltyError(f"The {name} command is missing; run make env")
    return found


def require_free(host: str, port: int, remedy: str) -> None:
    """Refuse a port that cannot be listened at, before anything slow begins.

    Raises:
        LoyaltyError: it is taken, or the address is not of this machine; ends with `remedy`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            where = "" if host in LOOPBACK else f" at {host}"
            raise LoyaltyError(
                f"Port {port}{where} cannot be used ({why}); end what listens there, or choose "
                f"another: {remedy}"
            ) from None


def place(host: str, port: int) -> str:
    """Host and port as they stand in an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
