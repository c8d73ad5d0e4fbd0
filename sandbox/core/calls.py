"""A request as a vendor's handler sees it, and the reply it returns.

Handlers are plain functions `Call -> Reply`: no event loop, no framework, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.datastructures import Headers, QueryParams

from sandbox.core.errors import SandboxError

JSON_TYPE = "application/json"


class Call:
    """One request: method, path below the vendor's prefix, query, headers and the whole body.

    `list_share` is the part of a listing that it may see, from the listing's head: below 1 only
    under the fault `short_list`.
    """

    def __init__(self, scope: Mapping[str, Any], path: str, body: bytes = b"") -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path = path
        self.body = body
        self.path_params: dict[str, str] = {}
        self.list_share = 1.0
        self.operation = f"{self.method} {path}"

    @cached_property
    def query(self) -> QueryParams:
        return QueryParams(self.scope["query_string"])

    @cached_property
    def headers(self) -> Headers:
        return Headers(raw=self.scope["headers"])

    @property
    def query_bytes(self) -> bytes:
        """The query exactly as sent: a key for page caches."""
        raw: bytes = self.scope["query_string"]
        return raw

    @property
    def base_url(self) -> str:
        """`http://host:port` as the client addressed it, for links in replies."""
        return f"{self.scope.get('scheme', 'http')}://{self.headers.get('host', '127.0.0.1')}"

    def header(self, name: bytes) -> bytes | None:
        """One raw header by its lower-case name, without building the whole mapping."""
        for key, value in self.scope["headers"]:
            if key == name:
                raw: bytes = value
                return raw
        return None

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            SandboxError: the body is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise SandboxError("The body is not valid JSON.") from error

    def bind(self, operation: str, values: Mapping[str, str]) -> None:
        """Attach what routing found: `METHOD /template` and the values of its placeholders."""
        self.operation = operation
        self.path_params = {name: unquote(value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and headers; `content_type` is left out of the response when it is empty."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """The same reply with further headers; later ones win."""
        return replace(self, headers={**self.headers, **headers}) if headers else self

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        raw = [(b"content-length", str(len(self.body)).encode())]
        if self.content_type:
            raw.append((b"content-type", self.content_type.encode()))
        raw.extend((name.encode(), value.encode()) for name, value in self.headers.items())
        return raw


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON reply; datetimes must already be text in the vendor's own format."""
    return Reply(status, orjson.dumps(value), headers or {})


def text_reply(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, text.encode(), headers or {}, "text/plain; charset=utf-8")
