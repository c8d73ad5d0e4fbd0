"""A simulated Rule account and the payloads that tests send to it."""

from typing import Any

import httpx
from vendor_account import VendorAccount

from sandbox.credentials import RULE_API_KEY

HEADERS = {"authorization": f"Bearer {RULE_API_KEY}"}
SUBSCRIBERS = "/api/v2/subscribers"
V3 = "/api/v3/subscribers"


class RuleAccount(VendorAccount):
    """Background work is done at the next look, unless a test switches that."""

    def __init__(self, **options: Any) -> None:
        super().__init__("rule", HEADERS, **options)
        self.switch(async_seconds=0.0)

    def create(self, *people: dict[str, Any], **call: Any) -> httpx.Response:
        """Creates or updates an array of people."""
        body = {"update_on_duplicate": True, "subscribers": list(people), **call}
        return self.post(SUBSCRIBERS, body)

    def create_one(self, person: dict[str, Any], **call: Any) -> httpx.Response:
        """Creates or updates one person."""
        body = {"update_on_duplicate": True, "subscribers": person, **call}
        return self.post(SUBSCRIBERS, body)

    def people(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/rule/subscribers")
        return found

    def stored(self, email: str) -> dict[str, Any]:
        """The one subscriber with this address, with everything the sandbox knows."""
        (found,) = [p for p in self.people() if p["email"] == email]
        return found

    def started(self) -> list[tuple[str, str]]:
        """(tag, mode) of every automation started so far."""
        return [(row["tag"], row["mode"]) for row in self.control("GET", "/rule/automations")]

    def seed(self, email: str, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.control("POST", "/rule/subscribers", {"email": email, **body})
        return found


def person(email: str, **fields: Any) -> dict[str, Any]:
    """A subscriber with text fields of group Loyalty."""
    return {
        "email": email,
        "fields": [{"key": f"Loyalty.{name}", "value": value} for name, value in fields.items()],
    }


def typed(email: str, key: str, value: Any, kind: str | None) -> dict[str, Any]:
    """A subscriber with one field of a type (None = the type is not sent)."""
    field = {"key": key, "value": value, **({"type": kind} if kind else {})}
    return {"email": email, "fields": [field]}
