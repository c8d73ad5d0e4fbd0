"""One person in the ledger: lent to a sync of their own, and erased from every table and byte."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_erasure import erase, held_names, is_under_way, lend

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SCOPE = Scope("klaviyo", "profiles")
GONE, STAYS = "ada@shop.dev", "bo@shop.dev"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Two people with everything a ledger may hold of them."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.open() as db:
        for email in (GONE, STAYS):
            db.execute(
                "insert into profiles (destination, object, email, state, accepted, is_holding, "
                "attempt_count, accepted_at, quarantined_at) values ('klaviyo', 'profiles', ?, "
                "'rejected', '{\"Points\": 1, \"tag:a\": true}', true, 3, ?, ?)",
                [email, NOW, NOW],
            )
            db.execute(
                "insert into deliveries (destination, object, email, run_id, operation, state, "
                "patch, attempt_count, was_sent) values ('klaviyo', 'profiles', ?, 'r', 'add', "
                "'sent', '{}', 1, true)",
                [email],
            )
            db.execute(
                "insert into rejections (run_id, destination, object, email, operation, state, "
                "reason_code, attempt_count, recorded_at) values ('r', 'klaviyo', 'profiles', ?, "
                "'add', 'rejected', 'x', 1, ?)",
                [email, NOW],
            )
            db.execute(
                "insert into read_back_drift "
                "values ('b', 'klaviyo', 'profiles', ?, 'P', 'missing')",
                [email],
            )
    return ledger


def test_the_erased_are_in_no_table_and_no_byte_and_others_are_untouched(ledger: Ledger) -> None:
    gone = erase(ledger, [GONE])
    assert gone == {"deliveries": 1, "profiles": 1, "read_back_drift": 1, "rejections": 1}
    assert GONE.encode() not in ledger.path.read_bytes()
    assert not is_under_way(ledger, SCOPE, [GONE])
    assert is_under_way(ledger, SCOPE, [STAYS])
    assert held_names(ledger, SCOPE, [STAYS]) == ["Points", "tag:a"]
    assert erase(ledger, [GONE]) == {}


def test_erasing_where_nothing_was_ever_sent_makes_no_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    assert erase(ledger, [GONE]) == {}
    assert not ledger.path.exists()


def test_a_person_is_lent_alone_and_for_clearing_without_quarantine(
    ledger: Ledger, tmp_path: Path
) -> None:
    as_it_is, to_clear = Ledger(tmp_path / "a.duckdb"), Ledger(tmp_path / "b.duckdb")
    assert lend(ledger, as_it_is, SCOPE, [GONE]) == 1
    assert lend(ledger, to_clear, SCOPE, [GONE], to_clear=True) == 1
    found = {}
    for name, lent in (("as it is", as_it_is), ("to clear", to_clear)):
        with lent.open() as db:
            found[name] = db.execute(
                "select email, accepted_at is null, quarantined_at is null from profiles"
            ).fetchall()
    assert found == {"as it is": [(GONE, False, False)], "to clear": [(GONE, True, True)]}
