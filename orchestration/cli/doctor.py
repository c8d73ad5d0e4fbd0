"""`loyalty doctor`: is this machine, this folder and every account fit for a run?

Asks each configured vendor for the least it can: one read per scope that a run needs. Writes
nothing at any vendor.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from orchestration import accounts
from orchestration.accounts import destination_client
from orchestration.dagster_home import database_trouble
from orchestration.home import Home
from orchestration.key_store import connection
from orchestration.operations.channels import channels
from orchestration.operations.disk import free_gib, too_full
from orchestration.operations.incidents import read_book
from orchestration.programs import programs, source_client
from orchestration.settings import DESTINATIONS, Settings, missing
from reverse_etl.destinations import klaviyo_revision
from vendor_http import ApiClient, LoyaltyError

_STACK = ("dagster", "dlt", "dbt-core", "dbt-duckdb", "duckdb", "pyarrow", "pandas")

# The cheapest read behind each scope a run needs. Smile: scopes in dev.smile.io, "Access scopes".
# Yotpo: one key pair reads everything. Klaviyo: GET /api/accounts is its own smoke test. Rule has
# no scopes; its tag list is a read that every key may do.
# Smile answers 404 for settings of a shop without an active points programme.
_MAY_MISS = {"smile": (404,)}
PROBES: dict[str, tuple[tuple[str, str], ...]] = {
    "smile": (
        ("customers (customer:read)", "/customers?limit=1"),
        ("points transactions (points_transaction:read)", "/points_transactions?limit=1"),
        ("coupons (reward_fulfillment:read)", "/reward_fulfillments?limit=1"),
        ("rewards (points_product:read)", "/points_products?page_size=1"),
        ("tiers (vip_tier:read)", "/vip_tiers"),
        ("ways to earn (earning_rule:read)", "/earning_rules?limit=1"),
        ("points settings (points_settings:read)", "/points_settings"),
    ),
    "yotpo": (("tiers", "/vip_tiers"),),
    "klaviyo": (
        ("account (accounts:read)", "/api/accounts"),
        ("profiles (profiles:read)", "/api/profiles?page[size]=1"),
        ("import jobs (lists:read, profiles:read)", "/api/profile-bulk-import-jobs?page[size]=1"),
    ),
    "rule": (("tags", "/api/v2/tags?limit=1"),),
}

# Budgets that a probe is charged to, where a client has several.
BUDGETS = {"klaviyo": "profiles"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `good` None = nothing to judge, only to know."""

    subject: str
    good: bool | None
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, cheapest first; a broken part does not stop the rest."""
    yield _python()
    yield Finding("versions", None, ", ".join(f"{name} {version(name)}" for name in _STACK))
    yield from _home(Home(settings.home), settings.least_disk_gib)
    yield _clock(settings)
    yield from _database(settings)
    yield _alerts(settings)
    if nothing := settings.nothing_to_read():
        yield Finding("programmes", False, nothing)
    for program in programs():
        yield from _vendor(program.source, partial(source_client, program, settings))
    for name in DESTINATIONS:
        yield from _account(name, settings)
        yield from _vendor(name, partial(destination_client, name, settings))


def _python() -> Finding:
    running = sys.version.split()[0]
    return Finding("python", sys.version_info >= (3, 11), f"{running} (needs 3.11 or newer)")


def _home(home: Home, least_gib: float) -> Iterator[Finding]:
    try:
        home.prepare()
    except LoyaltyError as error:
        yield Finding("LOYALTY_HOME", False, str(error))
        return
    yield Finding("LOYALTY_HOME", True, f"{home.root} can be written")
    full = too_full(home, least_gib)
    yield Finding("disk", full is None, full or f"{free_gib(home):.1f} GiB free")


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.dagster_postgres_url is not None:
        trouble = database_trouble(settings)
        yield Finding("dagster", trouble is None, trouble or "PostgreSQL answers")


def _alerts(settings: Settings) -> Finding:
    """Where alerts go, and whether they arrive; nobody is told here (`loyalty alerts test`)."""
    names = [channel.name for channel in channels(settings)]
    if not names:
        text = "no channel: LOYALTY_ALERT_WEBHOOK or LOYALTY_ALERT_EMAIL_TO would tell of trouble"
        return Finding("alerts", None, text)
    failing = read_book(Home(settings.home).alerts).failing_channels
    if failing:
        return Finding("alerts", False, "; ".join(failing.values()))
    return Finding("alerts", True, f"by {' and '.join(names)}; `loyalty alerts test` tries them")


def _clock(settings: Settings) -> Finding:
    real = datetime.now(UTC)
    if settings.now is None:
        return Finding("clock", None, f"{real:%Y-%m-%d %H:%M:%S} UTC, the real time")
    distance = abs((settings.now - real).days)
    return Finding(
        "clock", None, f"LOYALTY_NOW is {settings.now:%Y-%m-%d %H:%M:%S} UTC, {distance} days off"
    )


def _account(name: str, settings: Settings) -> Iterator[Finding]:
    """What opens a destination where that is not obvious, and how long its API still lives."""
    if name != "klaviyo" or not settings.has_key(name):
        return
    try:
        if settings.is_connected(name):
            yield _sign_in(settings)
        today = accounts.today()
        ends = klaviyo_revision.retires_on(settings.klaviyo_revision)
        if ends > today:  # a retired one is refused when the client is made
            text = klaviyo_revision.warning(settings.klaviyo_revision, today)
            fine = f"API revision {settings.klaviyo_revision} retires on {ends}"
            yield Finding(name, None if text else True, f"warning: {text}" if text else fine)
    except LoyaltyError as error:
        yield Finding(name, False, str(error))


def _sign_in(settings: Settings) -> Finding:
    if settings.klaviyo_api_key is not None:
        text = "KLAVIYO_API_KEY is used; it wins over the sign-in of `loyalty connect klaviyo`"
        return Finding("klaviyo", None, text)
    known = connection(settings, "klaviyo")
    when = f"signed in {known.connected_at}; tokens in the {known.place}" if known else "signed out"
    return Finding("klaviyo", None, when)


def _vendor(name: str, connect: Callable[[], ApiClient | None]) -> Iterator[Finding]:
    try:
        client = connect()
    except LoyaltyError as error:
        yield Finding(name, False, str(error))
        return
    if client is None:
        yield Finding(name, None, f"left out: {missing(name)}")
        return
    with client:
        for what, path in PROBES[name]:
            try:
                client.send(
                    "GET", path, accept=_MAY_MISS.get(name, ()), limit=BUDGETS.get(name, "default")
                )
            except LoyaltyError as error:
                yield Finding(name, False, f"{what}: {error}")
            else:
                yield Finding(name, True, what)
