"""Asking a person for consent: a browser, and a server on this machine for its one answer.

Owns the loopback server of RFC 8252 §7.3. Believes an answer only with the state that was sent
with the question, compared in constant time; any other is refused and waiting goes on, so that no
page elsewhere can end or hijack an attempt. The answer is in no log and on no page.
"""

import hmac
import queue
import re
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reverse_etl.destinations.klaviyo_oauth import Consent
from vendor_http import LoyaltyError

HOST = "127.0.0.1"
# Browsers open connections in advance and say nothing on them.
_SILENT_SECONDS = 5.0
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Loyalty warehouse</title>"
    "<body style='font-family:sans-serif;margin:4em auto;max-width:32em'><p>{text}</p>"
)


@dataclass(frozen=True)
class _Answer:
    """What came back with the right state: a code, or the reason why there is none."""

    code: str | None = field(repr=False, default=None)
    error: str = ""


class ConsentServer:
    """Listens for one answer; made by `listening`."""

    def __init__(self, port: int, path: str) -> None:
        """Take the port.

        Raises:
            LoyaltyError: somebody else has it.
        """
        self._path = path
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._expected: bytes | None = None
        self._refused = 0
        try:
            self._http = ThreadingHTTPServer((HOST, port), _handler(self._receive))
        except OSError:
            raise LoyaltyError(
                f"Port {port} is taken; choose another with --port, and enter its address in the "
                "app too"
            ) from None
        self._http.daemon_threads = True
        self.redirect_uri = f"http://{HOST}:{self._http.server_address[1]}{path}"

    def __repr__(self) -> str:
        return f"ConsentServer({self.redirect_uri})"

    def wait(
        self, consent: Consent, open_browser: Callable[[str], object] | None, seconds: float
    ) -> str:
        """Open the consent page, or leave that to the person, and wait for its code.

        Raises:
            LoyaltyError: consent was denied, or did not come in `seconds`.
        """
        self._expected = consent.state.encode()
        if open_browser is not None:
            open_browser(consent.address)
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            doubt = ""
            if self._refused:
                doubt = " An answer to another attempt came and was not taken."
            raise LoyaltyError(
                f"No consent came within {seconds:.0f} s.{doubt} Run the command again, and check "
                f"that {self.redirect_uri} is a redirect address of the app"
            ) from None
        if answer.code is None:
            denied = answer.error == "access_denied"
            what = "Consent was denied" if denied else f"Consent failed with {answer.error}"
            raise LoyaltyError(
                f"{what}; nothing was stored. Run the command again to be asked anew"
            )
        return answer.code

    def _serve(self) -> None:
        self._http.serve_forever(poll_interval=0.05)

    def _close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _receive(self, target: str) -> tuple[int, str]:
        """Status and words for one request of a browser."""
        address = urlsplit(target)
        if address.path != self._path:
            return 404, "There is nothing here."
        values = parse_qs(address.query)
        given = _first(values, "state").encode()
        if self._expected is None or not hmac.compare_digest(given, self._expected):
            self._refused += 1
            return 400, "This answer belongs to another attempt. Use the newest consent page."
        code = _first(values, "code")
        if code:
            self._answers.put(_Answer(code=code))
            return 200, "Signed in. You can close this page and go back to the terminal."
        error = _first(values, "error")
        self._answers.put(_Answer(error=error if _ERROR_CODE.fullmatch(error) else "no reason"))
        return 200, "No consent was given. You can close this page."


@contextmanager
def listening(port: int, path: str) -> Iterator[ConsentServer]:
    """A server on loopback for the answer of a consent page; 0 = any free port.

    Raises:
        LoyaltyError: the port is taken.
    """
    server = ConsentServer(port, path)
    thread = threading.Thread(target=server._serve, name="consent", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server._close()
        thread.join()


def browser(address: str) -> bool:
    """Open the person's browser; False when there is none."""
    return webbrowser.open(address)


def _first(values: Mapping[str, list[str]], name: str) -> str:
    return values.get(name, [""])[0]


def _handler(receive: Callable[[str], tuple[int, str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENT_SECONDS

        def do_GET(self) -> None:
            status, text = receive(self.path)
            page = _PAGE.format(text=text).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Nothing: the request line holds the code."""

    return Handler
