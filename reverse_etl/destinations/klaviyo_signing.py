"""Requests to Klaviyo signed with an access token that is replaced in time.

Owns when a pair of tokens is replaced, and by whom. Two third-party accounts disagree whether a
refresh token may be used twice, so it never is: a pair is replaced as a whole, by one process at a
time, and the others take over what that one stored. Where a pair lies is a `TokenStore`'s business,
what Klaviyo answers `klaviyo_oauth.py`'s.
"""

import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Protocol

import httpx

from reverse_etl.destinations.klaviyo_oauth import CONNECT_AGAIN, TokenEndpoint, Tokens
from vendor_http import ConfigurationError


class TokenStore(Protocol):
    """Where one account's pair is kept."""

    def load(self) -> Tokens:
        """The stored pair.

        Raises:
            ConfigurationError: there is none, or it cannot be read.
        """

    def save(self, tokens: Tokens) -> None:
        """Replace the pair as a whole: a reader sees the old one or the new one."""

    def alone(self) -> AbstractContextManager[object]:
        """While it is open, no other process replaces the pair."""


class KlaviyoOAuth(httpx.Auth):
    """Signs requests with the access token, which it replaces before its end and after a 401.

    One object per process and account: threads share the pair, processes share it through the
    store, whose lock lets one of them refresh while the others wait and take over the result.
    """

    def __init__(self, endpoint: TokenEndpoint, store: TokenStore) -> None:
        self._endpoint = endpoint
        self._store = store
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None

    def __repr__(self) -> str:
        return "KlaviyoOAuth()"

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign, send, and on a 401 renew the token and send once more.

        Raises:
            ConfigurationError: a token that was just renewed is refused too.
        """
        tokens = self._current()
        request.headers["authorization"] = f"Bearer {tokens.access_token}"
        response = yield request
        if response.status_code != 401:
            return
        tokens = self._renewed(tokens)
        request.headers["authorization"] = f"Bearer {tokens.access_token}"
        response = yield request
        if response.status_code == 401:
            raise ConfigurationError(
                f"Klaviyo refuses a token that it has just given; {CONNECT_AGAIN}"
            )

    def _current(self) -> Tokens:
        tokens = self._tokens
        return tokens if tokens is not None and tokens.is_fresh() else self._renewed(None)

    def _renewed(self, refused: Tokens | None) -> Tokens:
        """A pair other than the one refused: from memory, the store or Klaviyo, in this order."""
        with self._lock:
            if (known := self._tokens) is not None and _is_usable(known, refused):
                return known
            stored = self._store.load()
            if not _is_usable(stored, refused):
                with self._store.alone():
                    stored = self._store.load()  # somebody may have replaced it meanwhile
                    if not _is_usable(stored, refused):
                        # A refresh that cannot be stored may end the only good pair, so writing
                        # is tried before.
                        self._store.save(stored)
                        stored = self._endpoint.refresh(stored)
                        self._store.save(stored)
            self._tokens = stored
            return stored


def _is_usable(tokens: Tokens, refused: Tokens | None) -> bool:
    is_refused = refused is not None and tokens.access_token == refused.access_token
    return tokens.is_fresh() and not is_refused
