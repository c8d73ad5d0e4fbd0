"""A run says, once and as a warning, that Klaviyo's API revision is about to retire."""

import logging
from datetime import date

import dagster as dg
import pytest

from orchestration import accounts
from orchestration.assets import syncs
from orchestration.context import LoyaltyResource

# Dagster reads pydantic's old attribute.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")


@pytest.mark.parametrize(
    ("key", "today", "expected"),
    [
        ("KLAVIYO_API_KEY", date(2028, 7, 1), 1),
        ("KLAVIYO_API_KEY", date(2028, 1, 1), 0),
        ("RULE_API_KEY", date(2028, 7, 1), 0),
    ],
    ids=["two weeks before", "half a year before", "Klaviyo takes no part"],
)
def test_the_klaviyo_step_warns_once(
    monkeypatch: pytest.MonkeyPatch, key: str, today: date, expected: int
) -> None:
    monkeypatch.setenv(key, "key")
    monkeypatch.setattr(accounts, "today", lambda: today)
    monkeypatch.setattr(syncs, "run_sync", lambda *_: None)
    monkeypatch.setattr(syncs, "run_events", lambda *_, **__: None)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            syncs.sync_assets(), resources={"loyalty": LoyaltyResource()}, instance=instance
        )
        entries = instance.all_logs(done.run_id)
    said = [
        entry
        for entry in entries
        if entry.level == logging.WARNING and "retires its API revision" in entry.user_message
    ]
    assert len(said) == expected
    assert all(entry.step_key == "klaviyo__profiles" for entry in said)
