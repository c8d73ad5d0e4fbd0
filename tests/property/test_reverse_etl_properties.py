"""Whatever is wanted, whatever goes wrong: in the end the vendor shows what is wanted."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from reverse_etl_models import (
    BOTH,
    COMMON,
    NOW,
    OBJECTS,
    QUICK,
    ModelVendor,
    assert_tied,
    publish,
    run,
    spec,
    wanted,
)

from reverse_etl.batches import batch_rows
from reverse_etl.destinations.base import LaneLimits
from reverse_etl.keys import email_fault, plain_email_sql
from reverse_etl.ledger import Ledger
from reverse_etl.plan import plan_sync
from reverse_etl.planned import PlannedRow

IMPATIENT = replace(QUICK, stalled_seconds=0.03, settle_seconds=0.03, failures_in_a_row=50)
EMAILS = [f"person{index}@shop.se" for index in range(7)]
SLOW = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # shrinking whole histories takes minutes
)

texts = st.one_of(
    st.just(""),
    st.sampled_from(["Gold", "Guld & Co", 'say "hi"', "back\\slash", "snö ☃ 🎁", "it's", "a/b\tc"]),
)
values = st.fixed_dictionaries(
    {
        "points": st.one_of(st.none(), st.sampled_from([0, 1, -40, 2**53])),
        "amount": st.one_of(st.none(), st.sampled_from([Decimal("0"), Decimal("12.50")])),
        "tier": st.one_of(st.none(), texts),
        "at_risk": st.one_of(st.none(), st.booleans()),
        "rewards": st.one_of(st.none(), st.lists(texts, max_size=3)),
        "expires_at": st.one_of(st.none(), st.just(datetime(2027, 2, 3, 4, 5, 6))),  # noqa: DTZ001
        "birthday": st.one_of(st.none(), st.just(date(1990, 2, 28))),
        "state": st.one_of(st.none(), st.sampled_from(["member", "candidate"])),
        "tags": st.one_of(
            st.none(),
            st.lists(st.sampled_from(["loyalty-member", "loyalty-tier-gold", "x y"]), unique=True),
        ),
    }
)
person = st.tuples(st.booleans(), values)
states = st.dictionaries(st.sampled_from(EMAILS), person, max_size=len(EMAILS))
destinations = st.sampled_from(["klaviyo", "rule"])
fates = st.lists(
    st.sampled_from(["applied", "applied", "refused", "lost", "cut", "job", "stuck"]), min_size=1
)


def published_rows(state: Mapping[str, tuple[bool, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the activation model for a state."""
    return [
        {"email": email, "may_create_profile": may_create, **chosen}
        for email, (may_create, chosen) in state.items()
    ]


def expected(
    destination: str, state: Mapping[str, tuple[bool, Mapping[str, Any]]], vendor: ModelVendor
) -> dict[str, dict[str, Any]]:
    """What every profile must show; never-cleared fields keep the last value written."""
    found: dict[str, dict[str, Any]] = {}
    for email, held in vendor.profiles.items():
        found[email] = wanted(destination, state[email][1]) if email in state else {}
        if destination == "rule" and "Subscriber.Birthday" in held:
            found[email].setdefault("Subscriber.Birthday", held["Subscriber.Birthday"])
    return found


@SLOW
@given(destination=destinations, history=st.lists(states, min_size=1, max_size=3), order=fates)
def test_after_any_history_of_failures_the_vendor_shows_what_is_wanted(
    destination: str,
    history: list[dict[str, tuple[bool, dict[str, Any]]]],
    order: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        vendor = ModelVendor(destination, OBJECTS[destination])
        vendor.fate = lambda number, _row: order[number % len(order)]
        for step, state in enumerate(history):
            published = publish(Path(folder) / "loyalty.duckdb", published_rows(state))
            assert_tied(run(published, ledger, vendor, f"trouble{step}", settings=IMPATIENT))
        vendor.fate = lambda _number, _row: "applied"
        vendor.release()
        for step in range(3):  # one to settle jobs, one to send, one that must find nothing
            assert_tied(run(published, ledger, vendor, f"calm{step}"))
        assert vendor.profiles == expected(destination, state, vendor)
        creatable = {e for past in history for e, (may_create, _) in past.items() if may_create}
        assert set(vendor.created) <= creatable
        wanted_now = {e for e, (may, row) in state.items() if may and wanted(destination, row)}
        assert wanted_now <= set(vendor.profiles)
        assert vendor.nulls_in_bulk == 0
        before = vendor.requests.copy()
        last = run(published, ledger, vendor, "again")
        assert vendor.requests == before, "an unchanged run must not send anything"
        assert last.total("planned") == 0


@SLOW
@given(destination=destinations, state=states)
def test_the_plan_of_an_applied_plan_is_empty_even_when_every_hash_is_lost(
    destination: str, state: dict[str, tuple[bool, dict[str, Any]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        vendor = ModelVendor(destination, OBJECTS[destination])
        published = publish(Path(folder) / "loyalty.duckdb", published_rows(state))
        run(published, ledger, vendor, "first")
        with ledger.open() as db:
            db.execute("update profiles set payload_hash = 'of another version'")
        with plan_sync(published, ledger, spec(destination), NOW, "second") as plan:
            assert plan.is_empty, plan.samples()


@SLOW
@given(destination=destinations, state=states, seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    destination: str, state: dict[str, tuple[bool, dict[str, Any]]], seed: Any
) -> None:
    rows = published_rows(state)
    shuffled = list(rows)
    seed.shuffle(shuffled)
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        for place, chosen in enumerate((rows, shuffled)):
            vendor = ModelVendor(destination, OBJECTS[destination])
            published = publish(Path(folder) / f"{place}.duckdb", chosen)
            run(published, Ledger(Path(folder) / f"l{place}.duckdb"), vendor, "first")
            shown.append(vendor.profiles)
    assert shown[0] == shown[1]


@SLOW
@given(first=states, second=states)
def test_a_family_that_is_switched_off_is_neither_sent_nor_cleared(
    first: dict[str, tuple[bool, dict[str, Any]]], second: dict[str, tuple[bool, dict[str, Any]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        vendor = ModelVendor()
        published = publish(Path(folder) / "loyalty.duckdb", published_rows(first))
        run(published, ledger, vendor, "both", BOTH)
        before = {email: dict(profile) for email, profile in vendor.profiles.items()}
        published = publish(Path(folder) / "loyalty.duckdb", published_rows(second))
        run(published, ledger, vendor, "common only", COMMON)
        for email, profile in vendor.profiles.items():
            for name in ("Smile State", "swell_birthday"):
                assert profile.get(name) == before.get(email, {}).get(name)
        run(published, ledger, vendor, "both again", BOTH)
        assert vendor.profiles == expected("klaviyo", second, vendor)


rows_to_batch = st.lists(
    st.tuples(st.sampled_from(["bulk", "single"]), st.integers(0, 2), st.integers(1, 60)),
    max_size=40,
)


@given(sizes=rows_to_batch)
def test_batches_keep_every_row_once_in_order_and_within_limits(
    sizes: list[tuple[str, int, int]],
) -> None:
    rows = [
        PlannedRow(i, f"{i}@x.se", "add", "", "x" * size, lane, str(group), (), (), None, 1, False)
        for i, (lane, group, size) in enumerate(sorted(sizes))
    ]
    limits = {"bulk": LaneLimits(5, 100), "single": LaneLimits(2, 70)}
    batches = list(batch_rows(rows, limits, lambda row: len(row.body)))
    assert [row for batch in batches for row in batch.rows] == rows
    for batch in batches:
        assert len({(row.lane, row.group_key) for row in batch.rows}) == 1
        assert len(batch.rows) <= limits[batch.lane].rows
        assert sum(len(r.body) for r in batch.rows) <= limits[batch.lane].bytes


@settings(max_examples=300)
@given(
    email=st.one_of(
        st.emails().map(str.lower),
        st.from_regex(r"[a-z0-9_.+-]{1,9}@[a-z0-9.-]{1,9}\.[a-z]{2,4}", fullmatch=True),
    )
)
@example(email="a.b+c_d-e@sub.shop-name.co")
@example(email="a--b@shop.se")
@example(email="a@shop.test")
def test_what_passes_the_quick_check_passes_the_library(email: str, screen: Any) -> None:
    if screen(email):
        assert email_fault(email) is None


@pytest.fixture(scope="module")
def screen() -> Any:
    import duckdb

    connection = duckdb.connect()
    query = f"select {plain_email_sql('e')} from (select ? as e)"
    yield lambda email: bool((connection.execute(query, [email]).fetchone() or (False,))[0])
    connection.close()
