"""The control API below `/_sandbox`: clock, switches, faults, request counts, vendor controls.

It is for tests and demonstrations; nothing of the product calls it. JSON in, JSON out; a mistake
is answered with `{"error": "what is known"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from sandbox.context import SandboxContext
from sandbox.core.app import Route as ControlRoute
from sandbox.core.app import Router, VendorApp
from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.errors import SandboxError
from sandbox.core.wire import read_body

PREFIX = "/_sandbox"


class ControlApp:
    """ASGI application of the control API."""

    def __init__(
        self,
        context: SandboxContext,
        vendors: Mapping[str, VendorApp],
        summary: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._context = context
        self._vendors = vendors
        self._summary = summary
        self._router = Router(
            [
                ControlRoute("GET", "/", self._describe),
                ControlRoute("POST", "/clock", self._advance),
                ControlRoute("GET", "/requests", self._requests),
                ControlRoute("DELETE", "/requests", self._reset_requests),
                ControlRoute("GET", "/switches/{vendor}", self._switches),
                ControlRoute("PATCH", "/switches/{vendor}", self._change_switches),
                ControlRoute("DELETE", "/switches/{vendor}", self._reset_switches),
                ControlRoute("GET", "/faults/{vendor}", self._faults),
                ControlRoute("PUT", "/faults/{vendor}", self._set_faults),
                ControlRoute("DELETE", "/limits", self._reset_limits),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(PREFIX) or "/"
        call = Call(scope, path, await read_body(receive))
        try:
            reply = self.respond(call)
        except SandboxError as error:
            reply = json_reply({"error": str(error)}, error.status)
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": reply.raw_headers(),
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    def respond(self, call: Call) -> Reply:
        """The answer to one control request.

        Raises:
            SandboxError: an unknown operation, vendor, name or value.
        """
        route, values, allowed = self._router.find(call.method, call.path)
        if route is not None:
            call.bind(route.operation, values)
            return route.handler(call)
        _, name, *rest = (*call.path.split("/", 2), "")
        vendor = self._vendors.get(name)
        if vendor is not None:
            inner = Call(call.scope, f"/{rest[0]}", call.body)
            reply = vendor.control(inner)
            if reply is not None:
                return reply
        if allowed:
            raise SandboxError(f"{call.path} takes {', '.join(allowed)}.", 405)
        raise SandboxError(f"The sandbox has no control operation {call.method} {call.path}.", 404)

    def _vendor(self, call: Call) -> VendorApp:
        name = call.path_params["vendor"]
        if name not in self._vendors:
            raise SandboxError(f"No vendor '{name}'. There are: {', '.join(self._vendors)}.", 404)
        return self._vendors[name]

    @staticmethod
    def _object(call: Call) -> dict[str, Any]:
        value = call.json()
        if not isinstance(value, dict):
            raise SandboxError("The body must be a JSON object.")
        return value

    def _describe(self, call: Call) -> Reply:
        del call
        clock = self._context.clock
        config = self._context.config
        return json_reply(
            {
                "now": clock.now(),
                "started_on": clock.start,
                "days_passed": clock.days,
                "seed": config.seed,
                "limits_scale": config.limits_scale,
                "vendors": {name: vendor.prefix for name, vendor in self._vendors.items()},
                **self._summary(),
            }
        )

    def _advance(self, call: Call) -> Reply:
        body = self._object(call)
        if set(body) != {"days"}:
            raise SandboxError("The clock takes {'days': n}.")
        happened = self._context.clock.advance(body["days"])
        return json_reply({"now": self._context.now(), "happened": dict(happened)})

    def _requests(self, call: Call) -> Reply:
        del call
        return json_reply(self._context.requests.describe())

    def _reset_requests(self, call: Call) -> Reply:
        del call
        self._context.requests.reset()
        return json_reply(self._context.requests.describe())

    def _switches(self, call: Call) -> Reply:
        return json_reply(self._vendor(call).switches.describe())

    def _change_switches(self, call: Call) -> Reply:
        vendor = self._vendor(call)
        vendor.change_switches(self._object(call))
        return json_reply(vendor.switches.values())

    def _reset_switches(self, call: Call) -> Reply:
        vendor = self._vendor(call)
        vendor.switches.reset()
        vendor.change_switches({})
        return json_reply(vendor.switches.values())

    def _faults(self, call: Call) -> Reply:
        return json_reply(self._vendor(call).faults.describe())

    def _set_faults(self, call: Call) -> Reply:
        vendor = self._vendor(call)
        vendor.faults.set(self._object(call))
        return json_reply(vendor.faults.describe())

    def _reset_limits(self, call: Call) -> Reply:
        del call
        for vendor in self._vendors.values():
            vendor.reset_limits()
        return json_reply({})
