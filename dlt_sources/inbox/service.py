"""Serves the receiver until it is told to stop, and stops cleanly.

SIGTERM and SIGINT end it: no new connection is taken, what was begun is answered, the inboxes are
written out and sealed, and the process ends with exit code 0.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from vendor_http import LoyaltyError

# What a sender has begun is waited for so long at the end.
STOP_SECONDS = 30
# Connections at a time; more are told 503 at once, which bounds the bodies held in memory.
MOST_CONNECTIONS = 1_000


class _Server(uvicorn.Server):
    """uvicorn, which ends a process by the signal that stopped it: here that is a clean end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        stops = (signal.SIGTERM, signal.SIGINT)
        before = {each: signal.signal(each, self.handle_exit) for each in stops}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        LoyaltyError: the address is in use, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise LoyaltyError(
            f"{host}:{port} cannot be used ({error.strerror}); choose another --host or --port"
        ) from None
    return listener


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve until a signal says stop.

    Raises:
        LoyaltyError: the receiver could not start; the log has the reason.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_level="critical",  # its messages repeat addresses of requests
            access_log=False,
            lifespan="on",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    server.run(sockets=[listener])
    if not server.started:
        problem = getattr(app.state, "problem", None)
        if isinstance(problem, LoyaltyError):
            raise problem
        reason = getattr(problem, "strerror", None) or type(problem).__name__
        raise LoyaltyError(f"The receiver could not start: {reason}. Check LOYALTY_HOME's folder")
