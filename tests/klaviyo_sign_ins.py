"""Sign-ins at the simulated Klaviyo without a person: consent, tokens, and places to keep them."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
from keyring.backend import KeyringBackend

from reverse_etl.destinations.klaviyo_oauth import OAuthApp, TokenEndpoint, Tokens, begin
from sandbox.server import RunningSandbox

REDIRECT = "http://127.0.0.1:9/oauth/klaviyo/callback"


def app_of(sandbox: RunningSandbox, secret: str | None = None) -> OAuthApp:
    """The app that the sandbox knows, or one that claims to be it."""
    known = sandbox.environment
    return OAuthApp(
        client_id=known["KLAVIYO_CLIENT_ID"],
        client_secret=secret or known["KLAVIYO_CLIENT_SECRET"],
        base_url=known["KLAVIYO_BASE_URL"],
        authorize_url=known["KLAVIYO_OAUTH_AUTHORIZE_URL"],
    )


def consented(sandbox: RunningSandbox) -> Tokens:
    """A pair, as a person's consent brings it."""
    app = app_of(sandbox)
    consent = begin(app, REDIRECT)
    location = httpx.get(consent.address).headers["location"]
    code = parse_qs(urlsplit(location).query)["code"][0]
    return TokenEndpoint(app).exchange(code, consent)


class MemoryStore:
    """A token store without a place."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.saved = 0

    def load(self) -> Tokens:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        self.saved += 1
        self.tokens = tokens

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield


class MemoryKeyring(KeyringBackend):
    """An operating system's key store that ends with the test."""

    priority = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        del self.held[service, username]

    def _open(self) -> None:
        if self.is_locked:
            raise RuntimeError("locked: a message that might hold anything")
