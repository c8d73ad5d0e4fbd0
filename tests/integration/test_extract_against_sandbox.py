"""Both sources against the sandbox: every habit the documentation leaves open, every fault.

The sandbox knows the truth in two ways that need no second extractor: a Smile ledger adds up to the
balances, and what a habit or a fault changes on the way must not change how many rows arrive.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_sources import extraction, smile, yotpo
from dlt_sources.history import read_history
from dlt_sources.loading import load
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Spool
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from vendor_http import ApiClient, ConfigurationError, VendorUnavailableError

CUSTOMERS = 120
FAST = 1_000_000


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=CUSTOMERS, limits_scale=1_000)) as sandbox:
        yield sandbox


@pytest.fixture
def calm(shop: RunningSandbox) -> Iterator[RunningSandbox]:
    """The shop without faults, limits used up, or unusual habits."""
    yield shop
    for vendor in ("smile", "yotpo"):
        shop.control.faults(vendor)
        shop.control.reset_switches(vendor)
    shop.control.reset_limits()


def client(shop: RunningSandbox, vendor: str, **changed: str) -> ApiClient:
    settings = {**shop.environment, **changed}
    if vendor == "smile":
        return smile.client(settings["SMILE_API_KEY"], settings["SMILE_BASE_URL"], FAST)
    return yotpo.client(
        settings["YOTPO_GUID"], settings["YOTPO_API_KEY"], settings["YOTPO_BASE_URL"], FAST
    )


def extract(shop: RunningSandbox, vendor: str, home: Path, **options: Any) -> Mapping[str, int]:
    """Read a vendor into the spool; rows per table."""
    history = read_history(home / "warehouse.duckdb", vendor, vendor)
    with client(shop, vendor, **options) as reader:
        if vendor == "smile":
            source = smile.smile_source(reader, history=history)
        else:
            source = yotpo.yotpo_source(reader, history=history)
        spool = extraction.extract(
            source,
            home / "spool" / vendor,
            program=vendor,
            extract_id=time.time_ns(),
            clock=shop.control.now,
            present=history.present,
        )
    rows: Counter[str] = Counter()
    for file in spool.files():
        rows[file.table] += file.row_count
    return rows


def run(shop: RunningSandbox, vendor: str, home: Path) -> Mapping[str, int]:
    rows = extract(shop, vendor, home)
    tables = tuple((smile.TABLES if vendor == "smile" else yotpo.TABLES).values())
    pipeline = build_pipeline(vendor, home / "warehouse.duckdb", home / "dlt")
    load(pipeline, tables, Spool.find(home / "spool" / vendor))
    return rows


def ask(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


DRIFT = """
    select count(*) from (
        select points_balance, coalesce(sum(points_change), 0) as ledger
        from raw_smile.customers c
        left join raw_smile.points_transactions t on t.program = c.program and t.customer_id = c.id
        group by c.id, points_balance
    ) where points_balance <> ledger
"""


def test_the_ledger_adds_up_before_and_after_a_day_passes(
    calm: RunningSandbox, tmp_path: Path
) -> None:
    first = run(calm, "smile", tmp_path)
    assert ask(tmp_path, DRIFT) == [(0,)]
    calm.control.advance(3)
    second = run(calm, "smile", tmp_path)
    assert ask(tmp_path, DRIFT) == [(0,)]
    assert second["points_transactions"] < first["points_transactions"], "an incremental read"


def test_only_changed_members_are_asked_for_after_a_day(
    calm: RunningSandbox, tmp_path: Path
) -> None:
    first = run(calm, "yotpo", tmp_path)
    assert first["customer_details"] == first["customers"] > 0
    assert first["history_items"] > 0
    again = run(calm, "yotpo", tmp_path)
    assert again["customer_details"] == 0
    calm.control.advance(30)
    later = run(calm, "yotpo", tmp_path)
    assert 0 < later["customer_details"] < first["customers"]
    stale = """
        select count(*) from raw_yotpo.customers c
        join raw_yotpo.customer_details d using (program, email_key)
        where c.record_hash <> d.list_record_hash
    """
    assert ask(tmp_path, stale) == [(0,)]


@pytest.mark.parametrize("vendor", ["smile", "yotpo"])
def test_a_documented_answer_fills_declared_columns_only(
    calm: RunningSandbox, tmp_path: Path, vendor: str
) -> None:
    run(calm, vendor, tmp_path)
    tables = smile.TABLES if vendor == "smile" else yotpo.TABLES
    extra = {
        f"{name}.{row[0]}"
        for name, table in tables.items()
        for row in ask(tmp_path, f"describe raw_{vendor}.{name}")
        if row[0] not in {column.name for column in table.all_columns}
    }
    assert extra == set()
    assert ask(tmp_path, f"select resource, reason from raw_{vendor}.quarantine") == []


def rows(shop: RunningSandbox, vendor: str, home: Path) -> dict[str, int]:
    """Rows per table of one fresh extraction."""
    return dict(extract(shop, vendor, home))


# Habits that are no mere form: with these, other rows are right.
CONTENT = {
    "missing_scope", "deleted_customer", "points_programme", "vip_programme", "customers_all",
    "recent_window_days", "referral_program",
}  # fmt: skip
# A bare list has no cursor, so it would hide the other habits of the walk.
ALONE = {"recent_list_key"}


def habits(vendor: str) -> list[dict[str, Any]]:
    """All switches in their second position at once, then all in their third, and so on."""
    switches = import_module(f"sandbox.{vendor}.switches").SWITCHES
    forms = [switch for switch in switches if switch.name not in CONTENT]
    together = [switch for switch in forms if switch.name not in ALONE]
    rounds = [
        {switch.name: switch.choices[place] for switch in together if place < len(switch.choices)}
        for place in range(1, max(len(switch.choices) for switch in together))
    ]
    return rounds + [
        {switch.name: value}
        for switch in forms
        if switch.name in ALONE
        for value in switch.choices[1:]
    ]


@pytest.mark.parametrize("vendor", ["smile", "yotpo"])
def test_no_habit_of_the_vendor_changes_how_many_rows_arrive(
    calm: RunningSandbox, tmp_path: Path, vendor: str
) -> None:
    usual = rows(calm, vendor, tmp_path / "usual")
    for number, habit in enumerate(habits(vendor)):
        calm.control.reset_switches(vendor)
        calm.control.switch(vendor, **habit)
        found = rows(calm, vendor, tmp_path / str(number))
        assert found == usual, f"with {habit}"


FAULTS: dict[str, dict[str, Any]] = {
    "busy servers": {"error": {"status": 503, "every": 7}},
    "too many requests": {"error": {"status": 429, "next": 2, "retry_after": "1"}},
    "cut connections": {"cut_connection": {"every": 9}},
    "cut bodies": {"cut_body": {"every": 8}},
    "truncated answers": {"truncated_body": {"every": 6}},
    "a proxy's page": {"not_json": {"next": 2}},
    "slow answers": {"latency": {"seconds": 0.05, "every": 5}},
}


@pytest.mark.parametrize("vendor", ["smile", "yotpo"])
@pytest.mark.parametrize("fault", FAULTS)
def test_passing_trouble_loses_and_doubles_nothing(
    calm: RunningSandbox, tmp_path: Path, vendor: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pauses(monkeypatch)
    usual = rows(calm, vendor, tmp_path / "usual")
    calm.control.faults(vendor, **FAULTS[fault])
    assert rows(calm, vendor, tmp_path / "troubled") == usual


@pytest.mark.parametrize("vendor", ["smile", "yotpo"])
def test_rows_that_appear_while_pages_are_read_are_not_doubled(
    calm: RunningSandbox, tmp_path: Path, vendor: str
) -> None:
    calm.control.faults(vendor, page_drift={"every": 1})
    run(calm, vendor, tmp_path)
    for name, key in (("customers", "id" if vendor == "smile" else "email_key"),):
        assert (
            ask(tmp_path, f"select {key} from raw_{vendor}.{name} group by 1 having count(*) > 1")
            == []
        )


@pytest.mark.parametrize(
    ("vendor", "changed", "variable"),
    [
        ("smile", {"SMILE_API_KEY": "api_wrong"}, "SMILE_API_KEY"),
        ("yotpo", {"YOTPO_API_KEY": "wrong"}, "YOTPO_GUID and YOTPO_API_KEY"),
    ],
)
def test_a_wrong_key_is_one_line_with_the_variable(
    calm: RunningSandbox, tmp_path: Path, vendor: str, changed: dict[str, str], variable: str
) -> None:
    with pytest.raises(ConfigurationError, match=variable) as failure:
        extract(calm, vendor, tmp_path, **changed)
    assert "\n" not in str(failure.value)
    assert "wrong" not in str(failure.value).replace("the key is wrong", "")


def test_trouble_that_stays_ends_in_one_line(
    calm: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pauses(monkeypatch)
    calm.control.faults("smile", error={"status": 500, "operation": "GET /customers"})
    with pytest.raises(VendorUnavailableError, match="GET /customers"):
        extract(calm, "smile", tmp_path)


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once; the pauses have tests of their own."""
    pause: Callable[[float], None] = time.sleep
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: pause(min(seconds, 0.01)))
