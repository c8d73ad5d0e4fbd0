"""Requests signed with tokens: renewed in time, after a 401, by one of many, and never shown."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest

from reverse_etl.destinations import klaviyo
from reverse_etl.destinations.klaviyo_oauth import (
    SCOPES,
    TokenEndpoint,
    Tokens,
    begin,
)
from reverse_etl.destinations.klaviyo_signing import KlaviyoOAuth
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from tests.klaviyo_sign_ins import REDIRECT, MemoryStore, app_of, consented
from vendor_http import ApiClient, ConfigurationError, VendorUnavailableError


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=10, limits_scale=100)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> Iterator[RunningSandbox]:
    yield server
    server.control.faults("klaviyo")
    server.control.reset_switches("klaviyo")
    server.control.call("DELETE", "/klaviyo/oauth")
    server.control.reset_requests()


@contextmanager
def signed(sandbox: RunningSandbox, store: MemoryStore) -> Iterator[ApiClient]:
    auth = KlaviyoOAuth(TokenEndpoint(app_of(sandbox)), store)
    with klaviyo.client(auth, sandbox.environment["KLAVIYO_BASE_URL"], max_attempts=2) as client:
        yield client


def ask(client: ApiClient) -> str:
    return str(client.get_json("/api/accounts", limit="profiles")["data"][0]["id"])


def refreshes(sandbox: RunningSandbox) -> int:
    return int(sandbox.control.requests("klaviyo")["operations"].get("POST /oauth/token", 0))


def test_the_question_names_scopes_state_and_challenge_and_hides_the_verifier(
    sandbox: RunningSandbox,
) -> None:
    app = app_of(sandbox)
    one, other = begin(app, REDIRECT), begin(app, REDIRECT)
    asked = parse_qs(urlsplit(one.address).query)
    assert asked["scope"] == [" ".join(SCOPES)]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["state"] == [one.state]
    assert one.state != other.state
    assert one.code_verifier not in one.address + repr(one)
    assert 43 <= len(one.code_verifier) <= 128, "RFC 7636, section 4.1"


def test_a_fresh_token_is_used_as_it_is(sandbox: RunningSandbox) -> None:
    store = MemoryStore(consented(sandbox))
    sandbox.control.reset_requests()
    with signed(sandbox, store) as client:
        assert ask(client) == ask(client) == "SANDBX"
    assert (refreshes(sandbox), store.saved) == (0, 0)


@pytest.mark.parametrize("habit", ["rotates", "keeps"])
def test_a_token_is_renewed_shortly_before_its_end(sandbox: RunningSandbox, habit: str) -> None:
    sandbox.control.switch("klaviyo", oauth_refresh=habit)
    first = consented(sandbox)
    store = MemoryStore(replace(first, expires_at=time.time() + 100))
    sandbox.control.reset_requests()
    with signed(sandbox, store) as client:
        ask(client)
        ask(client)
    assert refreshes(sandbox) == 1
    assert sandbox.control.requests("klaviyo")["statuses"] == {"200": 3}
    assert store.tokens.access_token != first.access_token
    assert (store.tokens.refresh_token == first.refresh_token) == (habit == "keeps")
    assert store.tokens.expires_at == pytest.approx(time.time() + 3600, abs=60)


@pytest.mark.parametrize("old", ["ends", "lives"])
def test_a_401_midway_renews_once_and_repeats_the_request(
    sandbox: RunningSandbox, old: str
) -> None:
    sandbox.control.switch("klaviyo", oauth_old_access=old)
    store = MemoryStore(consented(sandbox))
    with signed(sandbox, store) as client:
        ask(client)
        sandbox.control.call("POST", "/klaviyo/oauth/expire")
        sandbox.control.reset_requests()
        body = b'{"data":{"type":"profile","attributes":{"email":"%b@shop.se"}}}' % old.encode()
        done = client.send("POST", "/api/profile-import", content=body, limit="profile-import")
        assert done.status_code == 201
        ask(client)
    counted = sandbox.control.requests("klaviyo")
    assert counted["statuses"] == {"401": 1, "200": 2, "201": 1}
    assert refreshes(sandbox) == 1


def test_many_threads_share_one_renewal(sandbox: RunningSandbox) -> None:
    store = MemoryStore(consented(sandbox))
    with signed(sandbox, store) as client, ThreadPoolExecutor(8) as threads:
        sandbox.control.call("POST", "/klaviyo/oauth/expire")
        sandbox.control.reset_requests()
        assert set(threads.map(lambda _: ask(client), range(16))) == {"SANDBX"}
    assert refreshes(sandbox) == 1


def test_a_pair_that_another_process_renewed_is_taken_over(sandbox: RunningSandbox) -> None:
    store = MemoryStore(consented(sandbox))
    with signed(sandbox, store) as client:
        ask(client)
        store.tokens = TokenEndpoint(app_of(sandbox)).refresh(store.tokens)  # the old one ends
        sandbox.control.reset_requests()
        ask(client)
    assert refreshes(sandbox) == 0


def test_tokens_that_are_spent_end_in_one_line_that_names_the_remedy(
    sandbox: RunningSandbox,
) -> None:
    tokens = consented(sandbox)
    TokenEndpoint(app_of(sandbox)).refresh(tokens)
    with (
        signed(sandbox, MemoryStore(replace(tokens, expires_at=0))) as client,
        pytest.raises(ConfigurationError, match="run `loyalty connect klaviyo` again") as caught,
    ):
        ask(client)
    assert "invalid_grant" in str(caught.value)
    assert tokens.refresh_token not in str(caught.value)


def test_a_wrong_secret_of_the_app_names_its_variables(sandbox: RunningSandbox) -> None:
    endpoint = TokenEndpoint(app_of(sandbox, secret="wrong-but-secret"))
    with pytest.raises(ConfigurationError, match="KLAVIYO_CLIENT_SECRET") as caught:
        endpoint.refresh(consented(sandbox))
    assert "wrong-but-secret" not in str(caught.value)


def test_a_token_refused_although_it_is_new_stops_the_run(sandbox: RunningSandbox) -> None:
    store = MemoryStore(consented(sandbox))
    sandbox.control.faults("klaviyo", error={"status": 401, "operation": "GET /api/accounts"})
    sandbox.control.reset_requests()
    with (
        signed(sandbox, store) as client,
        pytest.raises(ConfigurationError, match="refuses a token that it has just given"),
    ):
        ask(client)
    assert refreshes(sandbox) == 1


def test_passing_trouble_at_the_token_page_is_retried(sandbox: RunningSandbox) -> None:
    store = MemoryStore(replace(consented(sandbox), expires_at=0))
    sandbox.control.faults(
        "klaviyo", error={"status": 503, "operation": "POST /oauth/token", "next": 2}
    )
    with signed(sandbox, store) as client:
        assert ask(client) == "SANDBX"


def test_a_pair_that_could_not_be_stored_is_not_renewed(sandbox: RunningSandbox) -> None:
    class Full(MemoryStore):
        def save(self, tokens: Tokens) -> None:
            assert tokens == self.tokens, "tried with the pair that is still good"
            raise ConfigurationError("no room")

    store = Full(replace(consented(sandbox), expires_at=0))
    sandbox.control.reset_requests()
    with signed(sandbox, store) as client, pytest.raises(ConfigurationError, match="no room"):
        ask(client)
    assert refreshes(sandbox) == 0


@pytest.mark.parametrize(
    ("answer", "life", "kept"),
    [
        ({"access_token": "a2", "refresh_token": "r2", "expires_in": 60}, 60, "r2"),
        ({"access_token": "a2"}, 3600, "r1"),
        ({"access_token": "a2", "refresh_token": "", "expires_in": "soon"}, 3600, "r1"),
    ],
    ids=["whole", "without the rest", "unreadable"],
)
def test_what_an_answer_leaves_out_is_filled_from_what_is_documented(
    sandbox: RunningSandbox, answer: dict[str, object], life: int, kept: str
) -> None:
    endpoint = TokenEndpoint(app_of(sandbox))
    endpoint._api._http = httpx.Client(
        base_url="http://klaviyo",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=orjson.dumps(answer))),
    )
    found = endpoint.refresh(Tokens("a1", "r1", 0))
    assert (found.access_token, found.refresh_token) == ("a2", kept)
    assert found.expires_at == pytest.approx(time.time() + life, abs=30)


def test_an_answer_without_tokens_is_passing_trouble(sandbox: RunningSandbox) -> None:
    endpoint = TokenEndpoint(app_of(sandbox))
    endpoint._api._http = httpx.Client(
        base_url="http://klaviyo",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")),
    )
    with pytest.raises(VendorUnavailableError, match="without tokens"):
        endpoint.refresh(Tokens("a1", "r1", 0))


def test_no_secret_is_in_any_log_or_repr(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = app_of(sandbox)
    consent = begin(app, REDIRECT)
    store = MemoryStore(consented(sandbox))
    shown = [
        app,
        consent,
        store.tokens,
        TokenEndpoint(app),
        KlaviyoOAuth(TokenEndpoint(app), store),
    ]
    secrets = {app.client_secret, consent.code_verifier}
    with signed(sandbox, store) as client:
        shown.append(client)
        secrets |= {store.tokens.access_token, store.tokens.refresh_token}
        sandbox.control.call("POST", "/klaviyo/oauth/expire")
        ask(client)
    secrets |= {store.tokens.access_token, store.tokens.refresh_token}
    text = caplog.text + "".join(map(repr, shown))
    assert not [secret for secret in secrets if secret in text]
