"""Tokens renewed by several processes at once, and by one that is killed at the worst moment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from orchestration import token_keepers
from orchestration.accounts import destination_client
from orchestration.key_store import remember, stored_tokens
from orchestration.settings import load_settings
from reverse_etl.destinations.klaviyo_oauth import Tokens
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.klaviyo_sign_ins import consented
from vendor_http import ConfigurationError

ROOT = Path(__file__).parents[2]
TOKEN = "POST /oauth/token"
PROCESSES = 2

# A process that asks Klaviyo one question when it is told to.
ASK = """
import sys
from orchestration import token_keepers
token_keepers.SCRYPT_N = 2**4
from orchestration.accounts import destination_client
from orchestration.settings import load_settings
{before}
with destination_client("klaviyo", load_settings()) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    print(client.get_json("/api/accounts", limit="profiles")["data"][0]["id"])
"""
# Killed when the second pair of a process is to be stored: the first was the trial before.
KILLED_BEFORE_STORING = """
import os, signal
from orchestration.key_store import StoredTokens
save, calls = StoredTokens.save, []
def killed(self, tokens):
    calls.append(tokens)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, tokens)
StoredTokens.save = killed
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=10, limits_scale=100)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """Klaviyo with an app, signed in; the tokens in an encrypted file."""
    for name, value in server.environment.items():
        if name.startswith("KLAVIYO_") and name != "KLAVIYO_API_KEY":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOYALTY_KEY_PASSPHRASE", "correct horse battery")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setattr(token_keepers, "SCRYPT_N", 2**4)
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield server
    keyring.set_keyring(before)
    server.control.faults("klaviyo")
    server.control.reset_switches("klaviyo")


def sign_in(sandbox: RunningSandbox, **changed: float) -> Tokens:
    tokens = replace(consented(sandbox), **changed)
    remember(load_settings(), "klaviyo", "file", tokens)
    sandbox.control.reset_requests()
    return tokens


def asking(before: str = "") -> subprocess.Popen[str]:
    """A process that will ask when it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", ASK.format(before=before)],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def go(processes: list[subprocess.Popen[str]]) -> None:
    """Tell all of them, once all are ready."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def refreshes(sandbox: RunningSandbox) -> int:
    return int(sandbox.control.requests("klaviyo")["operations"].get(TOKEN, 0))


@pytest.mark.parametrize("is_refused", [False, True], ids=["before its end", "after a 401"])
def test_processes_that_renew_at_once_renew_once(sandbox: RunningSandbox, is_refused: bool) -> None:
    sandbox.control.switch("klaviyo", oauth_refresh="rotates")
    first = sign_in(sandbox, **({} if is_refused else {"expires_at": 0.0}))
    if is_refused:
        sandbox.control.call("POST", "/klaviyo/oauth/expire")
    sandbox.control.faults("klaviyo", latency={"seconds": 0.5, "operation": TOKEN})
    processes = [asking() for _ in range(PROCESSES)]
    go(processes)
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (0, "SANDBX\n"), err
    assert refreshes(sandbox) == 1
    assert stored_tokens(load_settings(), "klaviyo").load().access_token != first.access_token


def test_a_kill_between_renewal_and_storing_ends_in_a_remedy(sandbox: RunningSandbox) -> None:
    sandbox.control.switch("klaviyo", oauth_refresh="rotates")
    before = sign_in(sandbox, expires_at=0.0)
    process = asking(KILLED_BEFORE_STORING)
    go([process])
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert refreshes(sandbox) == 1
    settings = load_settings()
    assert stored_tokens(settings, "klaviyo").load() == before, "whole, though spent"
    client = destination_client("klaviyo", settings)
    assert client is not None
    with (
        client,
        pytest.raises(ConfigurationError, match="run `loyalty connect klaviyo` again") as caught,
    ):
        client.get_json("/api/accounts", limit="profiles")
    assert before.refresh_token not in str(caught.value)
    sign_in(sandbox)  # and that is all it takes
    again = destination_client("klaviyo", settings)
    assert again is not None
    with again:
        assert again.get_json("/api/accounts", limit="profiles")["data"]


def test_the_same_kill_costs_nothing_where_refresh_tokens_are_kept(
    sandbox: RunningSandbox,
) -> None:
    sandbox.control.switch("klaviyo", oauth_refresh="keeps")
    sign_in(sandbox, expires_at=0.0)
    process = asking(KILLED_BEFORE_STORING)
    go([process])
    process.communicate(timeout=300)
    client = destination_client("klaviyo", load_settings())
    assert client is not None
    with client:
        assert client.get_json("/api/accounts", limit="profiles")["data"]


def test_a_process_killed_while_it_renews_holds_up_nobody(sandbox: RunningSandbox) -> None:
    sign_in(sandbox, expires_at=0.0)
    sandbox.control.faults("klaviyo", cut_connection={"operation": TOKEN})
    process = asking()
    go([process])
    while refreshes(sandbox) == 0:
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=300)
    sandbox.control.faults("klaviyo")
    client = destination_client("klaviyo", load_settings())
    assert client is not None
    with client:
        assert client.get_json("/api/accounts", limit="profiles")["data"]
