"""Rule's API, v2 and v3: key, request budget, error budget, then the endpoint.

Owns what all operations share. v2 takes its key in a header, the query or the body, v3 in the
header only; v3 shows its budgets in headers, v2 does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from starlette.types import Receive, Scope, Send

from sandbox.context import SandboxContext
from sandbox.core.app import Route, VendorApp
from sandbox.core.calls import Call, Reply
from sandbox.core.limits import Verdict, Window
from sandbox.core.switches import Switch
from sandbox.credentials import RULE_API_KEY
from sandbox.rule import control, responses
from sandbox.rule.bodies import body_of
from sandbox.rule.limits import (
    MAX_ERROR_PERCENT,
    REQUESTS_PER_WINDOW,
    WINDOW_SECONDS,
    ErrorBudget,
    wall_time,
)
from sandbox.rule.services import Services
from sandbox.rule.suppressions import SuppressionEndpoints
from sandbox.rule.switches import SWITCHES
from sandbox.rule.v2_catalogue import CatalogueEndpoints
from sandbox.rule.v2_subscribers import SubscriberEndpoints
from sandbox.rule.v3_fields import FieldDataEndpoints
from sandbox.rule.v3_subscribers import V3Endpoints

V3 = "/api/v3/"
COUNT_HEADERS = ("RequestsCount-Allowed", "RequestsCount-Current")


class RuleApp(VendorApp):
    """The simulated Rule account."""

    vendor: ClassVar[str] = "rule"
    prefix: ClassVar[str] = "/rule"
    SWITCHES: ClassVar[Sequence[Switch]] = SWITCHES
    LIMITS: ClassVar[Mapping[str, Sequence[Window]]] = {
        "default": (Window(REQUESTS_PER_WINDOW, WINDOW_SECONDS),)
    }

    def __init__(self, context: SandboxContext) -> None:
        self._services: Services | None = None
        self._budget: ErrorBudget | None = None
        super().__init__(context)
        self._budget = ErrorBudget(self.switches)

    @property
    def services(self) -> Services:
        """The account's stores, made with the first use of the switches."""
        if self._services is None:
            self._services = Services.build(self.context, self.switches)
        return self._services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """v3's suppressions are called with a trailing slash; both forms are one operation."""
        await super().__call__({**scope, "path": scope["path"].rstrip("/")}, receive, send)

    def routes(self) -> Sequence[Route]:
        services = self.services
        return [
            *SubscriberEndpoints(services).routes(),
            *CatalogueEndpoints(services).routes(),
            *SuppressionEndpoints(services).routes(),
            *V3Endpoints(services).routes(),
            *FieldDataEndpoints(services).routes(),
        ]

    def control_routes(self) -> Sequence[Route]:
        return control.routes(self.services)

    def authenticate(self, call: Call) -> Reply | None:
        if call.headers.get("authorization") == f"Bearer {RULE_API_KEY}":
            return None
        if not _is_v3(call):
            if call.query.get("apikey") == RULE_API_KEY:
                return None
            if call.body and body_of(call).get("apikey") == RULE_API_KEY:
                return None
        return responses.not_authorized()

    def error(self, status: int, message: str, call: Call) -> Reply:
        del call
        if status == 429:
            return responses.throttled(1, self.switches)
        if status == 500:
            text = "An unexpected error occurred. Contact support if the error persists."
            return responses.error(500, "UnexpectedError", text)
        return responses.error(status, "NotFound" if status == 404 else "Error", message)

    def limit_headers(self, verdict: Verdict) -> Mapping[str, str]:
        (state,) = verdict.states
        used = str(state.limit - state.remaining)
        return dict(zip(COUNT_HEADERS, (str(state.limit), used), strict=True))

    def throttled(self, call: Call, verdict: Verdict) -> Reply:
        del call
        return responses.throttled(verdict.retry_after_seconds, self.switches)

    def before(self, call: Call, route: Route) -> Reply | None:
        del route
        self.services.background.settle()
        if self._budget is not None and self._budget.blocked_seconds() > 0:
            return responses.throttled(self._budget.blocked_seconds(), self.switches)
        if _is_v3(call) and call.body and self.switches["v3_charset"] == "required":
            media_type = call.headers.get("content-type", "").lower().replace(" ", "")
            if media_type != "application/json;charset=utf-8":
                return responses.error(415, "UnsupportedMediaType", "Send a charset.")
        return None

    def finish(self, call: Call, route: Route | None, reply: Reply) -> Reply:
        del route
        budget = self._budget
        if budget is None:
            return reply
        budget.count(reply.status)
        headers = dict(reply.headers)
        waits = headers.pop("retry-after", None)
        if reply.status == 429 and waits is not None:
            by_clock = waits.isdecimal() and self.switches["retry_after"] == "wall_time"
            headers["Retry-After"] = wall_time(int(waits)) if by_clock else waits
        shows = _is_v3(call) or self.switches["v2_limit_headers"] == "present"
        if shows:
            headers["X-ErrorPercent-Limit"] = str(MAX_ERROR_PERCENT)
            headers["X-ErrorPercent-Current"] = str(budget.percent)
        if not shows or reply.status == 429:
            for name in COUNT_HEADERS:
                headers.pop(name, None)
        return Reply(reply.status, reply.body, headers, reply.content_type)

    def reset_limits(self) -> None:
        super().reset_limits()
        if self._budget is not None:
            self._budget.reset()

    def save_state(self) -> Any:
        return self.services.dump()

    def load_state(self, state: Any) -> None:
        self.services.load(state)


def _is_v3(call: Call) -> bool:
    return call.path.startswith(V3)
