"""`loyalty connect`, `loyalty disconnect`: a sign-in from question to stored tokens, and back."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestration.accounts import klaviyo_app
from orchestration.connect import browser, listening
from orchestration.key_store import Place, choose_place, forget, remember, stored_tokens
from orchestration.settings import Settings
from reverse_etl.destinations import klaviyo
from reverse_etl.destinations.klaviyo_oauth import SCOPES, TokenEndpoint, begin
from reverse_etl.destinations.klaviyo_signing import KlaviyoOAuth
from vendor_http import LoyaltyError

CALLBACK_PATH = "/oauth/klaviyo/callback"
DEFAULT_PORT = 8766
CONSENT_SECONDS = 300.0


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that works: the account's own name, and where its tokens lie."""

    account: str
    place: Place


def sign_in_klaviyo(
    settings: Settings,
    say: Callable[[str], None],
    *,
    port: int = DEFAULT_PORT,
    opens_browser: bool = True,
    prefers_file: bool = False,
    seconds: float = CONSENT_SECONDS,
) -> SignedIn:
    """Ask for consent, keep the tokens, and try them on the account's own record.

    Args:
        say: shows a line to the person at the terminal.
        seconds: how long to wait for the consent.

    Raises:
        LoyaltyError: no app, no place for tokens, no consent, or Klaviyo refuses.
    """
    app = klaviyo_app(settings)
    place = choose_place(settings, prefers_file=prefers_file)
    endpoint = TokenEndpoint(app)
    with listening(port, CALLBACK_PATH) as server:
        consent = begin(app, server.redirect_uri)
        say(f"redirect address to enter in the Klaviyo app: {server.redirect_uri}")
        say(f"scopes of the app: {' '.join(SCOPES)}")
        say(f"consent page: {consent.address}")
        code = server.wait(consent, browser if opens_browser else None, seconds)
    remember(settings, "klaviyo", place, endpoint.exchange(code, consent))
    auth = KlaviyoOAuth(endpoint, stored_tokens(settings, "klaviyo"))
    with klaviyo.client(auth, settings.klaviyo_base_url, settings.klaviyo_revision) as client:
        found = client.get_json("/api/accounts", limit="profiles")
    return SignedIn(_account_name(found), place)


def sign_out_klaviyo(settings: Settings) -> None:
    """End the tokens at Klaviyo and forget them here; forgotten they are in any case.

    Raises:
        LoyaltyError: nobody is signed in, or Klaviyo did not confirm the end.
    """
    if not settings.is_connected("klaviyo"):
        raise LoyaltyError("Nobody is signed in at klaviyo; there is nothing to forget")
    try:
        store = stored_tokens(settings, "klaviyo")
        with store.alone():
            TokenEndpoint(klaviyo_app(settings)).revoke(store.load())
    except LoyaltyError as error:
        forget(settings, "klaviyo")
        raise LoyaltyError(
            "The tokens are forgotten here, but Klaviyo has not confirmed their end; remove the "
            f"app in Klaviyo's settings. ({error})"
        ) from None
    forget(settings, "klaviyo")


def _account_name(found: dict[str, list[dict[str, dict[str, dict[str, object]]]]]) -> str:
    """The organisation's name and id; its contact's address is shown to nobody."""
    account = found["data"][0]
    details = account["attributes"].get("contact_information") or {}
    return f"{details.get('organization_name') or 'unnamed'} ({account['id']})"
