"""Who may deliver: a shared secret (Yotpo), a signature of the body (Smile).

Compares in constant time. What the vendors leave undocumented is a setting, not a guess:

* Yotpo's merchant webhook carries the secret that the receiver gave ("Webhook Authentication",
  https://support.yotpo.com/docs/rule-integration-guide-for-yotpo-loyalty-referrals); in which
  header, with which prefix, or whether in the query, is not documented.
* Smile signs with a sha256 HMAC of the contents and the app's client secret
  (https://dev.smile.io/guides/apps/webhooks); the header's name and whether it is hexadecimal or
  base64 are not documented. During a rotation either secret may sign.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

_BEARER = b"bearer "


class Sender(Protocol):
    """Tells whether a request is the vendor's."""

    needs_body: bool

    def is_trusted(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> bool:
        """Whether the request is the vendor's. `body` is empty unless it is needed."""


@dataclass(frozen=True)
class SharedSecret:
    """The request carries the secret itself.

    Attributes:
        place: name of the header, or `?name` for a parameter of the query.
        secret: what it must be; a `Bearer ` before it is tolerated.
    """

    place: str
    secret: str = field(repr=False)
    needs_body = False

    def is_trusted(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> bool:
        """See `Sender`."""
        del body
        if self.place.startswith("?"):
            given = query.get(self.place[1:], "").encode()
        else:  # the bytes as they were sent
            given = headers.get(self.place, "").strip().encode("latin-1", "replace")
        bare = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else given
        secret = self.secret.encode()
        return hmac.compare_digest(given, secret) | hmac.compare_digest(bare, secret)


@dataclass(frozen=True)
class SignedBody:
    """A header carries a sha256 HMAC of the body, hexadecimal or base64.

    Attributes:
        header: its name.
        secrets: one of them signed: the present one and, during a rotation, the one before.
    """

    header: str
    secrets: Sequence[str] = field(repr=False)
    needs_body = True

    def is_trusted(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> bool:
        """See `Sender`."""
        del query
        given = headers.get(self.header, "").strip().removeprefix("sha256=")
        candidates = [signature for signature in _read(given) if signature]
        trusted = False
        for secret in self.secrets:
            signature = hmac.digest(secret.encode(), body, hashlib.sha256)
            for candidate in candidates:
                trusted |= hmac.compare_digest(candidate, signature)
        return trusted


def _read(text: str) -> tuple[bytes, bytes]:
    """A signature as hexadecimal and as base64; empty where it is none."""
    try:
        as_hex = bytes.fromhex(text)
    except ValueError:
        as_hex = b""
    try:
        as_base64 = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        as_base64 = b""
    return as_hex, as_base64
