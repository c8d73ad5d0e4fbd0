"""Klaviyo's API: key, revision, rate windows, published rules, then the endpoint.

Owns what all operations share and wires stores to endpoints; what an endpoint does is in
`profile_endpoints.py`, `import_endpoints.py`, `event_endpoints.py`, `event_reads.py` and `oauth.py`
(whose tokens and pages need neither key nor revision). Data flow:

    request -> key -> windows of the operation -> revision -> query and body rules -> endpoint
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar

import orjson
from starlette.types import Receive, Scope, Send

from sandbox.context import SandboxContext
from sandbox.core.app import Route, VendorApp
from sandbox.core.calls import Call, Reply
from sandbox.core.faults import Fault
from sandbox.core.limits import Verdict, Window
from sandbox.core.switches import Switch
from sandbox.credentials import KLAVIYO_API_KEY
from sandbox.klaviyo import control, responses
from sandbox.klaviyo.event_endpoints import EventEndpoints
from sandbox.klaviyo.event_reads import EventReads
from sandbox.klaviyo.import_endpoints import ImportEndpoints
from sandbox.klaviyo.oauth import REFRESH_LIMIT, OAuth, bearer
from sandbox.klaviyo.profile_endpoints import ProfileEndpoints
from sandbox.klaviyo.revisions import is_retired, known_revision, newest_revision
from sandbox.klaviyo.schema import Problem, body_problems, operations, query_problems
from sandbox.klaviyo.services import Services
from sandbox.klaviyo.switches import FAULTS, SWITCHES

# https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
MAX_BODY_BYTES = 5 * 1024 * 1024
BODY_TYPES = ("application/vnd.api+json", "application/json")
PREDICTIVE_LIMIT = "additional-fields=predictive_analytics"
INCLUDE_LIMIT = "include=lists,segments"
# An OAuth app has windows of its own beside those that all private keys share.
APP = "app: "


def operation_limits() -> dict[str, Sequence[Window]]:
    """Burst and steady windows per operation, and those of costly query parameters."""
    limits: dict[str, Sequence[Window]] = {
        key: (Window(rules.burst, 1), Window(rules.steady, 60))
        for key, rules in operations().items()
    }
    limits[PREDICTIVE_LIMIT] = (Window(10, 1), Window(150, 60))
    limits[INCLUDE_LIMIT] = (Window(1, 1), Window(15, 60))
    limits.update({f"{APP}{name}": windows for name, windows in tuple(limits.items())})
    limits[REFRESH_LIMIT] = (Window(10, 60),)
    return limits


class KlaviyoApp(VendorApp):
    """The simulated Klaviyo account."""

    vendor: ClassVar[str] = "klaviyo"
    prefix: ClassVar[str] = responses.PREFIX
    SWITCHES: ClassVar[Sequence[Switch]] = SWITCHES
    FAULTS: ClassVar[Sequence[Fault]] = FAULTS

    def __init__(self, context: SandboxContext) -> None:
        self._limits = operation_limits()
        self._endpoints: dict[str, Callable[[Call], Reply]] = {}
        super().__init__(context)
        self.services = Services.build(context, self.switches, self.faults)
        self._endpoints = {
            "GET /api/accounts": self._accounts,
            **ProfileEndpoints(self.services).by_operation(),
            **ImportEndpoints(self.services).by_operation(),
            **EventEndpoints(self.services).by_operation(),
            **EventReads(self.services).by_operation(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Old clients call with a trailing slash; both forms are the same operation."""
        await super().__call__({**scope, "path": scope["path"].rstrip("/")}, receive, send)

    def routes(self) -> Sequence[Route]:
        found = []
        for key in operations():
            method, template = key.split(" ", 1)
            found.append(Route(method, template, self._dispatch, limit=key))
        return [*found, *OAuth.routes(lambda: self.services.oauth)]

    def control_routes(self) -> Sequence[Route]:
        return control.routes(lambda: self.services)

    def limit_windows(self) -> Mapping[str, Sequence[Window]]:
        return self._limits

    def limits_of(self, call: Call, route: Route) -> Sequence[str]:
        if OAuth.owns(route.template):
            return [REFRESH_LIMIT] if self.services.oauth.is_refresh(call) else []
        names = [route.limit]
        if "predictive_analytics" in call.query.get("additional-fields[profile]", ""):
            names.append(PREDICTIVE_LIMIT)
        include = call.query.get("include", "")
        if route.template == "/api/profiles/{id}" and ("lists" in include or "segments" in include):
            names.append(INCLUDE_LIMIT)
        return [f"{APP}{name}" for name in names] if bearer(call) else names

    def limit_headers(self, verdict: Verdict) -> Mapping[str, str]:
        """Both windows in the limit, the burst window alone in the other two, as recorded."""
        if len(verdict.states) == 1:
            return {}
        burst, steady = verdict.states
        return {
            "ratelimit-limit": f"{burst.limit}, {burst.limit};w=1, {steady.limit};w=60",
            "ratelimit-remaining": str(burst.remaining),
            "ratelimit-reset": str(int(burst.reset_seconds)),
        }

    def throttled(self, call: Call, verdict: Verdict) -> Reply:
        del call
        return responses.throttled(verdict.retry_after_seconds)

    def authenticate(self, call: Call) -> Reply | None:
        if call.headers.get("authorization") == f"Klaviyo-API-Key {KLAVIYO_API_KEY}":
            return None
        if OAuth.owns(call.path) or self.services.oauth.accepts(bearer(call)):
            return None
        return responses.wrong_key(self.switches["wrong_key_status"])

    def error(self, status: int, message: str, call: Call) -> Reply:
        del call
        if status == 429:
            return responses.throttled(1)
        code = {404: "not_found", 405: "method_not_allowed"}.get(status, "error")
        return responses.refusal(status, code, message, message, "/data")

    def before(self, call: Call, route: Route) -> Reply | None:
        if OAuth.owns(route.template):
            return None
        revision = self._revision(call)
        if isinstance(revision, Reply):
            return revision
        self.services.revision = revision
        if len(call.body) > MAX_BODY_BYTES:
            text = "Payload too large."
            return responses.refusal(413, "payload_too_large", text, text, "/data")
        operation = operations()[route.operation]
        problems = query_problems(operation, call.query.multi_items())
        if problems:
            return responses.invalid(problems)
        if operation.validator is None:
            return None
        media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in BODY_TYPES:
            text = f"Unsupported media type '{media_type}' in request."
            return responses.refusal(415, "unsupported_media_type", text, text, "/data")
        try:
            payload = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            return responses.invalid([Problem("The body is not valid JSON.", pointer="/data")])
        payload = self.services.fit_revision(route.operation, payload)
        problems = body_problems(operation, payload)
        if problems:
            return responses.invalid(problems)
        self.services.payload = payload
        return None

    def save_state(self) -> Any:
        return self.services.dump()

    def load_state(self, state: Any) -> None:
        self.services.load(state)

    def control(self, call: Call) -> Reply | None:
        self.services.imports.settle()
        return super().control(call)

    def _dispatch(self, call: Call) -> Reply:
        if not self.faults.is_ordered("stuck_job"):
            self.services.imports.release_stuck()
        self.services.imports.settle()
        return self._endpoints[call.operation](call)

    def _revision(self, call: Call) -> date | Reply:
        header = call.headers.get("revision")
        today = self.context.now().date()
        if not header and self.switches["missing_revision"] == "newest":
            return newest_revision(today)
        nearest = self.switches["unknown_revision"] == "nearest_earlier"
        revision = known_revision(header or "", nearest_earlier=nearest)
        if revision is None:
            text = "The revision header is missing." if not header else "Invalid revision."
            return responses.invalid([Problem(text, parameter="revision")])
        if is_retired(revision, today):
            text = "This revision of the API has been retired."
            return responses.refusal(410, "gone", "Gone.", text, "/data")
        return revision

    def _accounts(self, call: Call) -> Reply:
        account = {
            "type": "account",
            "id": "SANDBX",
            "attributes": {
                "test_account": True,
                "contact_information": {
                    "default_sender_name": "Sandbox",
                    "default_sender_email": "hello@sandbox-shop.se",
                    "website_url": "https://sandbox-shop.se",
                    "organization_name": "Sandbox",
                    "street_address": dict.fromkeys(
                        ("address1", "address2", "city", "region", "country", "zip")
                    ),
                },
                "industry": None,
                "timezone": "UTC",
                "preferred_currency": "USD",
                "public_api_key": "SANDBX",
                "locale": "en-US",
            },
            "links": {"self": responses.link(call, "accounts/SANDBX/")},
        }
        links = {"self": responses.self_url(call), "next": None, "prev": None}
        return responses.document({"data": [responses.sparse(account, call)], "links": links})
