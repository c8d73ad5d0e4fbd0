"""Both destinations in front of the sandbox, spoken to alike by the tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.destinations import klaviyo, rule_account
from reverse_etl.destinations.base import Destination
from reverse_etl.destinations.klaviyo import KlaviyoProfiles
from reverse_etl.destinations.rule import RuleSubscribers
from reverse_etl.destinations.rule_pauses import AnswerWatch
from sandbox.control_client import ControlClient
from vendor_http import ApiClient

NAMES = ("klaviyo", "rule")
POST = {"klaviyo": "POST /api/profile-bulk-import-jobs", "rule": "POST /api/v2/subscribers"}


@dataclass
class Vendor:
    """One destination, its client and the sandbox's view of it."""

    name: str
    control: ControlClient
    environment: Mapping[str, str]
    open_clients: list[ApiClient]

    def destination(self, max_attempts: int = 3, **options: Any) -> Destination:
        """A destination with a client of its own; closed by the fixture."""
        if self.name == "klaviyo":
            api = klaviyo.client(
                self.environment["KLAVIYO_API_KEY"],
                self.environment["KLAVIYO_BASE_URL"],
                max_attempts=max_attempts,
            )
            self.open_clients.append(api)
            return KlaviyoProfiles(api, **options)
        watch = AnswerWatch()
        api = rule_account.client(
            self.environment["RULE_API_KEY"],
            watch,
            self.environment["RULE_BASE_URL"],
            max_attempts=max_attempts,
        )
        self.open_clients.append(api)
        return RuleSubscribers(api, watch, **options)

    def held(self) -> dict[str, dict[str, Any]]:
        """E-mail -> values the vendor shows; an empty text in Rule counts as no value."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.records():
            if self.name == "klaviyo":
                found[record["email"]] = dict(record["properties"])
                continue
            values = {
                f"{group}.{field}": value
                for group, fields in record["fields"].items()
                for field, value in fields.items()
                if value != ""
            }
            found[record["email"]] = values | {f"tag:{tag}": True for tag in record["tags"]}
        return found

    def records(self) -> list[dict[str, Any]]:
        """Everything the vendor knows about everybody."""
        kind = "profiles" if self.name == "klaviyo" else "subscribers"
        found: list[dict[str, Any]] = self.control.call("GET", f"/{self.name}/{kind}")
        return found

    def seed(self, **attributes: Any) -> None:
        """A person whom another tool made."""
        kind = "profiles" if self.name == "klaviyo" else "subscribers"
        self.control.call("POST", f"/{self.name}/{kind}", attributes)

    def writes(self) -> int:
        """Write requests since the last reset, refused ones included."""
        return int(self.control.requests(self.name)["writes"])


Sync = Callable[..., Any]
