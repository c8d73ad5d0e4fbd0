"""A sandbox without a server: requests go straight to the vendors, so a test takes milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox import credentials
from sandbox.config import SandboxConfig
from sandbox.core.calls import Call, Reply
from sandbox.server import Sandbox

TODAY = date(2026, 11, 21)
NOW = "2026-11-21T06:00:00.000Z"
CONFIG = SandboxConfig(customers=300, today=TODAY, limits_scale=1e6)
HEADERS = {
    "smile": [(b"authorization", f"Bearer {credentials.SMILE_API_KEY}".encode())],
    "yotpo": [
        (b"x-guid", credentials.YOTPO_GUID.encode()),
        (b"x-api-key", credentials.YOTPO_API_KEY.encode()),
    ],
}
RAW_PATH = {"smile": "/smile/v1", "yotpo": "/yotpo/api/v2"}


class Desk:
    """Asks Smile, Yotpo and the control API of one sandbox."""

    def __init__(self, **changes: Any) -> None:
        self.sandbox = Sandbox(replace(CONFIG, **changes))
        self.shop = self.sandbox.context.shop

    def ask(
        self,
        vendor: str,
        path: str,
        method: str = "GET",
        headers: Any = None,
        body: bytes = b"",
        **query: Any,
    ) -> Reply:
        """The vendor's reply to one request."""
        scope = {
            "method": method,
            "query_string": urlencode(query).encode(),
            "headers": HEADERS[vendor] if headers is None else headers,
        }
        reply, _ = self.sandbox.vendors[vendor].respond(Call(scope, path, body))
        return reply

    def get(self, vendor: str, path: str, **query: Any) -> Any:
        """The JSON of a successful read."""
        reply = self.ask(vendor, path, **query)
        assert reply.status == 200, (path, query, reply.status, reply.body[:200])
        return orjson.loads(reply.body)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        scope = {"method": method, "query_string": b"", "headers": []}
        raw = b"" if body is None else orjson.dumps(body)
        return orjson.loads(self.sandbox.control.respond(Call(scope, path, raw)).body)

    def switch(self, vendor: str, **values: Any) -> None:
        self.control("PATCH", f"/switches/{vendor}", values)

    def advance(self, days: int = 1) -> Any:
        return self.control("POST", "/clock", {"days": days})

    def smile_pages(self, resource: str, **query: Any) -> Iterator[Any]:
        """Every page of a cursor list, following next_cursor to the end."""
        while True:
            page = self.get("smile", f"/{resource}", **query)
            yield page
            cursor = page["metadata"]["next_cursor"]
            if not cursor:
                return
            query["cursor"] = cursor

    def smile_all(self, resource: str, **query: Any) -> list[Any]:
        return [row for page in self.smile_pages(resource, **query) for row in page[resource]]

    def yotpo_all(self, **query: Any) -> list[Any]:
        """Everybody of /customers/recent."""
        rows: list[Any] = []
        while True:
            page = self.get("yotpo", "/customers/recent", **query)
            rows += page["customers"]
            cursor = page["metadata"].get("next_page_info")
            if not cursor:
                return rows
            query["page_info"] = cursor
