"""Both destinations of events in front of the sandbox."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from reverse_etl.destinations import klaviyo, rule_account
from reverse_etl.destinations.klaviyo_events import KlaviyoEvents
from reverse_etl.destinations.rule_events import RuleEvents
from reverse_etl.destinations.rule_pauses import AnswerWatch
from reverse_etl.events.base import EventDestination
from reverse_etl.events.contract import EventSync
from sandbox.control_client import ControlClient
from vendor_http import ApiClient

KLAVIYO_POST = "POST /api/event-bulk-create-jobs"
RULE_POST = "POST /api/v2/subscribers"


class KlaviyoAccount:
    """A simulated account: clients for it, and what it holds."""

    name = "klaviyo"

    def __init__(self, control: ControlClient, environment: Mapping[str, str]) -> None:
        self.control = control
        self._environment = environment
        self.clients: list[ApiClient] = []

    def api(self, max_attempts: int = 3) -> ApiClient:
        """A signed-in client; `close` closes it."""
        found = klaviyo.client(
            self._environment["KLAVIYO_API_KEY"],
            self._environment["KLAVIYO_BASE_URL"],
            max_attempts=max_attempts,
        )
        self.clients.append(found)
        return found

    def destination(self, max_attempts: int = 3, **options: Any) -> KlaviyoEvents:
        """A destination with a client of its own."""
        return KlaviyoEvents(self.api(max_attempts), **options)

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def events(self) -> list[dict[str, Any]]:
        """Everything that is stored, whether it can be read yet or not."""
        found: list[dict[str, Any]] = self.control.call("GET", "/klaviyo/events")
        return found

    def stored(self, shop: str = "") -> Counter[str]:
        """unique_id -> how often it is stored; of the ids that begin with `shop`."""
        ids = (str(event["event_properties"]["$event_id"]) for event in self.events())
        return Counter(key for key in ids if key.startswith(shop))

    def flows(self) -> set[str]:
        """Ids of the events that started a flow."""
        return {e["event_properties"]["$event_id"] for e in self.events() if e["starts_flow"]}

    def writes(self) -> int:
        """Write requests since the last reset, refused ones included."""
        return int(self.control.requests("klaviyo")["writes"])


class RuleAccount:
    """A simulated account: clients for it, and what it holds."""

    name = "rule"

    def __init__(self, control: ControlClient, environment: Mapping[str, str]) -> None:
        self.control = control
        self._environment = environment
        self.clients: list[ApiClient] = []

    def destination(self, max_attempts: int = 3, **options: Any) -> RuleEvents:
        """A destination with a client of its own; `close` closes it."""
        watch = AnswerWatch()
        api = rule_account.client(
            self._environment["RULE_API_KEY"],
            watch,
            self._environment["RULE_BASE_URL"],
            max_attempts=max_attempts,
        )
        self.clients.append(api)
        return RuleEvents(api, watch, **options)

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def people(self) -> dict[str, dict[str, Any]]:
        """E-mail -> everything that Rule knows of somebody."""
        found = self.control.call("GET", "/rule/subscribers")
        return {str(record["email"]): record for record in found}

    def seed(self, email: str, **values: Any) -> None:
        """Somebody whom Rule knew before."""
        self.control.call("POST", "/rule/subscribers", {"email": email, **values})

    def started(self, email: str) -> list[tuple[str, str]]:
        """(tag, mode) of the automations that were started for somebody."""
        number = self.people()[email]["id"] if email in self.people() else None
        passes = self.control.call("GET", "/rule/automations")
        return [(p["tag"], p["mode"]) for p in passes if p["subscriber_id"] == number]

    def writes(self) -> int:
        """Write requests since the last reset, refused ones included."""
        return int(self.control.requests("rule")["writes"])


Account = KlaviyoAccount | RuleAccount


def account_of(vendor: str, control: ControlClient, environment: Mapping[str, str]) -> Account:
    """The simulated account of a vendor."""
    kinds: dict[str, type[Account]] = {"klaviyo": KlaviyoAccount, "rule": RuleAccount}
    return kinds[vendor](control, environment)


def small(account: Account) -> EventDestination:
    """A destination with requests of eight, so that a few events make several."""
    if isinstance(account, KlaviyoAccount):
        return account.destination(bulk_events=8)
    return account.destination(bulk_rows=8)


def triggering(vendor: str) -> EventSync:
    """A sync that may start whatever its vendor can start."""
    return EventSync(vendor, is_triggering=vendor == "rule")
