"""What alerts are sent to, on loopback: an incoming webhook, and a mail server of a few verbs."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Hook:
    """A webhook: what was posted, and what it answers from now on."""

    address: str = ""
    status: int = 200
    texts: list[str] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        """First lines of all messages."""
        return [text.splitlines()[0] for text in self.texts]


@contextmanager
def listening_hook() -> Iterator[Hook]:
    """A Slack-compatible incoming webhook."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if hook.status == 200:
                hook.texts.append(json.loads(body)["text"])
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.address = f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret-part"
        with _serving(server):
            yield hook


@dataclass
class Mailbox:
    """A mail server that offers no TLS: its port, what it took, whom it refuses."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    refuses: bool = False

    @property
    def subjects(self) -> list[str]:
        """Subjects of all mails."""
        return [str(message_from_string(mail)["Subject"]) for mail in self.mails]


@contextmanager
def listening_mailbox() -> Iterator[Mailbox]:
    """SMTP as far as `smtplib` needs it."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 loopback\r\n")
            while line := self.rfile.readline():
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"DATA":
                    self._take()
                elif verb == b"RCPT" and box.refuses:
                    self.wfile.write(b"550 nobody of the name ops@shop.test\r\n")
                elif verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

        def _take(self) -> None:
            self.wfile.write(b"354 go on\r\n")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.decode())
            box.mails.append("".join(lines))
            self.wfile.write(b"250 taken\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        with _serving(server):
            yield box


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve in a thread, until the end."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
