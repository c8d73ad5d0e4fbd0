"""Klaviyo's OAuth: the consent address, and the endpoint that turns codes into pairs of tokens.

Owns the meaning of Klaviyo's answers about tokens. Must not know where a pair is kept, who uses it
(`klaviyo_signing.py`), nor how a person is asked (the orchestration does). Data flow:

    begin -> a person consents -> exchange -> pair -> refresh -> next pair -> ... -> revoke

Vendor facts: https://developers.klaviyo.com/en/docs/set_up_oauth and
https://developers.klaviyo.com/en/docs/troubleshoot_oauth_errors
"""

import base64
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7009 import prepare_revoke_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from vendor_http import ApiClient, ConfigurationError, RateLimit, VendorUnavailableError

AUTHORIZE_URL = "https://www.klaviyo.com/oauth/authorize"
# Bulk import demands lists:write beside profiles:write, even without a list (OpenAPI document).
SCOPES = (
    "accounts:read",
    "events:read",
    "events:write",
    "lists:read",
    "lists:write",
    "metrics:read",
    "profiles:read",
    "profiles:write",
)
CONNECT_AGAIN = "run `loyalty connect klaviyo` again"
# Of an access token, where an answer does not say it.
LIFE_SECONDS = 3600
# Before its hour ends, so that a request under way does not outlive its token.
RENEW_SECONDS_BEFORE_END = 120.0
# 10 a minute; read in third-party code only, hence kept for every request about tokens.
TOKEN_LIMIT = RateLimit(10, 60)
_TOKEN = "/oauth/token"  # noqa: S105 - a path
_REVOKE = "/oauth/revoke"
# 400 is documented; 401 is what RFC 6749 §5.2 allows for a wrong client.
_REFUSALS = (400, 401)
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class OAuthApp:
    """The app in Klaviyo that people consent to; `base_url` is that of the API."""

    client_id: str
    client_secret: str = field(repr=False)
    base_url: str
    authorize_url: str = AUTHORIZE_URL


@dataclass(frozen=True)
class Tokens:
    """A pair that belongs together, and the moment (Unix seconds) at which the first one ends."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float

    def is_fresh(self) -> bool:
        """Whether the access token outlives the next requests."""
        return time.time() < self.expires_at - RENEW_SECONDS_BEFORE_END


@dataclass(frozen=True)
class Consent:
    """A question to a person: open `address`; the answer comes to `redirect_uri` with `state`."""

    address: str
    redirect_uri: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)


def begin(app: OAuthApp, redirect_uri: str) -> Consent:
    """A new question with its own state and PKCE verifier (RFC 7636, S256)."""
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(64)
    address = prepare_grant_uri(
        app.authorize_url,
        app.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=list(SCOPES),
        state=state,
        code_challenge_method="S256",
        code_challenge=create_s256_code_challenge(verifier),  # type: ignore[no-untyped-call]
    )
    return Consent(str(address), redirect_uri, state, verifier)


class TokenEndpoint:
    """Codes and refresh tokens into pairs; thread-safe.

    Args:
        app: its id and secret sign the requests (HTTP Basic).
    """

    def __init__(self, app: OAuthApp) -> None:
        basic = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
        self._api = ApiClient(
            vendor="Klaviyo",
            base_url=app.base_url,
            headers={
                "authorization": f"Basic {basic}",
                "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
                "connection": "close",  # the next request is an hour away
            },
            key_variables=["KLAVIYO_CLIENT_ID", "KLAVIYO_CLIENT_SECRET"],
            limits={"default": TOKEN_LIMIT},
            base_url_variable="KLAVIYO_BASE_URL",
        )

    def __repr__(self) -> str:
        return "TokenEndpoint()"

    def close(self) -> None:
        """Give back the sockets."""
        self._api.close()

    def exchange(self, code: str, consent: Consent) -> Tokens:
        """The first pair, for the code that a consent brought.

        Raises:
            ConfigurationError: the app or the code is refused.
        """
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=consent.redirect_uri,
            code=code,
            code_verifier=consent.code_verifier,
        )
        return self._pair(str(body), "exchange of the consent", kept=None)

    def refresh(self, tokens: Tokens) -> Tokens:
        """The next pair; keeps the refresh token where Klaviyo returns none.

        Raises:
            ConfigurationError: the app is refused, or the refresh token is spent, revoked or has
                not been used for 90 days.
        """
        body = prepare_token_request("refresh_token", refresh_token=tokens.refresh_token)
        return self._pair(str(body), "refresh of the tokens", kept=tokens.refresh_token)

    def revoke(self, tokens: Tokens) -> None:
        """End the pair at Klaviyo.

        Raises:
            ConfigurationError: the app is refused.
        """
        body, _ = prepare_revoke_token_request(tokens.refresh_token, "refresh_token")
        self._post(_REVOKE, str(body), "revocation of the tokens")

    def _pair(self, body: str, what: str, kept: str | None) -> Tokens:
        asked_at = time.time()
        answer = self._post(_TOKEN, body, what, check=_is_object)
        found = orjson.loads(answer.content)
        access, refresh = found.get("access_token"), found.get("refresh_token") or kept
        if not isinstance(access, str) or not isinstance(refresh, str):
            raise VendorUnavailableError(
                f"Klaviyo: the {what} was answered without tokens. Run again later, or "
                f"{CONNECT_AGAIN}"
            )
        life = found.get("expires_in")
        return Tokens(
            access, refresh, asked_at + (life if isinstance(life, int) and life else LIFE_SECONDS)
        )

    def _post(
        self,
        path: str,
        body: str,
        what: str,
        check: Callable[[httpx.Response], None] | None = None,
    ) -> httpx.Response:
        answer = self._api.send(
            "POST", path, content=body.encode(), accept=_REFUSALS, name=f"POST {path}", check=check
        )
        if answer.status_code in _REFUSALS:
            raise ConfigurationError(f"Klaviyo refuses the {what}: {_explain(_error(answer))}")
        return answer


def _is_object(response: httpx.Response) -> None:
    if not isinstance(orjson.loads(response.content), dict):
        raise ValueError("no object")  # noqa: TRY004 - the client retries on ValueError


def _error(answer: httpx.Response) -> str:
    """The vendor's error code, when it looks like one; nothing else of the body is shown."""
    try:
        body: Any = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else "no reason given"


def _explain(code: str) -> str:
    if code == "invalid_client":
        return "invalid_client. Check KLAVIYO_CLIENT_ID and KLAVIYO_CLIENT_SECRET"
    if code == "invalid_grant":
        return f"invalid_grant, it has ended, was revoked or was used before; {CONNECT_AGAIN}"
    return f"{code}; {CONNECT_AGAIN}"
