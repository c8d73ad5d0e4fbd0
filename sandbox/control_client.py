"""A small client of the control API, for tests and the demo."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from sandbox.core.errors import SandboxError


class ControlClient:
    """Moves the clock, switches and faults of a running sandbox."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=f"{base_url}/_sandbox", timeout=120, trust_env=False)

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Any control operation, e.g. `call("PATCH", "/smile/customers/12", {...})`.

        Raises:
            SandboxError: the sandbox refused; its own words.
        """
        response = self._http.request(method, path, json=body)
        if response.is_error:
            raise SandboxError(response.json()["error"], response.status_code)
        return response.json()

    def describe(self) -> dict[str, Any]:
        value: dict[str, Any] = self.call("GET", "/")
        return value

    def now(self) -> datetime:
        return datetime.fromisoformat(self.describe()["now"])

    def advance(self, days: int = 1) -> dict[str, Any]:
        """Pass days; returns `{"now": ..., "happened": {kind: count}}`."""
        value: dict[str, Any] = self.call("POST", "/clock", {"days": days})
        return value

    def switch(self, vendor: str, **values: Any) -> dict[str, Any]:
        """Set switches; returns where all switches of the vendor stand."""
        value: dict[str, Any] = self.call("PATCH", f"/switches/{vendor}", values)
        return value

    def reset_switches(self, vendor: str) -> None:
        self.call("DELETE", f"/switches/{vendor}")

    def faults(self, vendor: str, **orders: Any) -> dict[str, Any]:
        """Order trouble, e.g. `faults("smile", error={"status": 503, "next": 2})`; none clears."""
        value: dict[str, Any] = self.call("PUT", f"/faults/{vendor}", orders)
        return value

    def requests(self, vendor: str) -> dict[str, Any]:
        """`{"reads", "writes", "operations", "statuses"}` since the last reset."""
        value: dict[str, Any] = self.call("GET", "/requests")[vendor]
        return value

    def reset_requests(self) -> None:
        self.call("DELETE", "/requests")

    def reset_limits(self) -> None:
        self.call("DELETE", "/limits")
