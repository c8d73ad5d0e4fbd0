"""Deletion of a whole profile at a vendor: asked for by hand only, never part of a sync.

The shop may hold a profile for reasons of its own (orders, consent, an audit), so clearing what is
ours is the rule, and this the exception that somebody has to name.

    Klaviyo  POST /api/data-privacy-deletion-jobs -> 202; asynchronous and irreversible; needs the
             scope data-privacy:write
             https://developers.klaviyo.com/en/reference/request_profile_deletion
    Rule     DELETE /api/v2/subscribers/{e-mail}?identified_by=email -> 200; 404 = nobody there
             https://app.rule.io/api/v2 (Rule's client libraries)
"""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from vendor_http import ApiClient

_KLAVIYO_JOBS = "/api/data-privacy-deletion-jobs"
# 3 requests a second and 60 a minute; a person costs one, so the budget of profiles will do.
_KLAVIYO_LIMIT = "profiles"


def delete_at_klaviyo(api: ApiClient, email: str) -> str:
    """Ask for the deletion of a profile; how it stands."""
    profile = {"type": "profile", "attributes": {"email": email}}
    api.send(
        "POST",
        _KLAVIYO_JOBS,
        json={
            "data": {
                "type": "data-privacy-deletion-job",
                "attributes": {"profile": {"data": profile}},
            }
        },
        headers={"content-type": "application/vnd.api+json"},
        limit=_KLAVIYO_LIMIT,
    )
    return "deletion asked for; Klaviyo carries it out later"


def delete_at_rule(api: ApiClient, email: str) -> str:
    """Delete a subscriber; how it stands."""
    response = api.send(
        "DELETE",
        f"/api/v2/subscribers/{quote(email, safe='')}",
        params={"identified_by": "email"},
        accept=(404,),
        name="DELETE subscriber",
    )
    return "deleted" if response.is_success else "nobody there"


DELETIONS: Mapping[str, Callable[[ApiClient, str], str]] = {
    "klaviyo": delete_at_klaviyo,
    "rule": delete_at_rule,
}
