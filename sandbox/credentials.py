"""The keys that the sandbox takes, and the settings that point the product at it.

They open nothing but the sandbox.
"""

from __future__ import annotations

SMILE_API_KEY = "api_sandbox00000000"
YOTPO_GUID = "sandboxGuid-0123456789"
YOTPO_API_KEY = "sandboxYotpoKey000000000"
KLAVIYO_API_KEY = "pk_sandbox0000000000000000000000000000"
KLAVIYO_CLIENT_ID = "sandbox-app-00000000"
KLAVIYO_CLIENT_SECRET = "sandbox-app-secret-0000000000000000"  # noqa: S105 - opens the sandbox only
RULE_API_KEY = "sandbox-rule-00000000-0000-0000"


def environment(base_url: str) -> dict[str, str]:
    """Environment variables for a sandbox at `base_url` (`http://127.0.0.1:8765`)."""
    return {
        "SMILE_API_KEY": SMILE_API_KEY,
        "SMILE_BASE_URL": f"{base_url}/smile/v1",
        "YOTPO_GUID": YOTPO_GUID,
        "YOTPO_API_KEY": YOTPO_API_KEY,
        "YOTPO_BASE_URL": f"{base_url}/yotpo/api/v2",
        "KLAVIYO_API_KEY": KLAVIYO_API_KEY,
        "KLAVIYO_BASE_URL": f"{base_url}/klaviyo",
        "KLAVIYO_CLIENT_ID": KLAVIYO_CLIENT_ID,
        "KLAVIYO_CLIENT_SECRET": KLAVIYO_CLIENT_SECRET,
        "KLAVIYO_OAUTH_AUTHORIZE_URL": f"{base_url}/klaviyo/oauth/authorize",
        "RULE_API_KEY": RULE_API_KEY,
        "RULE_BASE_URL": f"{base_url}/rule",
    }
