"""What lies below a call: reading a request's body, and cutting its connection."""

from __future__ import annotations

from starlette.types import Receive, Scope

from sandbox.core.errors import SandboxError


def has_body(scope: Scope) -> bool:
    """Whether the request announces a body; a GET may have one, too."""
    if scope["method"] != "GET":
        return True
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def cut(scope: Scope, receive: Receive) -> None:
    """Abort the connection below HTTP. The server hands out `sandbox.abort` for this."""
    abort = scope.get("extensions", {}).get("sandbox.abort")
    if abort is None:
        raise SandboxError("This server cannot cut connections; use sandbox.server.", 500)
    abort()
    while (await receive())["type"] != "http.disconnect":
        continue
