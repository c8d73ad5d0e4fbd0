"""The simulated OAuth of Klaviyo: consent, codes, tokens and their ends."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from klaviyo_account import KlaviyoAccount

from sandbox.credentials import KLAVIYO_API_KEY, KLAVIYO_CLIENT_ID, KLAVIYO_CLIENT_SECRET

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
REDIRECT = "http://127.0.0.1:9/oauth/klaviyo/callback"
ASKED = {
    "response_type": "code",
    "client_id": KLAVIYO_CLIENT_ID,
    "redirect_uri": REDIRECT,
    "scope": "accounts:read profiles:write",
    "state": "s 1&2",
    "code_challenge_method": "S256",
    "code_challenge": CHALLENGE.decode(),
}
FORM = {"content-type": "application/x-www-form-urlencoded"}
OTHER = httpx.BasicAuth(KLAVIYO_CLIENT_ID, "another")


@pytest.fixture
def account() -> KlaviyoAccount:
    return KlaviyoAccount()


def consent(account: KlaviyoAccount, **changed: str) -> dict[str, str]:
    """What the consent page sends back with the browser."""
    answer = account.get(f"/oauth/authorize?{urlencode({**ASKED, **changed})}", headers={})
    assert answer.status_code == 302, answer.text
    address = urlsplit(answer.headers["location"])
    assert address._replace(query="").geturl() == REDIRECT
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def ask(account: KlaviyoAccount, path: str, auth: Any = None, **form: str) -> httpx.Response:
    auth = auth or httpx.BasicAuth(KLAVIYO_CLIENT_ID, KLAVIYO_CLIENT_SECRET)
    return account.call("POST", path, content=urlencode(form), headers=FORM, auth=auth)


def exchange(account: KlaviyoAccount, code: str, **changed: str) -> httpx.Response:
    form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT, **changed}
    return ask(account, "/oauth/token", grant_type="authorization_code", **form)


def pair(account: KlaviyoAccount) -> dict[str, Any]:
    found: dict[str, Any] = exchange(account, consent(account)["code"]).json()
    return found


def refresh(account: KlaviyoAccount, token: str) -> httpx.Response:
    return ask(account, "/oauth/token", grant_type="refresh_token", refresh_token=token)


def status(account: KlaviyoAccount, access: str) -> int:
    headers = {"authorization": f"Bearer {access}", "revision": "2026-07-15"}
    return account.get("/api/accounts", headers=headers).status_code


def test_a_consent_becomes_a_pair_that_opens_the_api(account: KlaviyoAccount) -> None:
    answer = consent(account)
    assert answer["state"] == ASKED["state"]
    found = exchange(account, answer["code"]).json()
    assert (found["expires_in"], found["token_type"]) == (3600, "bearer")
    assert found["scope"] == ASKED["scope"]
    assert status(account, found["access_token"]) == 200
    assert status(account, "another") == 401
    assert status(account, found["refresh_token"]) == 401


@pytest.mark.parametrize(
    "changed",
    [{"code_verifier": "w" * 64}, {"code_verifier": ""}, {"redirect_uri": f"{REDIRECT}2"}],
    ids=["another verifier", "none", "another address"],
)
def test_a_code_is_for_whoever_asked_for_it_and_for_once(
    account: KlaviyoAccount, changed: dict[str, str]
) -> None:
    code = consent(account)["code"]
    for form in (changed, {}):
        refused = exchange(account, code, **form)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


def test_without_pkce_there_is_no_code(account: KlaviyoAccount) -> None:
    assert consent(account, code_challenge_method="plain")["error"] == "invalid_request"
    assert consent(account, response_type="token")["error"] == "unsupported_response_type"


def test_a_person_may_say_no(account: KlaviyoAccount) -> None:
    account.switch(oauth_consent="denied")
    assert consent(account) == {"error": "access_denied", "state": ASKED["state"]}


def test_another_app_gets_nothing(account: KlaviyoAccount) -> None:
    address = urlencode({**ASKED, "client_id": "another"})
    assert account.get(f"/oauth/authorize?{address}", headers={}).status_code == 400
    for path in ("/oauth/token", "/oauth/revoke"):
        refused = ask(account, path, OTHER, grant_type="refresh_token")
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_client"})


def test_a_refresh_token_that_rotates_works_once(account: KlaviyoAccount) -> None:
    account.switch(oauth_refresh="rotates")
    first = pair(account)
    second = refresh(account, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert refresh(account, first["refresh_token"]).json() == {"error": "invalid_grant"}
    assert refresh(account, second["refresh_token"]).is_success


def test_a_refresh_token_that_is_kept_works_again(account: KlaviyoAccount) -> None:
    account.switch(oauth_refresh="keeps")
    first = pair(account)
    for _ in range(2):
        again = refresh(account, first["refresh_token"]).json()
        assert again["refresh_token"] == first["refresh_token"]
        assert status(account, again["access_token"]) == 200


@pytest.mark.parametrize(("habit", "expected"), [("ends", 401), ("lives", 200)])
def test_the_access_token_before_a_refresh(
    account: KlaviyoAccount, habit: str, expected: int
) -> None:
    account.switch(oauth_old_access=habit)
    first = pair(account)
    refresh(account, first["refresh_token"])
    assert status(account, first["access_token"]) == expected


def test_access_ends_after_an_hour_of_real_time_or_when_told_so(account: KlaviyoAccount) -> None:
    moment = [1_000.0]
    oauth = account.sandbox.vendors["klaviyo"].services.oauth  # type: ignore[attr-defined]
    oauth._now = lambda: moment[0]
    access = pair(account)["access_token"]
    moment[0] += 3_599
    assert status(account, access) == 200
    moment[0] += 1
    assert status(account, access) == 401
    other = pair(account)
    told = account.control("POST", "/klaviyo/oauth/expire")
    assert status(account, other["access_token"]) == 401
    assert told["refresh_tokens"] == 2
    moment[0] += 90 * 24 * 3600
    assert refresh(account, other["refresh_token"]).json() == {"error": "invalid_grant"}


def test_revoking_ends_both_and_so_does_uninstalling_the_app(account: KlaviyoAccount) -> None:
    revoked = pair(account)
    assert ask(account, "/oauth/revoke", token=revoked["refresh_token"]).is_success
    assert ask(account, "/oauth/revoke", token="never heard of").is_success
    uninstalled = pair(account)
    account.control("DELETE", "/klaviyo/oauth")
    for ended in (revoked, uninstalled):
        assert status(account, ended["access_token"]) == 401
        assert refresh(account, ended["refresh_token"]).json() == {"error": "invalid_grant"}


def test_ten_refreshes_a_minute_and_a_quota_apart_from_that_of_keys() -> None:
    account = KlaviyoAccount(limits_scale=1.0)
    account.switch(oauth_old_access="lives")
    found = pair(account)
    token, access = found["refresh_token"], found["access_token"]
    for _ in range(10):
        token = refresh(account, token).json()["refresh_token"]
    assert refresh(account, token).status_code == 429
    key = {"authorization": f"Klaviyo-API-Key {KLAVIYO_API_KEY}", "revision": "2026-07-15"}
    assert account.get("/api/accounts", headers=key).status_code == 200
    assert account.get("/api/accounts", headers=key).status_code == 429
    assert (status(account, access), status(account, access)) == (200, 429)


def test_tokens_outlive_a_restart_of_the_sandbox(tmp_path: Path) -> None:
    before = KlaviyoAccount(state_dir=tmp_path)
    found = pair(before)
    before.sandbox.save()
    after = KlaviyoAccount(state_dir=tmp_path)
    assert status(after, found["access_token"]) == 200
    assert after.control("GET", "/klaviyo/oauth")["refreshes"] == 0
