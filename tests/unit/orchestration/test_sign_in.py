"""Signing in at Klaviyo: the whole way from question to tokens, and every way it can fail."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import keyring
import pytest

from orchestration import accounts, sign_in, token_keepers
from orchestration.accounts import destination_client, warnings
from orchestration.cli.doctor import Finding, examine
from orchestration.connect import listening
from orchestration.settings import Settings, load_settings
from reverse_etl.destinations.klaviyo_oauth import begin
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.klaviyo_sign_ins import MemoryKeyring, app_of
from vendor_http import ConfigurationError, LoyaltyError

ROOT = Path(__file__).parents[3]
PATH = sign_in.CALLBACK_PATH


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=10, limits_scale=100)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """Klaviyo with an app and without a private key; a key store in memory."""
    for name, value in server.environment.items():
        if name.startswith("KLAVIYO_") and name != "KLAVIYO_API_KEY":
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(token_keepers, "SCRYPT_N", 2**4)
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield server
    keyring.set_keyring(before)
    server.control.faults("klaviyo")
    server.control.reset_switches("klaviyo")
    server.control.call("DELETE", "/klaviyo/oauth")


class Person:
    """Follows the consent page as a browser does, in a thread of its own."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.headers: list[httpx.Headers] = []
        self._thread = threading.Thread()

    def __call__(self, address: str) -> None:
        self._thread = threading.Thread(target=self._browse, args=(address,), daemon=True)
        self._thread.start()

    def look(self) -> str:
        """The page that the browser shows in the end."""
        self._thread.join(20)
        return self.pages[-1]

    def _browse(self, address: str) -> None:
        page = httpx.get(address, follow_redirects=True)
        self.pages.append(page.text)
        self.headers.append(page.headers)


def enter(monkeypatch: pytest.MonkeyPatch, person: Callable[[str], None]) -> list[str]:
    """Sign in with `person` at the browser; the lines shown at the terminal."""
    shown: list[str] = []
    monkeypatch.setattr(sign_in, "browser", person)
    done = sign_in.sign_in_klaviyo(load_settings(), shown.append, port=0, seconds=20)
    assert done.account == "Sandbox (SANDBX)"
    return shown


def tokens(sandbox: RunningSandbox) -> dict[str, int]:
    found: dict[str, int] = sandbox.control.call("GET", "/klaviyo/oauth")
    return found


def account_findings(settings: Settings) -> list[Finding]:
    return [finding for finding in examine(settings) if finding.subject == "klaviyo"]


def test_consent_in_a_browser_opens_the_account_and_signing_out_closes_it(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    shown = enter(monkeypatch, person)
    assert re.search(rf"http://127\.0\.0\.1:\d+{PATH}$", shown[0])
    settings = load_settings()
    client = destination_client("klaviyo", settings)
    assert client is not None
    with client:
        assert client.get_json("/api/accounts", limit="profiles")["data"]
    assert "close this page" in person.look()
    assert person.headers[0]["cache-control"] == "no-store"
    assert account_findings(settings)[0].text.endswith("tokens in the key store")
    assert all(finding.good is not False for finding in account_findings(settings))

    sign_in.sign_out_klaviyo(settings)
    assert (tokens(sandbox)["access_tokens"], tokens(sandbox)["refresh_tokens"]) == (0, 0)
    assert destination_client("klaviyo", settings) is None
    with pytest.raises(LoyaltyError, match="Nobody is signed in"):
        sign_in.sign_out_klaviyo(settings)


def test_an_answer_with_another_state_is_refused_and_the_right_one_still_taken(
    sandbox: RunningSandbox,
) -> None:
    consent = begin(app_of(sandbox), "http://127.0.0.1:1/")
    answers = []

    def browser(_address: str) -> None:
        def browse() -> None:
            for state in ("", "wrong", consent.state):
                query = {"code": f"code-of-{state}", "state": state}
                answers.append(httpx.get(address.redirect_uri, params=query))

        threading.Thread(target=browse, daemon=True).start()

    with listening(0, PATH) as address:
        code = address.wait(consent, browser, 20)
    assert code == f"code-of-{consent.state}"
    assert [answer.status_code for answer in answers[:2]] == [400, 400]
    assert "another attempt" in answers[0].text
    assert "code-of" not in answers[0].text + answers[1].text


def test_without_an_answer_it_says_so_after_its_time(sandbox: RunningSandbox) -> None:
    consent = begin(app_of(sandbox), "http://127.0.0.1:1/")
    with listening(0, PATH) as address:
        assert httpx.get(f"{address.redirect_uri}/else").status_code == 404
        httpx.get(address.redirect_uri, params={"code": "c", "state": "wrong"})
        with pytest.raises(LoyaltyError, match=r"No consent came within 0 s.*another attempt"):
            address.wait(consent, lambda _: httpx.get(address.redirect_uri), 0.2)


def test_a_connection_that_says_nothing_blocks_nobody(sandbox: RunningSandbox) -> None:
    consent = begin(app_of(sandbox), "http://127.0.0.1:1/")
    with listening(0, PATH) as address:
        port = int(address.redirect_uri.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)):
            query = {"code": "c", "state": consent.state}
            found = address.wait(
                consent, lambda _: httpx.get(address.redirect_uri, params=query), 20
            )
    assert found == "c"


def test_who_says_no_is_believed_and_nothing_is_stored(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.switch("klaviyo", oauth_consent="denied")
    with pytest.raises(LoyaltyError, match="Consent was denied; nothing was stored"):
        enter(monkeypatch, Person())
    assert not load_settings().is_connected("klaviyo")


def test_a_port_that_is_taken_is_named(sandbox: RunningSandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LoyaltyError, match=rf"Port {port} is taken.*--port"):
            sign_in.sign_in_klaviyo(load_settings(), print, port=port)


def test_without_an_app_the_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="KLAVIYO_CLIENT_ID and KLAVIYO_CLIENT_SECRET"):
        sign_in.sign_in_klaviyo(load_settings(), print, port=0)


def test_signing_out_forgets_even_when_klaviyo_is_silent(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, Person())
    sandbox.control.faults("klaviyo", error={"status": 403, "operation": "POST /oauth/revoke"})
    with pytest.raises(LoyaltyError, match="remove the app in Klaviyo's settings"):
        sign_in.sign_out_klaviyo(load_settings())
    assert not load_settings().is_connected("klaviyo")


def test_a_private_key_wins_and_doctor_says_so(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, Person())
    sandbox.control.call("DELETE", "/klaviyo/oauth")  # tokens would be refused
    monkeypatch.setenv("KLAVIYO_API_KEY", sandbox.environment["KLAVIYO_API_KEY"])
    found = account_findings(load_settings())
    assert found[0].text.startswith("KLAVIYO_API_KEY is used")
    assert all(finding.good is not False for finding in found)


def test_doctor_explains_a_sign_in_that_has_ended(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, Person())
    sandbox.control.call("DELETE", "/klaviyo/oauth")
    bad = [finding.text for finding in account_findings(load_settings()) if finding.good is False]
    assert bad
    assert all("run `loyalty connect klaviyo` again" in text for text in bad)


@pytest.mark.parametrize(("days_left", "mood"), [(200, "content"), (100, "warned"), (0, "refused")])
def test_the_end_of_a_revision_is_warned_about_and_then_refused(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, days_left: int, mood: str
) -> None:
    monkeypatch.setenv("KLAVIYO_API_KEY", sandbox.environment["KLAVIYO_API_KEY"])
    monkeypatch.setenv("LOYALTY_NOW", "2030-01-01T00:00:00Z")  # not the clock that counts
    settings = load_settings()
    today = date(2028, 7, 15) - timedelta(days=days_left)
    monkeypatch.setattr(accounts, "today", lambda: today)
    assert bool(warnings("klaviyo", settings)) == (mood == "warned")
    assert warnings("rule", settings) == []
    found = account_findings(settings)
    assert any(f.text.startswith("warning: ") for f in found) == (mood == "warned")
    if mood == "refused":
        with pytest.raises(ConfigurationError, match="410"):
            destination_client("klaviyo", settings)
        assert [finding.good for finding in found] == [False]


def test_the_command_signs_in_and_out_and_keeps_secrets_to_itself(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        **os.environ,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "LOYALTY_KEY_PASSPHRASE": "correct horse battery",
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "orchestration.cli.app"]
    with subprocess.Popen(
        [*command, "connect", "klaviyo", "--no-browser", "--port", "0", "--seconds", "60"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as signing_in:
        assert signing_in.stdout is not None
        lines = []
        for line in signing_in.stdout:
            lines.append(line)
            if line.startswith("consent page: "):
                page = httpx.get(line.split(": ", 1)[1].strip(), follow_redirects=True)
                assert "close this page" in page.text
        assert signing_in.wait(60) == 0, lines
    assert lines[-1] == "signed in at Sandbox (SANDBX); tokens in an encrypted file\n"
    assert tokens(sandbox)["refresh_tokens"] == 1
    done = subprocess.run(
        [*command, "disconnect", "klaviyo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "revoked and forgotten" in done.stdout
    assert tokens(sandbox)["refresh_tokens"] == 0
    shown = "".join(lines) + done.stdout + done.stderr
    for secret in (sandbox.environment["KLAVIYO_CLIENT_SECRET"], "correct horse battery"):
        assert secret not in shown
