"""Where tokens lie: found again, replaced as a whole, unreadable without the key, never shown."""

import errno
import os
import stat
from collections.abc import Iterator

import keyring
import pytest
from keyring.backends import fail

from orchestration import token_keepers
from orchestration.key_store import (
    choose_place,
    connection,
    forget,
    remember,
    stored_tokens,
)
from orchestration.settings import Settings, connection_file, load_settings
from reverse_etl.destinations.klaviyo_oauth import Tokens
from tests.klaviyo_sign_ins import MemoryKeyring
from vendor_http import ConfigurationError

PAIR = Tokens("access-very-secret", "refresh-very-secret", 1234.5)
NEXT = Tokens("access-next", "refresh-next", 5678.0)


@pytest.fixture(autouse=True)
def no_key_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without one; and a derivation that takes no time."""
    monkeypatch.setattr(token_keepers, "SCRYPT_N", 2**4)
    monkeypatch.setenv("KLAVIYO_CLIENT_ID", "app")
    monkeypatch.setenv("KLAVIYO_CLIENT_SECRET", "secret")
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture
def key_store() -> MemoryKeyring:
    store = MemoryKeyring()
    keyring.set_keyring(store)
    return store


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOYALTY_KEY_PASSPHRASE", "correct horse battery")
    return "correct horse battery"


def files(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.home / "connections").iterdir())


def test_a_key_store_is_preferred_and_no_token_touches_the_disk(
    key_store: MemoryKeyring, passphrase: str
) -> None:
    settings = load_settings()
    place = choose_place(settings)
    assert (place, key_store.held) == ("key store", {}), "the probe leaves nothing behind"
    remember(settings, "klaviyo", place, PAIR)
    assert stored_tokens(settings, "klaviyo").load() == PAIR
    assert len(key_store.held) == 1
    assert files(settings) == ["klaviyo.json"]
    assert b"very-secret" not in connection_file(settings.home, "klaviyo").read_bytes()
    assert choose_place(settings, prefers_file=True) == "file"


def test_without_a_key_store_an_encrypted_file_of_the_owner_keeps_them(passphrase: str) -> None:
    settings = load_settings()
    place = choose_place(settings)
    assert place == "file"
    remember(settings, "klaviyo", place, PAIR)
    store = stored_tokens(settings, "klaviyo")
    store.save(NEXT)
    assert store.load() == NEXT
    assert files(settings) == ["klaviyo.json", "klaviyo.tokens"], "no half-written file stays"
    for name in files(settings):
        path = settings.home / "connections" / name
        assert b"access-" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, name


def test_with_neither_the_error_names_both_remedies() -> None:
    with pytest.raises(ConfigurationError, match=r"LOYALTY_KEY_PASSPHRASE.*desktop session"):
        choose_place(load_settings())


@pytest.mark.parametrize("is_set", [True, False], ids=["another passphrase", "none"])
def test_a_file_is_not_readable_without_its_passphrase(
    passphrase: str, monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    remember(load_settings(), "klaviyo", "file", PAIR)
    if is_set:
        monkeypatch.setenv("LOYALTY_KEY_PASSPHRASE", "wrong-but-secret")
    else:
        monkeypatch.delenv("LOYALTY_KEY_PASSPHRASE")
    store = stored_tokens(load_settings(), "klaviyo")
    with pytest.raises(ConfigurationError, match="LOYALTY_KEY_PASSPHRASE") as caught:
        store.load()
    assert "secret" not in str(caught.value) + repr(store)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"salt": 1}', b"\xff"])
def test_a_damaged_file_is_explained_and_can_be_replaced(passphrase: str, content: bytes) -> None:
    settings = load_settings()
    remember(settings, "klaviyo", "file", PAIR)
    (settings.home / "connections" / "klaviyo.tokens").write_bytes(content)
    with pytest.raises(ConfigurationError, match="loyalty connect klaviyo"):
        stored_tokens(settings, "klaviyo").load()
    remember(settings, "klaviyo", "file", NEXT)
    assert stored_tokens(settings, "klaviyo").load() == NEXT


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name": 1}'])
def test_a_damaged_record_is_explained_and_can_be_replaced(passphrase: str, content: bytes) -> None:
    settings = load_settings()
    remember(settings, "klaviyo", "file", PAIR)
    connection_file(settings.home, "klaviyo").write_bytes(content)
    with pytest.raises(ConfigurationError, match="loyalty connect klaviyo"):
        connection(settings, "klaviyo")
    remember(settings, "klaviyo", "file", NEXT)
    assert stored_tokens(settings, "klaviyo").load() == NEXT


def test_a_key_store_that_is_locked_is_named_without_its_words(key_store: MemoryKeyring) -> None:
    settings = load_settings()
    remember(settings, "klaviyo", "key store", PAIR)
    key_store.is_locked = True
    store = stored_tokens(settings, "klaviyo")
    for attempt in (store.load, lambda: store.save(NEXT)):
        with pytest.raises(ConfigurationError, match=r"does not answer \(RuntimeError\)") as caught:
            attempt()
        assert "anything" not in str(caught.value)
    key_store.is_locked = False
    key_store.held.clear()
    with pytest.raises(ConfigurationError, match="holds no tokens"):
        store.load()


def test_a_locked_key_store_counts_as_none(key_store: MemoryKeyring, passphrase: str) -> None:
    key_store.is_locked = True
    assert choose_place(load_settings()) == "file"


def test_a_store_that_keyring_does_not_recommend_counts_as_none(
    key_store: MemoryKeyring, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryKeyring, "priority", 0.5)  # as plain-text files have
    assert choose_place(load_settings()) == "file"


def test_signing_in_again_leaves_one_pair_wherever_it_lies(
    key_store: MemoryKeyring, passphrase: str
) -> None:
    settings = load_settings()
    for place in ("key store", "key store", "file", "file", "key store"):
        remember(settings, "klaviyo", place, PAIR)
        assert len(key_store.held) == (place == "key store")
        assert ("klaviyo.tokens" in files(settings)) == (place == "file")
    forget(settings, "klaviyo")
    assert (key_store.held, files(settings)) == ({}, [])
    assert not settings.has_key("klaviyo")
    forget(settings, "klaviyo")


def test_a_sign_in_that_cannot_be_kept_leaves_the_older_one(
    key_store: MemoryKeyring, passphrase: str
) -> None:
    settings = load_settings()
    remember(settings, "klaviyo", "file", PAIR)
    key_store.is_locked = True
    with pytest.raises(ConfigurationError):
        remember(settings, "klaviyo", "key store", NEXT)
    assert stored_tokens(settings, "klaviyo").load() == PAIR


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("KLAVIYO_BASE_URL", "http://127.0.0.1:9", "KLAVIYO_BASE_URL"),
        ("KLAVIYO_CLIENT_ID", "another", "KLAVIYO_CLIENT_ID"),
    ],
)
def test_tokens_are_sent_to_nobody_they_were_not_given_for(
    passphrase: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    remember(load_settings(), "klaviyo", "file", PAIR)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=named):
        stored_tokens(load_settings(), "klaviyo")


def test_a_vendor_takes_part_from_the_sign_in_to_the_sign_out(passphrase: str) -> None:
    settings = load_settings()
    assert any("loyalty connect klaviyo" in line for line in settings.left_out())
    remember(settings, "klaviyo", "file", PAIR)
    assert settings.has_key("klaviyo")
    assert not any("klaviyo" in line for line in settings.left_out())


def test_a_full_disk_is_named_and_leaves_the_pair_before(
    passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    remember(settings, "klaviyo", "file", PAIR)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match=r"cannot be written.*No space left"):
            stored_tokens(settings, "klaviyo").save(NEXT)
    assert stored_tokens(settings, "klaviyo").load() == PAIR
    assert files(settings) == ["klaviyo.json", "klaviyo.tokens"]
