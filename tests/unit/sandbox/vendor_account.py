"""A vendor of a whole sandbox, driven through its ASGI application: no socket, no thread."""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from sandbox.config import SandboxConfig
from sandbox.server import Sandbox

TODAY = date(2026, 11, 21)
UNLIMITED = 1000.0


class VendorAccount:
    """Requests below a vendor's prefix, and the control API beside them."""

    def __init__(
        self,
        vendor: str,
        headers: Mapping[str, str],
        *,
        limits_scale: float = UNLIMITED,
        state_dir: Path | None = None,
    ) -> None:
        self.vendor = vendor
        self.headers = dict(headers)
        config = SandboxConfig(
            customers=1, today=TODAY, limits_scale=limits_scale, state_dir=state_dir
        )
        self.sandbox = Sandbox(config)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request below the vendor's prefix; `headers` replace the account's own."""
        options.setdefault("headers", self.headers)
        return self._send(method, f"/{self.vendor}{path}", options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("POST", path, json=body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("PUT", path, json=body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("PATCH", path, json=body, **options)

    def delete(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("DELETE", path, json=body, **options)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control request; fails the test when it is refused."""
        response = self._send(method, f"/_sandbox{path}", {"json": body})
        assert response.is_success, response.text
        return response.json()

    def switch(self, **values: Any) -> None:
        self.control("PATCH", f"/switches/{self.vendor}", values)

    def fault(self, **orders: Any) -> None:
        self.control("PUT", f"/faults/{self.vendor}", orders)

    def advance(self, days: int) -> None:
        self.control("POST", "/clock", {"days": days})

    def _send(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.sandbox.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())
