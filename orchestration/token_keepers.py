"""The two places that keep a secret text: the operating system's key store, an encrypted file.

Owns writing, reading and dropping one text; what it holds is `key_store.py`'s business. A text is
replaced as a whole. Messages name the place and the remedy, never the text.
"""

import base64
import os
import secrets
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import keyring
import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from vendor_http import ConfigurationError

SERVICE = "loyalty-warehouse"
PASSPHRASE = "LOYALTY_KEY_PASSPHRASE"  # noqa: S105 - the name of a setting
# RFC 7914's N, r, p as OWASP's password storage guide has them: 128 MiB, some tenths of a second.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**17, 8, 1
# `keyring` gives 1 and more to stores it recommends; plain-text files and the like are below.
RECOMMENDED_PRIORITY = 1


class Keeper(Protocol):
    """One secret text; replaced as a whole."""

    def get(self) -> bytes:
        """The text.

        Raises:
            ConfigurationError: there is none, or it cannot be read.
        """

    def put(self, text: bytes) -> None:
        """Replace the text.

        Raises:
            ConfigurationError: it cannot be written.
        """

    def drop(self) -> None:
        """Remove the text.

        Raises:
            ConfigurationError: the place does not answer.
        """


class KeyStoreEntry:
    """An entry of the operating system's key store; a `Keeper`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return "KeyStoreEntry()"

    def get(self) -> bytes:
        """See `Keeper.get`."""
        try:
            text = keyring.get_password(SERVICE, self._name)
        except Exception as error:  # noqa: BLE001 - each system's store raises its own
            raise self._silent(error) from None
        if text is None:
            raise ConfigurationError(
                "The key store holds no tokens of this sign-in; run `loyalty connect klaviyo` again"
            )
        return text.encode()

    def put(self, text: bytes) -> None:
        """See `Keeper.put`."""
        try:
            keyring.set_password(SERVICE, self._name, text.decode())
        except Exception as error:  # noqa: BLE001 - as above
            raise self._silent(error) from None

    def drop(self) -> None:
        """See `Keeper.drop`."""
        try:
            keyring.delete_password(SERVICE, self._name)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"The key store does not answer ({type(error).__name__}): unlock it, or set "
            f"{PASSPHRASE} and run `loyalty connect klaviyo --file`"
        )


class EncryptedFile:
    """A file that only its owner may read, and only who knows the passphrase can; a `Keeper`."""

    def __init__(self, path: Path, passphrase: str | None) -> None:
        self._path = path
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "EncryptedFile()"

    def get(self) -> bytes:
        """See `Keeper.get`."""
        try:
            held = orjson.loads(self._path.read_bytes())
            salt, token = base64.b64decode(held["salt"]), held["token"].encode()
            return self._cipher(salt, held["n"], held["r"], held["p"]).decrypt(token)
        except FileNotFoundError:
            raise ConfigurationError(
                f"{self._path} is gone; run `loyalty connect klaviyo` again"
            ) from None
        except (InvalidToken, ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{self._path} cannot be read with this {PASSPHRASE}; set the one it was written "
                "with, or run `loyalty connect klaviyo` again"
            ) from None

    def put(self, text: bytes) -> None:
        """See `Keeper.put`; with a new salt each time."""
        salt = secrets.token_bytes(16)
        cipher = self._cipher(salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
        replace_file(
            self._path,
            orjson.dumps(
                {
                    "kdf": "scrypt",
                    "n": SCRYPT_N,
                    "r": SCRYPT_R,
                    "p": SCRYPT_P,
                    "salt": base64.b64encode(salt).decode(),
                    "token": cipher.encrypt(text).decode(),
                }
            ),
        )

    def drop(self) -> None:
        """See `Keeper.drop`."""
        self._path.unlink(missing_ok=True)

    def _cipher(self, salt: bytes, n: int, r: int, p: int) -> Fernet:
        if self._passphrase is None:
            raise ConfigurationError(f"{self._path} needs {PASSPHRASE}, which is not set")
        return Fernet(_derive(self._passphrase, salt, n, r, p))


@lru_cache(maxsize=4)
def _derive(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    key = Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())
    return base64.urlsafe_b64encode(key)


def has_key_store() -> bool:
    """Whether a recommended store takes a text and gives it back."""
    name = f"probe-{uuid.uuid4().hex}"
    try:
        if keyring.get_keyring().priority < RECOMMENDED_PRIORITY:
            return False
        keyring.set_password(SERVICE, name, name)
        is_kept = keyring.get_password(SERVICE, name) == name
        keyring.delete_password(SERVICE, name)
    except Exception:  # noqa: BLE001 - a store that raises, whatever it raises, is none
        return False
    return is_kept


def replace_file(path: Path, content: bytes) -> None:
    """Write beside, then move over: a reader sees the old file or the new one; mode 0600.

    Raises:
        ConfigurationError: it cannot be written.
    """
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - the mode must be right from the first moment
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}); give this user the right, or make room"
        ) from None
