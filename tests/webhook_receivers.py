"""The webhook receiver behind a real port, for tests."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette

START_SECONDS = 20.0


@contextmanager
def receiving(app: Starlette) -> Iterator[httpx.Client]:
    """Serve the application in a thread; stops it cleanly."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + START_SECONDS
            while not server.started:
                assert thread.is_alive(), "the receiver did not start"
                assert time.monotonic() < until, "the receiver takes too long to start"
                time.sleep(0.005)
            port = listener.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
