"""No key and nobody's address is anywhere but where it belongs, whatever happens and whoever logs.

Both sources run with every logger at DEBUG, through success, refusals and storms; then logs, files,
errors with their chains, tracebacks and representations are searched.
"""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from loyalty_fakes import FakeVendors, Warehouse, running_fake, vendor_client

from orchestration.settings import Settings
from vendor_http import LoyaltyError

KEYS = {
    "SMILE_API_KEY": "api_recognisable-smile-key-1",
    "YOTPO_GUID": "recognisable-guid-000002",
    "YOTPO_API_KEY": "recognisable-yotpo-key-3",
}
SECRET = "recognisable"
ADDRESS = "someone.private@shop.invalid"
VENDORS = ("smile", "yotpo")
# dlt keeps its log to itself, so the root logger does not hear it.
LOGGERS = ("", "dlt", "httpx", "httpcore", "urllib3", "dlt_sources", "vendor_http", "tenacity")
PATHS = {"smile": "/smile/customers", "yotpo": "/yotpo/customers"}
Answer = Callable[[Mapping[str, str]], tuple[int, Any]]
FAILURES: dict[str, Answer] = {
    "a refused key": lambda _: (401, {"error": {"message": f"{ADDRESS} {SECRET}"}}),
    "a storm": lambda _: (500, {"error": {"message": f"{ADDRESS} {SECRET}"}}),
    "an answer of another shape": lambda _: (200, {"unheard": f"{ADDRESS} {SECRET}"}),
    "an answer that is no JSON": lambda _: (200, f"<p>{ADDRESS} {SECRET}</p>".encode()),
    "a refusal": lambda _: (409, {"error": {"message": f"{ADDRESS} {SECRET}"}}),
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


class Private(FakeVendors):
    """Vendors who know one person, reached with recognisable keys."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **KEYS}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with running_fake(Private()) as fake:
        fake.records["/smile/customers"] = [{"id": 1, "email": ADDRESS, "points_balance": "many"}]
        fake.records["/yotpo/customers/recent"] = [{"email": ADDRESS, "points_balance": "many"}]
        fake.details[ADDRESS] = {"email": ADDRESS, "history_items": [1]}
        yield Warehouse(tmp_path, fake)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_run_that_succeeds_shows_no_key_and_no_address(
    warehouse: Warehouse, heard: list[str], vendor: str
) -> None:
    warehouse.run(vendor)
    assert heard, "nothing was logged, so nothing was searched"
    assert_private("\n".join(heard))
    assert_no_key_in_files(warehouse.home)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_run_that_fails_shows_no_key_and_no_address(
    warehouse: Warehouse, heard: list[str], vendor: str, failure: str
) -> None:
    warehouse.fake.answers[PATHS[vendor]] = FAILURES[failure]
    with pytest.raises(LoyaltyError) as caught:
        warehouse.extract(vendor)
    assert_private("\n".join(heard))
    error: BaseException | None = caught.value
    assert_private("".join(traceback.format_exception(caught.value)))
    while error is not None:
        assert_private(f"{error!s} {error!r} {error.args!r}")
        error = error.__cause__ or error.__context__
    assert_no_key_in_files(warehouse.home)
    with_locals = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(with_locals.format())
    for name, key in KEYS.items():
        assert key not in shown, f"{name} is a local variable of a frame of the traceback"


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_that_holds_a_key_shows_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    for name, value in warehouse.fake.environment.items():
        monkeypatch.setenv(name, value)
    with vendor_client(vendor, warehouse.fake.environment) as client:
        source = warehouse.source(vendor, client)
        for thing in (client, source, Settings(), warehouse.pipeline(vendor)):
            assert_private(f"{thing!r} {thing!s}")


def assert_private(text: str) -> None:
    assert SECRET not in text
    assert "shop.invalid" not in text.lower()


def assert_no_key_in_files(home: Path) -> None:
    """Addresses are data; a key is none."""
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert [name for name, key in KEYS.items() if key.encode() in content] == [], file
