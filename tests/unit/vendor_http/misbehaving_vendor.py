"""A real server on loopback that misbehaves on demand, and a client of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vendor_http import ApiClient, RateLimit

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b'{"ok": true}')


@contextmanager
def vendor(answers: list[Answer]) -> Iterator[tuple[str, list[float]]]:
    """Serve the answers in turn, the last one for ever; yields the address and arrival times."""
    arrivals: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            arrivals.append(time.monotonic())
            status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - inherited
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", arrivals
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client(base_url: str, **options: object) -> ApiClient:
    settings: dict[str, object] = {
        "vendor": "Smile.io",
        "headers": {"authorization": "Bearer secret-key"},
        "key_variables": ["SMILE_API_KEY"],
        "limits": {"default": RateLimit(1000, 1)},
        "max_attempts": 4,
    }
    return ApiClient(base_url=base_url, **{**settings, **options})  # type: ignore[arg-type]
