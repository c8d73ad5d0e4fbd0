"""No key, no address and no payload is in a log, an error or a repr, whatever a sync meets.

Both destinations run against the sandbox with every logger at DEBUG, through rows that fail, storms
and refusals; then one person is explained and erased. Logs, errors with their chains and what the
commands print are searched for everybody's address, phone number, values and both keys.
"""

import logging
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reverse_etl_models import NOW, QUICK, manifest, member, publish, spec
from reverse_etl_vendors import NAMES, Vendor
from typer.testing import CliRunner, Result

import orchestration.cli.app  # noqa: F401 - registers the commands
from orchestration.cli.base import app
from orchestration.erasure import forget
from orchestration.home import Home
from orchestration.settings import load_settings
from orchestration.tombstones import Tombstones
from reverse_etl.engine import sync
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_erasure import held_names
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import LoyaltyError

ADDRESS, BAD = "someone.private@secret-shop.se", "someone.refused@secret-shop.se"
PHONE = "+46701740605"
PAYLOAD = "recognisable-payload"
LOGGERS = (
    "",
    "dlt",
    "httpx",
    "httpcore",
    "reverse_etl",
    "vendor_http",
    "orchestration",
    "tenacity",
)
IMPATIENT = replace(QUICK, stalled_seconds=0.5, settle_seconds=0.5)
# What a vendor does -> the sandbox's fault; "a row" is refused alone, the others hit every request.
TROUBLES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a storm": {"error": {"status": 500}},
    "a refusal": {"error": {"status": 400}},
    "a refused key": {"error": {"status": 401}},
    "cut connections": {"cut_connection": {}},
    "an answer that is no JSON": {"not_json": {}},
}


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)} {record.args!r}")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Everything that anybody logs."""
    pause = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: pause(min(seconds, 0.01)))
    handler = _Heard()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield handler.lines
    for logger, level in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def vendors(sandbox: RunningSandbox) -> Iterator[dict[str, Vendor]]:
    found = {name: Vendor(name, sandbox.control, sandbox.environment, []) for name in NAMES}
    for name, vendor in found.items():
        sandbox.control.faults(name)
        kind = "profiles" if name == "klaviyo" else "subscribers"
        for record in vendor.records():
            sandbox.control.call("DELETE", f"/{name}/{kind}/{record['id']}")
    yield found
    for name, vendor in found.items():
        sandbox.control.faults(name)
        for client in vendor.open_clients:
            client.close()


@pytest.fixture
def home(tmp_path: Path, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home where two people are published, with the accounts of both destinations."""
    home = Home(tmp_path / "home")
    home.prepare()
    rows = [member(email, tier=f"{PAYLOAD} {PHONE}") for email in (ADDRESS, BAD)]
    publish(home.audited, rows)
    monkeypatch.setenv("LOYALTY_HOME", str(home.root))
    monkeypatch.setenv("LOYALTY_NOW", NOW.isoformat())
    for name, value in sandbox.environment.items():
        if name.startswith(("KLAVIYO", "RULE")):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("orchestration.activate.read_manifest", lambda _: manifest())
    monkeypatch.setattr("orchestration.erasure_vendors.read_manifest", lambda _: manifest())
    return home


def send(home: Home, vendor: Vendor) -> Any:
    return sync(
        home.audited,
        spec(vendor.name),
        vendor.destination(),
        Ledger(home.ledger),
        NOW,
        "run",
        settings=IMPATIENT,
    )


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def delivered(home: Home, vendors: dict[str, Vendor]) -> Home:
    """Both people are at both vendors."""
    for vendor in vendors.values():
        assert send(home, vendor).status == "succeeded"
    return home


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", NAMES)
def test_a_sync_shows_nothing_of_anybody(
    home: Home, vendors: dict[str, Vendor], heard: list[str], name: str, trouble: str
) -> None:
    fault = TROUBLES[trouble]
    if name == "klaviyo" and not fault:
        fault = {"import_error": {"emails": BAD}}
    vendors[name].control.faults(name, **fault)
    try:
        shown = repr(send(home, vendors[name]))
    except LoyaltyError as error:
        shown = whole(error)
    assert heard, "nothing was logged, so nothing was searched"
    assert_private("\n".join([*heard, shown]), vendors)


def test_one_person_is_explained_and_erased_and_nobody_else_is_shown(
    delivered: Home, vendors: dict[str, Vendor], heard: list[str]
) -> None:
    explained = typed("why", ADDRESS)
    assert explained.exit_code == 0
    assert PAYLOAD in explained.stdout, "who asks about somebody sees the values"
    assert BAD not in explained.output
    erased = typed("forget", ADDRESS, "--yes")
    assert erased.exit_code == 0, erased.output
    assert_private("\n".join([*heard, erased.output]), vendors)
    for file in delivered.root.rglob("*"):
        if file.is_file():
            assert ADDRESS.encode() not in file.read_bytes(), file.name
    assert list(delivered.erasure.iterdir()) == []
    (stone,) = Tombstones.read(delivered).stones
    assert stone.is_finished
    held = {name: vendor.held() for name, vendor in vendors.items()}
    assert held["klaviyo"][ADDRESS] == {}
    assert held["rule"][ADDRESS] == {}
    assert all(PAYLOAD in str(people[BAD]) for people in held.values())
    assert typed("why", ADDRESS).exit_code == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trouble", [name for name, fault in TROUBLES.items() if fault])
def test_an_erasure_that_a_vendor_stops_tells_nothing_and_erases_nothing_here(
    delivered: Home, vendors: dict[str, Vendor], heard: list[str], name: str, trouble: str
) -> None:
    vendors[name].control.faults(name, **TROUBLES[trouble])
    with pytest.raises(LoyaltyError) as caught:
        forget(ADDRESS, load_settings(), delivered, NOW, lambda _: None)
    assert "give the same command again" in str(caught.value)
    assert_private("\n".join([*heard, whole(caught.value)]), vendors)
    scope = Scope(name, spec(name).object_name)
    assert held_names(Ledger(delivered.ledger), scope, [ADDRESS])
    assert not Tombstones.read(delivered).stones


def test_a_profile_that_is_gone_at_the_vendor_is_not_made_anew_to_be_cleared(
    delivered: Home, vendors: dict[str, Vendor]
) -> None:
    for name, kind in (("klaviyo", "profiles"), ("rule", "subscribers")):
        record = next(r for r in vendors[name].records() if r["email"] == ADDRESS)
        vendors[name].control.call("DELETE", f"/{name}/{kind}/{record['id']}")
    assert typed("forget", ADDRESS, "--yes").exit_code == 0
    assert all(ADDRESS not in vendor.held() for vendor in vendors.values())


def test_the_vendors_own_profiles_go_only_when_that_is_asked_for(
    delivered: Home, vendors: dict[str, Vendor], heard: list[str]
) -> None:
    told = typed("forget", ADDRESS, "--yes", "--delete-at-vendors")
    assert told.exit_code == 0, told.output
    assert "deletion asked for" in told.output
    assert_private("\n".join([*heard, told.output]), vendors)
    assert all(set(vendor.held()) == {BAD} for vendor in vendors.values())


def whole(error: BaseException) -> str:
    """An error with its traceback, its causes and their arguments."""
    parts = traceback.format_exception(error)
    seen: BaseException | None = error
    while seen is not None:
        parts.append(f"{seen!s} {seen!r} {seen.args!r}")
        seen = seen.__cause__ or seen.__context__
    return "".join(parts)


def assert_private(text: str, vendors: dict[str, Vendor]) -> None:
    environment = vendors["rule"].environment
    secrets = [environment["KLAVIYO_API_KEY"], environment["RULE_API_KEY"]]
    for secret in (*secrets, "secret-shop", "secret%2Dshop", PHONE, PHONE[1:], PAYLOAD):
        assert secret not in text
