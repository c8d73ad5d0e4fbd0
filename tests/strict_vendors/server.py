"""A plain HTTP server for one stranger: own base path, recorded calls, answers that can be cut.

The base path is part of the stranger's habits: a base URL may have one, with or without a slash at
its end. Whatever is asked for outside it is a breach.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

WRITING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Call:
    """One request as it arrived; `path` is decoded, without the base path."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    arrived: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """`body` of bytes or text goes out as it is; anything else as JSON; None = empty."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    is_cut: bool = False

    def content(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Stranger(ABC):
    """What the four vendors share: calls, breaches, rate windows and planned trouble.

    `trouble` is a list of functions `Call -> Answer | None`; the first answer wins and is sent in
    place of the vendor's own. One that has done its work returns None from then on.
    """

    base_path = "/elsewhere"
    ends_with_slash = False

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self.trouble: list[Callable[[Call], Answer | None]] = []
        self.base_url = ""
        self.lock = threading.RLock()
        self._windows: dict[tuple[str, float], list[float]] = {}

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """The vendor's own answer to a call."""

    def too_fast(self, name: str, requests: int, seconds: float, arrived: float) -> float | None:
        """Seconds until the fixed window ends, when this call is one too many for it."""
        start = arrived // seconds * seconds
        times = self._windows.setdefault((name, seconds), [])
        times[:] = [moment for moment in times if moment >= start] + [arrived]
        return start + seconds - arrived if len(times) > requests else None

    def breach(self, what: str) -> None:
        self.violations.append(what)

    def take(self, call: Call) -> Answer:
        with self.lock:
            self.calls.append(call)
            for plan in self.trouble:
                planned = plan(call)
                if planned is not None:
                    return planned
            return self.answer(call)

    def writes(self) -> list[Call]:
        """Calls that may change something, in the order of their arrival."""
        return [call for call in self.calls if call.method in WRITING]

    def forget_calls(self) -> None:
        with self.lock:
            self.calls.clear()


@contextmanager
def serving(*strangers: Stranger) -> Iterator[None]:
    """Serve each on a port of its own."""
    servers = [_start(stranger) for stranger in strangers]
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _start(stranger: Stranger) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            if path.startswith(stranger.base_path + "/"):
                answer = stranger.take(
                    Call(
                        method=self.command,
                        path=path.removeprefix(stranger.base_path),
                        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                        headers={name.lower(): value for name, value in self.headers.items()},
                        body=body,
                        arrived=time.time(),
                    )
                )
            else:
                stranger.breach(f"{self.command} outside the base path")
                answer = Answer(404, "<html>no such page</html>", media_type="text/html")
            if answer.is_cut:
                self.close_connection = True
                return
            self._send(answer)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def _send(self, answer: Answer) -> None:
            content = answer.content()
            self.send_response_only(answer.status)
            if "Date" not in answer.headers:
                self.send_header("Date", self.date_time_string())
            if content:
                self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *arguments: Any) -> None:
            """A client that was killed leaves a broken pipe: none of our business."""

    server = Server(("127.0.0.1", 0), Handler)
    stranger.base_url = f"http://127.0.0.1:{server.server_port}{stranger.base_path}"
    if stranger.ends_with_slash:
        stranger.base_url += "/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def next_times(
    count: int, answer: Callable[[Call], Answer], applies: Callable[[Call], bool] = lambda _: True
) -> Callable[[Call], Answer | None]:
    """Trouble for the next `count` calls that it applies to."""
    left = [count]

    def plan(call: Call) -> Answer | None:
        if left[0] <= 0 or not applies(call):
            return None
        left[0] -= 1
        return answer(call)

    return plan
