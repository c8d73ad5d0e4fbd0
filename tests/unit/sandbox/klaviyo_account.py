"""A simulated Klaviyo account and the payloads that tests send to it."""

from typing import Any

from vendor_account import VendorAccount

from sandbox.credentials import KLAVIYO_API_KEY

HEADERS = {"authorization": f"Klaviyo-API-Key {KLAVIYO_API_KEY}", "revision": "2026-07-15"}
JOBS = "/api/profile-bulk-import-jobs"


class KlaviyoAccount(VendorAccount):
    """Bulk jobs are complete when they are first read, unless a test switches that."""

    def __init__(self, **options: Any) -> None:
        super().__init__("klaviyo", HEADERS, **options)
        self.switch(import_seconds=0.0)

    def job(self, *rows: dict[str, Any]) -> dict[str, Any]:
        """Submits a bulk job and reads it once; its attributes and id."""
        response = self.post(JOBS, bulk(*rows))
        assert response.status_code == 202, response.text
        job = self.get(f"{JOBS}/{response.json()['data']['id']}").json()["data"]
        return {**job["attributes"], "id": job["id"]}

    def put_profile(self, data: dict[str, Any]) -> dict[str, Any]:
        """profile-import; the profile as answered."""
        response = self.post("/api/profile-import", {"data": data})
        assert response.status_code in (200, 201), response.text
        resource: dict[str, Any] = response.json()["data"]
        return resource

    def stored(self, email: str) -> dict[str, Any]:
        """The one stored profile with this address, as the sandbox keeps it."""
        (found,) = [p for p in self.profiles() if p["email"] == email]
        return found

    def profiles(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/klaviyo/profiles")
        return found

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/klaviyo/events")
        return found


def profile(
    email: str | None = None,
    properties: Any = None,
    meta: Any = None,
    profile_id: str | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """A profile payload; only what is given is sent."""
    if email is not None:
        attributes["email"] = email
    if properties is not None:
        attributes["properties"] = properties
    data: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if meta is not None:
        data["meta"] = {"patch_properties": meta}
    if profile_id is not None:
        data["id"] = profile_id
    return data


def bulk(*rows: dict[str, Any]) -> dict[str, Any]:
    """The body of a bulk import."""
    attributes = {"profiles": {"data": list(rows)}}
    return {"data": {"type": "profile-bulk-import-job", "attributes": attributes}}


def metric(name: str) -> dict[str, Any]:
    return {"data": {"type": "metric", "attributes": {"name": name}}}


def event(email: str, name: str = "Points Earned", **attributes: Any) -> dict[str, Any]:
    """The body of a single event."""
    return {
        "data": {
            "type": "event",
            "attributes": {
                "properties": {},
                "metric": metric(name),
                "profile": {"data": profile(email)},
                **attributes,
            },
        }
    }


def bulk_events(*groups: tuple[str, list[dict[str, Any]]], **group: Any) -> dict[str, Any]:
    """The body of a bulk of events: (e-mail, event attributes) per group."""
    rows = [
        {
            "type": "event-bulk-create",
            "attributes": {
                **group,
                "profile": {"data": profile(email)},
                "events": {
                    "data": [
                        {
                            "type": "event",
                            "attributes": {
                                "properties": {},
                                "metric": metric("Points Earned"),
                                **one,
                            },
                        }
                        for one in events
                    ]
                },
            },
        }
        for email, events in groups
    ]
    attributes = {"events-bulk-create": {"data": rows}}
    return {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
