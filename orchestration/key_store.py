"""Where OAuth tokens lie: the operating system's key store, else an encrypted file.

Owns keeping, finding and forgetting; what a token means is the destination's business. A home
remembers, in a record without any secret, where its tokens lie and whom they are for, so that a
run neither guesses nor opens a key store it does not need.

    connections/klaviyo.json     the record
    connections/klaviyo.tokens   the pair, Fernet, key by scrypt from LOYALTY_KEY_PASSPHRASE
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import filelock
import orjson

from orchestration.settings import Settings, connection_file
from orchestration.token_keepers import (
    PASSPHRASE,
    EncryptedFile,
    Keeper,
    KeyStoreEntry,
    has_key_store,
    replace_file,
)
from reverse_etl.destinations.klaviyo_oauth import Tokens
from vendor_http import ConfigurationError, VendorUnavailableError

# A refresh has six tries; whoever waits longer than this waits for a process that hangs.
LOCK_SECONDS = 600.0

Place = Literal["key store", "file"]


@dataclass(frozen=True)
class Connection:
    """A sign-in: where its tokens lie, and the app and address they are for; no secret."""

    name: str
    place: Place
    client_id: str
    base_url: str
    connected_at: str


class StoredTokens:
    """One account's pair of tokens; a `TokenStore`."""

    def __init__(self, keeper: Keeper, lock: Path) -> None:
        self._keeper = keeper
        self._lock = lock

    def __repr__(self) -> str:
        return "StoredTokens()"

    def load(self) -> Tokens:
        """The pair; see `TokenStore.load`."""
        try:
            return Tokens(**orjson.loads(self._keeper.get()))
        except (orjson.JSONDecodeError, TypeError):
            raise ConfigurationError(
                "The stored tokens are damaged; run `loyalty connect klaviyo` again"
            ) from None

    def save(self, tokens: Tokens) -> None:
        """Replace the pair as a whole."""
        self._keeper.put(orjson.dumps(asdict(tokens)))

    def drop(self) -> None:
        """Forget the pair."""
        self._keeper.drop()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold this account's lock, which ends with the process that holds it.

        Raises:
            VendorUnavailableError: another process has held it for ten minutes.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self._lock, timeout=LOCK_SECONDS):
                yield
        except filelock.Timeout:
            raise VendorUnavailableError(
                f"Another process has been renewing these tokens for {LOCK_SECONDS / 60:.0f} "
                "minutes; end it, then run again"
            ) from None


def choose_place(settings: Settings, *, prefers_file: bool = False) -> Place:
    """Where new tokens can be kept on this machine.

    Raises:
        ConfigurationError: neither a key store answers nor is a passphrase set.
    """
    if not prefers_file and has_key_store():
        return "key store"
    if settings.key_passphrase is not None:
        return "file"
    why = "A file was asked for" if prefers_file else "This machine has no key store that answers"
    remedy = "" if prefers_file else ", or run this where one does (a desktop session)"
    raise ConfigurationError(
        f"{why}: set {PASSPHRASE} to keep the tokens in an encrypted file{remedy}"
    )


def remember(settings: Settings, vendor: str, place: Place, tokens: Tokens) -> Connection:
    """Keep the first pair of a new sign-in, then the record of it, then drop an older pair.

    Raises:
        ConfigurationError: the pair cannot be kept there; an older sign-in stays as it was.
    """
    new = Connection(
        name=f"{vendor}-{uuid.uuid4().hex}",
        place=place,
        client_id=str(settings.klaviyo_client_id),
        base_url=settings.base_url(vendor),
        connected_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    store = _store(settings, vendor, new)
    with store.alone():  # a run must not write its renewed old pair over the new one
        old = _readable(settings, vendor)
        store.save(tokens)
        replace_file(connection_file(settings.home, vendor), orjson.dumps(asdict(new)))
        if old is not None and "key store" in (old.place, new.place):
            _drop(settings, vendor, old)
    return new


def connection(settings: Settings, vendor: str) -> Connection | None:
    """The record of the sign-in at `vendor`, if there is one.

    Raises:
        ConfigurationError: it cannot be read.
    """
    file = connection_file(settings.home, vendor)
    try:
        return Connection(**orjson.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, TypeError):
        raise ConfigurationError(
            f"{file} is damaged; run `loyalty connect {vendor}` again"
        ) from None


def stored_tokens(settings: Settings, vendor: str) -> StoredTokens:
    """The tokens of the sign-in at `vendor`, for the app and the address now set.

    Raises:
        ConfigurationError: there is none, or it is for another app or another address.
    """
    known = connection(settings, vendor)
    again = f"run `loyalty connect {vendor}` again"
    if known is None:
        raise ConfigurationError(
            f"Nobody has signed in at {vendor}; run `loyalty connect {vendor}`"
        )
    if known.base_url != settings.base_url(vendor):
        raise ConfigurationError(
            f"The sign-in at {vendor} is for {known.base_url}, but {vendor.upper()}_BASE_URL is "
            f"{settings.base_url(vendor)}; set it back or {again}"
        )
    if known.client_id != settings.klaviyo_client_id:
        raise ConfigurationError(
            f"The sign-in at {vendor} is for the app {known.client_id}, which "
            f"{vendor.upper()}_CLIENT_ID does not name; set it and its secret, or {again}"
        )
    return _store(settings, vendor, known)


def forget(settings: Settings, vendor: str) -> None:
    """Drop tokens and record, as far as there are any; a key store that is silent is passed by."""
    old = _readable(settings, vendor)
    if old is not None:
        _drop(settings, vendor, old)
    _file(settings, vendor).unlink(missing_ok=True)
    connection_file(settings.home, vendor).unlink(missing_ok=True)


def _readable(settings: Settings, vendor: str) -> Connection | None:
    """The record, None also when it is damaged: that keeps nobody from starting afresh."""
    with suppress(ConfigurationError):
        return connection(settings, vendor)
    return None


def _drop(settings: Settings, vendor: str, known: Connection) -> None:
    with suppress(ConfigurationError):
        _store(settings, vendor, known).drop()


def _store(settings: Settings, vendor: str, known: Connection) -> StoredTokens:
    lock = settings.home / "locks" / f"tokens_{vendor}.lock"
    if known.place == "key store":
        return StoredTokens(KeyStoreEntry(known.name), lock)
    secret = settings.key_passphrase
    passphrase = None if secret is None else secret.get_secret_value()
    return StoredTokens(EncryptedFile(_file(settings, vendor), passphrase), lock)


def _file(settings: Settings, vendor: str) -> Path:
    return connection_file(settings.home, vendor).with_suffix(".tokens")
