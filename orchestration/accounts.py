"""How a destination is reached: which credential wins, and the signed-in client made from it."""

from orchestration.settings import Settings
from reverse_etl.destinations import klaviyo, rule
from reverse_etl.destinations.base import Destination
from reverse_etl.destinations.rule_pauses import AnswerWatch
from vendor_http import ApiClient


def destination_client(name: str, settings: Settings) -> ApiClient | None:
    """The signed-in client of a destination; None when its key is not set."""
    connected = connect(name, settings)
    return connected[0] if connected else None


def connect(name: str, settings: Settings) -> tuple[ApiClient, Destination] | None:
    """The signed-in client of a destination and what writes with it; None without a key."""
    if name == "klaviyo" and settings.klaviyo_api_key is not None:
        client = klaviyo.client(
            settings.klaviyo_api_key.get_secret_value(),
            settings.klaviyo_base_url,
            settings.klaviyo_revision,
        )
        return client, klaviyo.KlaviyoProfiles(client)
    if name == "rule" and settings.rule_api_key is not None:
        watch = AnswerWatch()
        client = rule.client(
            settings.rule_api_key.get_secret_value(), watch, settings.rule_base_url
        )
        return client, rule.RuleSubscribers(client, watch)
    return None
