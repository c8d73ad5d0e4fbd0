"""Klaviyo's OAuth: the consent page, tokens, revocation; one app, one account.

Owns codes and tokens. What a token opens is decided in `app.py`. Nobody looks at the consent page:
it answers at once as the switch `oauth_consent` says. Real time, whatever the shop's calendar is.
Facts: https://developers.klaviyo.com/en/docs/set_up_oauth and
https://developers.klaviyo.com/en/docs/troubleshoot_oauth_errors
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from sandbox.core.app import Route
from sandbox.core.calls import Call, Reply, json_reply, text_reply
from sandbox.core.switches import Switches
from sandbox.credentials import KLAVIYO_CLIENT_ID, KLAVIYO_CLIENT_SECRET

ACCESS_SECONDS = 3600
CODE_SECONDS = 300
UNUSED_REFRESH_SECONDS = 90 * 24 * 3600
REFRESH_LIMIT = "oauth refresh"


@dataclass(frozen=True, slots=True)
class _Code:
    """A consent that was given and not exchanged yet."""

    challenge: str
    redirect_uri: str
    scope: str
    ends_at: float


class OAuth:
    """The tokens of one app at one account."""

    PREFIX: ClassVar[str] = "/oauth/"

    def __init__(self, switches: Switches, now: Callable[[], float] = time.time) -> None:
        self._switches = switches
        self._now = now
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, float] = {}
        self._refresh: dict[str, dict[str, Any]] = {}
        self.refreshes = 0

    @staticmethod
    def routes(oauth: Callable[[], OAuth]) -> Sequence[Route]:
        """`oauth` is called per request: the tokens exist only after the routes."""
        return [
            Route("GET", "/oauth/authorize", lambda call: oauth().authorize(call), limit=""),
            Route("POST", "/oauth/token", lambda call: oauth().token(call), False, ""),
            Route("POST", "/oauth/revoke", lambda call: oauth().revoke(call), False, ""),
        ]

    @classmethod
    def owns(cls, path: str) -> bool:
        """Whether a path is about tokens, not data: no key, no revision."""
        return path.startswith(cls.PREFIX)

    def accepts(self, token: str | None) -> bool:
        """Whether an access token is good now."""
        return token is not None and self._access.get(token, 0.0) > self._now()

    def is_refresh(self, call: Call) -> bool:
        """Whether a request is one of the ten refreshes allowed per minute."""
        return call.path == "/oauth/token" and _form(call).get("grant_type") == "refresh_token"

    def authorize(self, call: Call) -> Reply:
        """The consent page: sends the browser back with a code, or with `access_denied`."""
        asked = call.query
        redirect_uri = asked.get("redirect_uri", "")
        if asked.get("client_id") != KLAVIYO_CLIENT_ID or not redirect_uri.startswith("http"):
            return text_reply("This app is not known, or its redirect address is not.", 400)
        if asked.get("response_type") != "code":
            return _back(redirect_uri, asked, error="unsupported_response_type")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return _back(redirect_uri, asked, error="invalid_request")
        if self._switches["oauth_consent"] == "denied":
            return _back(redirect_uri, asked, error="access_denied")
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(
            asked["code_challenge"],
            redirect_uri,
            asked.get("scope", ""),
            self._now() + CODE_SECONDS,
        )
        return _back(redirect_uri, asked, code=code)

    def token(self, call: Call) -> Reply:
        """A code or a refresh token becomes a pair."""
        if not _is_our_app(call):
            return json_reply({"error": "invalid_client"}, 400)
        form = _form(call)
        if form.get("grant_type") == "authorization_code":
            scope = self._scope_of_code(form)
        elif form.get("grant_type") == "refresh_token":
            scope = self._scope_of_refresh(form.get("refresh_token", ""))
        else:
            return json_reply({"error": "unsupported_grant_type"}, 400)
        if scope is None:
            return json_reply({"error": "invalid_grant"}, 400)
        return self._pair(scope, kept=self._kept(form))

    def revoke(self, call: Call) -> Reply:
        """End a pair; an unknown token is no error (RFC 7009)."""
        if not _is_our_app(call):
            return json_reply({"error": "invalid_client"}, 400)
        token = _form(call).get("token", "")
        found = self._refresh.pop(token, None)
        self._access.pop(found["access"] if found else token, None)
        return json_reply({})

    def counts(self) -> dict[str, int]:
        """Good tokens, and refreshes until now."""
        now = self._now()
        return {
            "access_tokens": sum(ends_at > now for ends_at in self._access.values()),
            "refresh_tokens": len(self._refresh),
            "refreshes": self.refreshes,
        }

    def expire_access(self) -> None:
        """Every access token ends now; refresh tokens stay good."""
        self._access.clear()

    def forget(self) -> None:
        """The app was uninstalled: nothing it holds is good any more."""
        self._codes.clear()
        self._access.clear()
        self._refresh.clear()

    def dump(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "codes": {code: asdict(found) for code, found in self._codes.items()},
            "access": dict(self._access),
            "refresh": dict(self._refresh),
            "refreshes": self.refreshes,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The opposite of `dump`."""
        self._codes = {code: _Code(**found) for code, found in state.get("codes", {}).items()}
        self._access = dict(state.get("access", {}))
        self._refresh = dict(state.get("refresh", {}))
        self.refreshes = int(state.get("refreshes", 0))

    def _scope_of_code(self, form: Mapping[str, str]) -> str | None:
        """A code works once, for whoever knows the verifier behind its challenge."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.ends_at <= self._now():
            return None
        is_proven = _s256(form.get("code_verifier", "")) == code.challenge
        is_same = form.get("redirect_uri") == code.redirect_uri
        return code.scope if is_proven and is_same else None

    def _scope_of_refresh(self, token: str) -> str | None:
        found = self._refresh.get(token)
        if found is None or found["used_at"] + UNUSED_REFRESH_SECONDS <= self._now():
            return None
        self.refreshes += 1
        if self._switches["oauth_old_access"] == "ends":
            self._access.pop(found["access"], None)
        if self._switches["oauth_refresh"] == "rotates":
            del self._refresh[token]
        return str(found["scope"])

    def _kept(self, form: Mapping[str, str]) -> str | None:
        """The refresh token that goes on after a refresh, if it does."""
        token = form.get("refresh_token", "")
        return token if token in self._refresh else None

    def _pair(self, scope: str, kept: str | None) -> Reply:
        access, refresh = secrets.token_urlsafe(32), kept or secrets.token_urlsafe(32)
        now = self._now()
        self._access[access] = now + ACCESS_SECONDS
        self._refresh[refresh] = {"scope": scope, "access": access, "used_at": now}
        return json_reply(
            {
                "access_token": access,
                "refresh_token": refresh,
                "expires_in": ACCESS_SECONDS,
                "token_type": "bearer",
                "scope": scope,
            },
            headers={"cache-control": "no-store"},
        )


def bearer(call: Call) -> str | None:
    """The access token that a request carries."""
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    return token if kind == "Bearer" and token else None


def _form(call: Call) -> dict[str, str]:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(call.body.decode("utf-8", "replace")))


def _is_our_app(call: Call) -> bool:
    kind, _, encoded = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return kind == "Basic" and given == f"{KLAVIYO_CLIENT_ID}:{KLAVIYO_CLIENT_SECRET}".encode()


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _back(redirect_uri: str, asked: Mapping[str, str], **answer: str) -> Reply:
    query = urlencode({**answer, **({"state": asked["state"]} if "state" in asked else {})})
    joint = "&" if "?" in redirect_uri else "?"
    return Reply(302, headers={"location": f"{redirect_uri}{joint}{query}"}, content_type="")
