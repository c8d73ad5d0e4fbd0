"""The base of a simulated vendor: routing, auth, limits, faults and counting, in this order.

A vendor subclasses `VendorApp` and declares: `vendor` and `prefix`, its `SWITCHES` and `FAULTS`,
`LIMITS` (name -> windows), `routes()`, `authenticate`, the style of its errors (`error`), its
rate-limit headers (`limit_headers`, `throttled`), and, if it keeps state, `save_state` and
`load_state`. Handlers are plain functions `Call -> Reply`.

    request -> route -> faults before -> authenticate -> limits -> before -> handler -> finish
            -> faults after -> response
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.types import Receive, Scope, Send

from sandbox.context import SandboxContext
from sandbox.core.calls import Call, Reply
from sandbox.core.faults import Fault, Faults
from sandbox.core.limits import Limiter, Verdict, Window
from sandbox.core.switches import Switch, Switches
from sandbox.core.wire import cut, has_body, read_body

Handler = Callable[[Call], Reply]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: method, template such as `/customers/{id}`, handler.

    `writes` None means: every method but GET changes vendor data. `limit` names an entry of the
    vendor's `LIMITS`.
    """

    method: str
    template: str
    handler: Handler
    writes: bool | None = None
    limit: str = "default"

    @property
    def operation(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def changes_data(self) -> bool:
        return self.method != "GET" if self.writes is None else self.writes


class Router:
    """Finds the route of a path: exact templates at once, others in the order of declaration."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" in route.template:
                pattern = _PLACEHOLDER.sub(r"(?P<\1>[^/]+)", route.template)
                self._patterns.append((re.compile(pattern + r"\Z"), route))
            else:
                self._exact.setdefault(route.template, {})[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
        """The route, its placeholders, and the methods that the path takes."""
        exact = self._exact.get(path)
        if exact is not None and method in exact:
            return exact[method], {}, list(exact)
        allowed = list(exact or ())
        for pattern, route in self._patterns:
            match = pattern.match(path)
            if match:
                if route.method == method:
                    return route, match.groupdict(), [method]
                allowed.append(route.method)
        return None, {}, allowed


class VendorApp(ABC):
    """A vendor's API as an ASGI application. See the module's docstring for what to override."""

    vendor: ClassVar[str]
    prefix: ClassVar[str]
    SWITCHES: ClassVar[Sequence[Switch]] = ()
    FAULTS: ClassVar[Sequence[Fault]] = ()
    LIMITS: ClassVar[Mapping[str, Sequence[Window]]] = {}

    def __init__(self, context: SandboxContext) -> None:
        self.context = context
        self.clock = context.clock
        self.switches = Switches(self.vendor, self.SWITCHES)
        self.faults = Faults(self.vendor, self.FAULTS, context.config.seed)
        self._router = Router(self.routes())
        self._control_router = Router(self.control_routes())
        self._limiters: dict[str, Limiter] = {}
        self.reset_limits()

    # What a vendor declares -----------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        """Every operation of the vendor; paths are below `prefix`."""
        return ()

    def control_routes(self) -> Sequence[Route]:
        """Further control operations, below `/_sandbox/{vendor}`."""
        return ()

    @abstractmethod
    def authenticate(self, call: Call) -> Reply | None:
        """The vendor's refusal of a request without a good key, or None."""

    @abstractmethod
    def error(self, status: int, message: str, call: Call) -> Reply:
        """An error in the vendor's style."""

    def limits_of(self, call: Call, route: Route) -> Sequence[str]:
        """Names of the limits that this request is charged to."""
        del call
        return (route.limit,)

    def limit_windows(self) -> Mapping[str, Sequence[Window]]:
        """The windows per limit name; override where a switch decides."""
        return self.LIMITS

    def limit_headers(self, verdict: Verdict) -> Mapping[str, str]:
        """Rate-limit headers of an answered request."""
        del verdict
        return {}

    def throttled(self, call: Call, verdict: Verdict) -> Reply:
        """The answer beyond a limit."""
        del verdict
        return self.error(429, "Too many requests.", call)

    def before(self, call: Call, route: Route) -> Reply | None:
        """A vendor-wide check after auth and limits (a revision header, say): a refusal or None."""
        del call, route
        return None

    def finish(self, call: Call, route: Route | None, reply: Reply) -> Reply:
        """Last look at every reply, errors and faults included (error budgets, common headers)."""
        del call, route
        return reply

    def save_state(self) -> Any:
        """JSON-serialisable vendor-side state for `state_dir`; None = nothing to keep."""
        return None

    def load_state(self, state: Any) -> None:
        """Take back what `save_state` returned."""
        del state

    def switched(self) -> None:
        """Called after switches changed. Override to drop caches too; call this one as well."""
        self.reset_limits()

    # The machinery --------------------------------------------------------------------------

    def reset_limits(self) -> None:
        """Start all windows anew, in the style of the switch `window_style` where there is one."""
        is_sliding = self.switches.values().get("window_style") == "sliding"
        self._limiters = {
            name: Limiter(windows, self.context.config.limits_scale, is_sliding=is_sliding)
            for name, windows in self.limit_windows().items()
        }

    def change_switches(self, values: Mapping[str, Any]) -> None:
        self.switches.update(values)
        self.switched()

    def respond(self, call: Call) -> tuple[Reply, Route | None]:
        """The vendor's answer to one request, with common and vendor headers; no counting."""
        route, values, allowed = self._router.find(call.method, call.path)
        if route is None:
            status = 405 if allowed else 404
            text = "Method not allowed." if allowed else "No such endpoint."
            return self.finish(call, None, self.error(status, text, call)), None
        call.bind(route.operation, values)
        return self._answer(call, route), route

    def _answer(self, call: Call, route: Route) -> Reply:
        if self.faults.active:
            fault = self.faults.draw("error", call.operation)
            if fault is not None:
                reply = self.error(int(fault["status"]), "The sandbox was told to fail.", call)
                if fault["retry_after"] != "":
                    reply = reply.with_headers({"retry-after": str(fault["retry_after"])})
                return self.finish(call, route, reply)
        refusal = self.authenticate(call)
        if refusal is not None:
            return self.finish(call, route, refusal)
        headers: Mapping[str, str] = {}
        for name in self.limits_of(call, route):
            limiter = self._limiters.get(name)
            if limiter is None:
                continue
            verdict = limiter.charge()
            if not verdict.allowed:
                return self.finish(call, route, self.throttled(call, verdict))
            headers = headers or self.limit_headers(verdict)
        refusal = self.before(call, route)
        reply = refusal if refusal is not None else route.handler(call)
        return self.finish(call, route, reply.with_headers(headers))

    def control(self, call: Call) -> Reply | None:
        """Answer a control request of this vendor; None if it has no such operation."""
        route, values, _ = self._control_router.find(call.method, call.path)
        if route is None:
            return None
        call.bind(route.operation, values)
        return route.handler(call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: one HTTP request below the vendor's prefix."""
        path = scope["path"].removeprefix(self.prefix)
        body = await read_body(receive) if has_body(scope) else b""
        call = Call(scope, path or "/", body)
        route, values, _ = self._router.find(call.method, call.path)
        operation = route.operation if route else "unknown operation"
        writes = route.changes_data if route else False
        record = self.context.requests.record
        faults = self.faults
        if faults.active and faults.draw("cut_connection", operation) is not None:
            record(self.vendor, operation, writes=writes, status=0)
            await cut(scope, receive)
            return
        if route is None:
            reply, _ = self.respond(call)
        else:
            call.bind(operation, values)
            reply = self._answer(call, route)
        record(self.vendor, operation, writes=writes, status=reply.status)
        if faults.active:
            await self._send_with_faults(operation, reply, scope, receive, send)
            return
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": reply.raw_headers(),
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def _send_with_faults(
        self, operation: str, reply: Reply, scope: Scope, receive: Receive, send: Send
    ) -> None:
        faults = self.faults
        late = faults.draw("latency", operation)
        if late is not None:  # done is done: who has gone away meanwhile is not asked again
            await asyncio.sleep(float(late["seconds"]))
        if faults.draw("cut_after", operation) is not None:
            await cut(scope, receive)
            return
        if faults.draw("truncated_body", operation) is not None:
            half = reply.body[: len(reply.body) // 2]
            reply = Reply(reply.status, half, reply.headers, reply.content_type)
        if faults.draw("not_json", operation) is not None:
            reply = Reply(200, b"<html><body>Please wait</body></html>", {}, "text/html")
        start = {
            "type": "http.response.start",
            "status": reply.status,
            "headers": reply.raw_headers(),
        }
        await send(start)
        middle = len(reply.body) // 2
        slow = faults.draw("slow_body", operation)
        is_cut = faults.draw("cut_body", operation) is not None
        if slow is not None or is_cut:
            await send(
                {"type": "http.response.body", "body": reply.body[:middle], "more_body": True}
            )
            await asyncio.sleep(float(slow["seconds"]) if slow is not None else 0.01)
            if is_cut:
                await cut(scope, receive)
                return
            await send({"type": "http.response.body", "body": reply.body[middle:]})
            return
        await send({"type": "http.response.body", "body": reply.body})
