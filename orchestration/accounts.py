"""How a destination is reached: which credential wins, and the signed-in client made from it.

A private key wins over an OAuth sign-in, because whoever sets one means it. A revision that Klaviyo
has retired is refused here, on the real date, before anything is sent.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from orchestration.settings import Settings
from reverse_etl.destinations import klaviyo, klaviyo_revision, rule, rule_account
from reverse_etl.destinations.base import Destination
from reverse_etl.destinations.klaviyo_events import KlaviyoEvents
from reverse_etl.destinations.rule_events import RuleEvents
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.events.base import EventDestination
from vendor_http import ApiClient, ConfigurationError, RateLimit

if TYPE_CHECKING:
    from reverse_etl.destinations.klaviyo_oauth import OAuthApp

Limits = Mapping[str, Sequence[RateLimit]]


def destination_client(name: str, settings: Settings) -> ApiClient | None:
    """The signed-in client of a destination; None when nothing opens it.

    Raises:
        ConfigurationError: see `connect`.
    """
    connected = connect(name, settings)
    return connected[0] if connected else None


def connect(name: str, settings: Settings) -> tuple[ApiClient, Destination] | None:
    """The signed-in client of a destination and what writes with it; None when nothing opens it.

    Raises:
        ConfigurationError: the API's revision is retired, or stored tokens cannot be used.
    """
    if name == "klaviyo" and settings.has_key("klaviyo"):
        klaviyo_revision.require_alive(settings.klaviyo_revision, today())
        client = klaviyo.client(
            _klaviyo_credential(settings), settings.klaviyo_base_url, settings.klaviyo_revision
        )
        return client, klaviyo.KlaviyoProfiles(client)
    if name == "rule" and settings.rule_api_key is not None:
        watch = AnswerWatch()
        client = rule_client(settings.rule_api_key, settings, watch)
        return client, rule.RuleSubscribers(client, watch)
    return None


def connect_events(name: str, settings: Settings) -> tuple[ApiClient, EventDestination] | None:
    """The signed-in client of a destination and what tells events with it; None without a key.

    Raises:
        ConfigurationError: as `connect`; or the revision cannot tell history from the present.
    """
    if name == "rule" and settings.rule_api_key is not None:
        watch = AnswerWatch()
        client = rule_client(settings.rule_api_key, settings, watch)
        return client, RuleEvents(client, watch, settings.rule_active_sign)
    found = destination_client(name, settings) if name == "klaviyo" else None
    return (found, KlaviyoEvents(found, settings.klaviyo_revision)) if found else None


def rule_client(
    key: SecretStr, settings: Settings, watch: AnswerWatch, share: float = 1.0
) -> ApiClient:
    """The signed-in client of a Rule account; `share`: of the requests that are ours."""
    return rule_account.client(
        key.get_secret_value(), watch, settings.rule_base_url, rule_limits(settings, share)
    )


def rule_limits(settings: Settings, share: float = 1.0) -> Limits:
    """How often this Rule account may be asked by us."""
    return rule_account.limits(settings.rule_requests_per_ten_minutes, share)


def warnings(name: str, settings: Settings) -> list[str]:
    """What an operator should see about an account before it fails; one line each.

    Raises:
        ConfigurationError: the revision is no date.
    """
    if name != "klaviyo" or not settings.has_key("klaviyo"):
        return []
    found = klaviyo_revision.warning(settings.klaviyo_revision, today())
    return [found] if found else []


def klaviyo_app(settings: Settings) -> "OAuthApp":
    """The OAuth app of these settings.

    Raises:
        ConfigurationError: none is set.
    """
    from reverse_etl.destinations.klaviyo_oauth import OAuthApp

    if settings.klaviyo_client_id is None or settings.klaviyo_client_secret is None:
        raise ConfigurationError(
            "A Klaviyo app is needed to sign in: create one in Klaviyo and set KLAVIYO_CLIENT_ID "
            "and KLAVIYO_CLIENT_SECRET"
        )
    return OAuthApp(
        client_id=settings.klaviyo_client_id,
        client_secret=settings.klaviyo_client_secret.get_secret_value(),
        base_url=settings.klaviyo_base_url,
        authorize_url=settings.klaviyo_oauth_authorize_url,
    )


def _klaviyo_credential(settings: Settings) -> str | httpx.Auth:
    if settings.klaviyo_api_key is not None:
        return settings.klaviyo_api_key.get_secret_value()
    # Imported only where somebody signed in: key stores and ciphers take a while to load.
    from orchestration.key_store import stored_tokens
    from reverse_etl.destinations.klaviyo_oauth import TokenEndpoint
    from reverse_etl.destinations.klaviyo_signing import KlaviyoOAuth

    app = klaviyo_app(settings)
    return KlaviyoOAuth(TokenEndpoint(app), stored_tokens(settings, "klaviyo"))


def today() -> date:
    """The real date, not LOYALTY_NOW: a revision retires whatever day a run pretends to have."""
    return datetime.now(UTC).date()
