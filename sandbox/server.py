"""Builds the sandbox and serves it: in a thread (`running`) or in the foreground (`serve`).

One process, one event loop, one ASGI application below `/smile/v1`, `/yotpo/api/v2`, `/klaviyo`,
`/rule` and the control API `/_sandbox`.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox import klaviyo, rule, smile, state, yotpo
from sandbox.config import SandboxConfig
from sandbox.context import SandboxContext
from sandbox.control_client import ControlClient
from sandbox.core.app import VendorApp
from sandbox.core.clock import SandboxClock, newest_day
from sandbox.core.control import PREFIX, ControlApp
from sandbox.core.errors import SandboxError
from sandbox.core.request_log import RequestLog
from sandbox.credentials import environment
from sandbox.shop.shop import Shop

VENDORS = ("smile", "yotpo", "klaviyo", "rule")
START_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(__name__)


class _CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that also hands out a way to abort the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.abort": self.transport.abort}  # type: ignore[dict-item]


class Sandbox:
    """One shop, its vendors and the control API."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        start, days = state.starting_point(
            config.state_dir, config.today, newest_day(datetime.now(UTC))
        )
        clock = SandboxClock(start)
        shop = Shop(config.seed, config.customers, clock)
        self.context = SandboxContext(config, clock, RequestLog(VENDORS), shop)
        self.vendors: dict[str, VendorApp] = {
            "smile": smile.build(self.context),
            "yotpo": yotpo.build(self.context),
            "klaviyo": klaviyo.build(self.context),
            "rule": rule.build(self.context),
        }
        if days:
            clock.advance(days)
        state.load_vendors(config.state_dir, self.vendors)
        self.control = ControlApp(self.context, self.vendors, self._summary)
        self._mounted: dict[str, ASGIApp] = {PREFIX: self.control}
        self._mounted.update((vendor.prefix, vendor) for vendor in self.vendors.values())

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: hands a request to whoever owns the beginning of its path."""
        path = scope["path"]
        for prefix, app in self._mounted.items():
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                await app(scope, receive, send)
                return
        text = f"The sandbox serves {', '.join(self._mounted)}."
        await PlainTextResponse(text, status_code=404)(scope, receive, send)

    def _summary(self) -> Mapping[str, Any]:
        shop = self.context.shop
        return {"customers": self.config.customers, "programs": shop.summary()}

    def save(self) -> None:
        state.save(self.config.state_dir, self.context.clock, self.vendors)


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers at `base_url`."""

    base_url: str
    environment: dict[str, str]
    control: ControlClient


def _bind(config: SandboxConfig) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise SandboxError(
            f"Port {config.port} on {config.host} is not free; choose another with --port."
        ) from error
    return listener


def _server(sandbox: Sandbox) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            sandbox.app,
            http=_CuttableProtocol,
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=2,
        )
    )


@contextmanager
def running(config: SandboxConfig) -> Iterator[RunningSandbox]:
    """A sandbox in a thread of this process; stopped, and its state kept, on leaving.

    Raises:
        SandboxError: the port is taken, or the server did not start within 30 s.
    """
    with closing(_bind(config)) as listener:
        sandbox = Sandbox(config)
        server = _server(sandbox)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="sandbox", daemon=True
        )
        thread.start()
        try:
            _wait_until_started(server, thread)
            base_url = f"http://{config.host}:{listener.getsockname()[1]}"
            with ControlClient(base_url) as control:
                yield RunningSandbox(base_url, environment(base_url), control)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            sandbox.save()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise SandboxError("The sandbox did not start; see the log of uvicorn.", 500)
        time.sleep(0.005)


def serve(config: SandboxConfig) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; then keep the state and return.

    Raises:
        SandboxError: the port is taken.
    """
    with closing(_bind(config)) as listener:
        sandbox = Sandbox(config)
        gc.freeze()  # the shop stays; a full collection would walk half a million records for it
        logger.info("sandbox at http://%s:%s", config.host, listener.getsockname()[1])
        # uvicorn stops in order, then raises the signal once more for whoever was there before.
        before = {number: signal.signal(number, _stopped) for number in STOP_SIGNALS}
        try:
            _server(sandbox).run(sockets=[listener])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            sandbox.save()


def _stopped(number: int, frame: FrameType | None) -> None:
    del frame
    logger.info("stopped by %s", signal.Signals(number).name)
