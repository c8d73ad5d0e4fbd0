"""Events from the shop to both vendors, by refreshes and webhooks; the tests share one shop.

They tell one story in order: the first load, a day with new things, webhooks between two refreshes
and during one, everything played again.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from webhook_receivers import receiving

from dlt_sources.inbox.receiver import Endpoint, build_app
from dlt_sources.inbox.senders import SharedSecret
from dlt_sources.inbox.store import Inbox
from orchestration.audit import unpublished, untold_since
from orchestration.home import Home
from sandbox.config import SandboxConfig
from sandbox.server import running
from tests.integration.conftest import CUSTOMERS, Shop, open_shop

pytestmark = pytest.mark.timeout(2_700)  # whoever asks first waits for a whole first load
SECRET = "a secret of the shop"
MOST_BYTES = 1_000_000
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop after its first run, with automations in Rule switched on."""
    with running(SandboxConfig(customers=CUSTOMERS, limits_scale=200)) as sandbox:
        sandbox.control.switch("rule", v2_status="shown")
        opened = open_shop(tmp_path_factory.mktemp("events") / "home", sandbox)
        opened.settings |= {"RULE_EVENTS": "on", "YOTPO_WEBHOOK_SECRET": SECRET}
        opened.loyalty("run")
        yield opened


def stored(shop: Shop) -> Told:
    """What Klaviyo holds: our id → event; each id once."""
    held = shop.sandbox.control.call("GET", "/klaviyo/events")
    found = {event["event_properties"]["$event_id"]: event for event in held}
    assert len(found) == len(held), "an event was stored twice"
    return found


def automations(shop: Shop) -> Counter[tuple[int, str]]:
    """What Rule started: (subscriber, tag) → how often."""
    started = shop.sandbox.control.call("GET", "/rule/automations")
    return Counter((each["subscriber_id"], each["tag"]) for each in started)


def modelled(shop: Shop, vendor: str) -> set[str]:
    """Ids of the events in the activation model that may be told."""
    rows = shop.ask(
        f"""
        select event_id from activation.sync_{vendor}__events as e
        where e.may_create_profile and not e.is_friend
        """
    )
    return {event_id for (event_id,) in rows}


def accepted(shop: Shop, vendor: str) -> dict[str, bool]:
    """What the published record says: id of an accepted event → whether it was history."""
    rows = shop.ask(
        "select event_id, was_backfill from sync.events where destination = ? and state = "
        "'accepted'",
        vendor,
    )
    return dict(rows)


def without_nulls(value: Any) -> Any:
    """A null says nothing to Klaviyo and is left out."""
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(each) for name, each in value.items() if each is not None}


def post(shop: Shop, **order: Any) -> list[dict[str, Any]]:
    """Let the sandbox's Yotpo post webhooks to a receiver of this shop."""
    sender = SharedSecret("Authorization", SECRET)
    inbox = Inbox(Home(shop.home).inbox("yotpo"), remember_hours=24)
    app = build_app({"yotpo": Endpoint(sender, inbox)}, most_bytes=MOST_BYTES)
    with receiving(app) as client:
        url = f"{str(client.base_url).rstrip('/')}/webhooks/yotpo"
        done = shop.sandbox.control.call(
            "POST", "/yotpo/webhooks", {"url": url, "secret": SECRET, **order}
        )
    sent: list[dict[str, Any]] = done["sent"]
    assert {each["status"] for each in sent} == {200}
    return sent


def test_the_first_load_tells_everything_as_history_and_starts_nothing(shop: Shop) -> None:
    told = stored(shop)
    assert told
    assert all(event["backfill"] for event in told.values())
    assert not any(event["starts_flow"] for event in told.values())
    assert set(told) == set(accepted(shop, "klaviyo")) == modelled(shop, "klaviyo")
    assert set(accepted(shop, "rule")) == modelled(shop, "rule")
    assert all(accepted(shop, "rule").values())
    assert automations(shop) == Counter()
    people = shop.sandbox.control.call("GET", "/rule/subscribers")
    assert any("PointsEarned" in person["tags"] for person in people), "history brings its tags"


def test_what_happens_in_a_day_is_told_once_and_live_whoever_told_it(shop: Shop) -> None:
    before = stored(shop)
    assert any(shop.day_passes().values())
    topics = ["swell/points/earned", "swell/tier/status/changed"]
    assert post(shop, topics=topics) == post(shop, topics=topics)
    done = shop.loyalty("run", "--brief")
    new = {key: event for key, event in stored(shop).items() if key not in before}
    assert set(new) == modelled(shop, "klaviyo") - set(before)
    assert [key for key, event in new.items() if event["backfill"]] == []
    assert all(event["starts_flow"] for event in new.values())
    happened = shop.ask(
        "select event_id, origin, properties from marts.fct_loyalty_events "
        "where list_contains(?, event_id)",
        list(new),
    )
    assert {"rest", "webhook"} <= {origin for _, origin, _ in happened}
    for event_id, _, properties in happened:
        told = {k: v for k, v in new[event_id]["event_properties"].items() if k != "$event_id"}
        assert told == without_nulls(orjson.loads(properties))
    live = {key for key, is_history in accepted(shop, "rule").items() if not is_history}
    assert live == modelled(shop, "rule") - set(before)
    assert automations(shop)
    assert set(automations(shop).values()) == {1}
    assert f"events told to klaviyo: {len(new):,} of now, 0 of history" in done.stdout


def tell(shop: Shop) -> None:
    """The job that the sensor of events starts, as Dagster executes it."""
    done = shop.python(
        *("-m", "dagster", "job", "execute", "-m", "orchestration.definitions"),
        *("-j", "tell_events_job"),
        DAGSTER_HOME=str(shop.home / "dagster"),
    )
    assert done.returncode == 0, done.stderr[-3000:]


def told_since(shop: Shop, before: Told) -> list[str]:
    """Metrics of what Klaviyo was told since, as live."""
    names = dict(shop.ask("select event_id, metric from activation.sync_klaviyo__events"))
    new = {key: event for key, event in stored(shop).items() if key not in before}
    assert not any(event["backfill"] for event in new.values())
    return sorted(names[key] for key in new)


def test_a_webhook_is_told_without_a_refresh_and_nothing_else_changes(
    shop: Shop,
) -> None:
    before = stored(shop)
    modified = (shop.home / "warehouse.duckdb").stat().st_mtime_ns
    rows = shop.ask("select * from activation.sync_klaviyo__profiles order by all")
    post(shop, topics=["loyalty/expiration/reminder"])
    shop.sandbox.control.reset_requests()
    tell(shop)
    assert told_since(shop, before) == ["Loyalty Expiration Reminder"]
    assert (shop.home / "warehouse.duckdb").stat().st_mtime_ns > modified
    assert rows == shop.ask("select * from activation.sync_klaviyo__profiles order by all")
    assert shop.sandbox.control.requests("klaviyo")["writes"] == 1
    assert untold_since(Home(shop.home)) is None
    assert unpublished(Home(shop.home)) is None


@pytest.mark.slow
def test_a_refresh_and_the_job_at_once_tell_a_webhook_once_and_repeat_nothing(shop: Shop) -> None:
    before, started = stored(shop), automations(shop)
    post(shop, topics=["swell/redemption/reminder"])
    with ThreadPoolExecutor(2) as threads:
        refresh = threads.submit(shop.loyalty, "run")
        between = threads.submit(tell, shop)
        refresh.result()
        between.result()
    tell(shop)  # whichever of the two stood back left it to the other
    assert told_since(shop, before) == ["Swell Redemption Reminder"]
    assert set((automations(shop) - started).values()) <= {1}


@pytest.mark.slow
def test_the_whole_history_and_the_whole_inbox_again_tell_nothing(shop: Shop) -> None:
    before, started = stored(shop), automations(shop)
    home = Home(shop.home)
    for kept in home.inbox("yotpo").glob("loaded/*.jsonl"):
        kept.rename(home.inbox("yotpo") / "sealed" / kept.name)
    home.warehouse.unlink()
    for folder in (home.dlt, home.root / "spool"):
        shutil.rmtree(folder)
    shop.loyalty("run", "--approve")
    assert len(modelled(shop, "klaviyo")) > len(before) / 2, "the history was not read again"
    assert set(stored(shop)) == set(before)
    assert automations(shop) == started


def test_no_event_left_a_trace_in_the_logs(shop: Shop) -> None:
    members = {person["email"] for person in shop.sandbox.control.call("GET", "/rule/subscribers")}
    log: Path = shop.home / "logs" / "last_run.log"
    text = log.read_text(errors="replace")
    assert [email for email in members if email in text] == []
