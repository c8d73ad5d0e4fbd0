"""Which events are planned, as what, and why others are not sent."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from event_models import ago, klaviyo_event, now, publish, told_before

from reverse_etl.events.contract import EventSync
from reverse_etl.events.plan import EventPlan, plan_events
from reverse_etl.ledger import Ledger
from vendor_http import ConfigurationError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.duckdb")
    told_before(found, "klaviyo")
    return found


def plan(tmp_path: Path, ledger: Ledger, *rows: dict[str, Any], **rules: Any) -> EventPlan:
    published = publish(tmp_path / "published.duckdb", "klaviyo", rows)
    return plan_events(published, ledger, EventSync("klaviyo", **rules), now(), "run")


def test_an_event_becomes_the_json_that_klaviyo_documents(tmp_path: Path, ledger: Ledger) -> None:
    when = ago(hours=2)
    event = klaviyo_event(
        'e"1', " Anna@Shop.se ", occurred_at=when, value=12.5, value_currency="SEK"
    )
    with plan(tmp_path, ledger, event) as planned:
        (row,) = planned.rows()
    assert row.email == "anna@shop.se"
    assert orjson.loads(row.body) == {
        "type": "event",
        "attributes": {
            # 0, false and "" are values; null is none
            "properties": {"points": 25, "spent": 0, "note": "", "is_vip": False},
            "time": when.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "value": 12.5,
            "value_currency": "SEK",
            "backfill": False,
            "unique_id": 'e"1',
            "metric": {
                "data": {"type": "metric", "attributes": {"name": "Points Earned on Order"}}
            },
        },
    }


def test_history_and_the_first_load_are_backfill_and_leave_after_what_is_live(
    tmp_path: Path, ledger: Ledger
) -> None:
    events = [
        klaviyo_event("first", "a@shop.se", is_first_load=True),
        klaviyo_event("unknown", "a@shop.se", is_first_load=None),
        klaviyo_event("old", "a@shop.se", occurred_at=ago(hours=49)),
        klaviyo_event("young", "z@shop.se", occurred_at=ago(hours=47)),
        klaviyo_event("coming", "z@shop.se", occurred_at=ago(hours=-1)),
    ]
    with plan(tmp_path, ledger, *events) as planned:
        rows = list(planned.rows())
        assert planned.counts["live"] == 2
    assert [row.event_id for row in rows][:2] == ["young", "coming"]
    assert {row.event_id for row in rows if row.is_backfill} == {"first", "unknown", "old"}
    for row in rows:
        assert orjson.loads(row.body)["attributes"]["backfill"] is row.is_backfill
    with plan(tmp_path, ledger, *events, live_hours=0) as planned:
        assert [row.event_id for row in planned.rows() if not row.is_backfill] == ["coming"]


def test_whatever_a_vendor_is_told_for_the_first_time_ever_is_history(tmp_path: Path) -> None:
    fresh = Ledger(tmp_path / "fresh.duckdb")
    with plan(tmp_path, fresh, klaviyo_event("young", "a@shop.se")) as planned:
        assert planned.counts == {
            "rows": 1, "accepted": 0, "quarantined": 0, "live": 0, "backfill": 1, "invalid": 0,
            "skipped": 0,
        }  # fmt: skip


def test_what_a_first_delivery_left_behind_is_history_for_the_next(tmp_path: Path) -> None:
    """Cut short by a kill, say: what happened before it began starts no flow later either."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    told_before(ledger, "klaviyo", ago(hours=3))
    events = [
        klaviyo_event("left behind", "a@shop.se", occurred_at=ago(hours=4)),
        klaviyo_event("since", "a@shop.se", occurred_at=ago(hours=2)),
    ]
    with plan(tmp_path, ledger, *events) as planned:
        assert {row.event_id for row in planned.rows() if row.is_backfill} == {"left behind"}


DEEP: dict[str, Any] = {}
for _ in range(12):
    DEEP = {"x": DEEP}


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("missing_email", {"email": " "}),
        ("malformed_email", {"email": "anna.shop.se"}),
        ("email_too_long", {"email": f"{'a' * 95}@shop.se"}),
        ("test_domain", {"email": "Anna@Example.com"}),
        ("test_domain", {"email": "anna@test.com"}),
        ("id_too_long", {"event_id": "x" * 256}),
        ("missing_metric", {"metric": None}),
        ("metric_too_long", {"metric": "x" * 128}),
        ("missing_time", {"occurred_at": None}),
        ("time_out_of_range", {"occurred_at": datetime(1989, 12, 31, 23, 59, 59)}),  # noqa: DTZ001
        ("time_out_of_range", {"occurred_at": ago(days=-366)}),
        ("too_many_properties", {"properties": {f"p{at}": at for at in range(401)}}),
        ("string_too_long", {"properties": {"text": "é" * 50_001}}),
        ("list_too_long", {"properties": {"items": [1] * 4_001}}),
        ("nested_too_deep", {"properties": DEEP}),
        ("unreadable_json", {"properties": "[1]"}),
        ("unusable_currency", {"value": 1, "value_currency": "kr"}),
    ],
)
def test_what_klaviyo_would_refuse_or_drop_is_not_sent(
    tmp_path: Path, ledger: Ledger, reason: str, values: dict[str, Any]
) -> None:
    good = klaviyo_event("good", "good@shop.se")
    with plan(tmp_path, ledger, klaviyo_event("bad", "a@shop.se") | values, good) as made:
        assert made.reasons() == {reason: 1}
        assert [row.event_id for row in made.rows()] == ["good"]
        assert made.unsent().column("state").to_pylist() == ["invalid"]


def test_the_largest_allowed_values_are_sent(tmp_path: Path, ledger: Ledger) -> None:
    event = klaviyo_event(
        "x" * 255,
        f"{'a' * 60}@shop.se",
        metric="m" * 127,
        occurred_at=datetime(1990, 1, 1),  # noqa: DTZ001
        properties={f"p{at}": at for at in range(398)}
        | {"text": "x" * 100_000, "items": [1] * 4_000},
    )
    with plan(tmp_path, ledger, event) as planned:
        assert planned.reasons() == {}


def test_an_id_that_two_rows_claim_is_nobodys_and_one_without_an_id_is_counted(
    tmp_path: Path, ledger: Ledger
) -> None:
    events = [
        klaviyo_event("twice", "a@shop.se"),
        klaviyo_event("twice", "b@shop.se"),
        klaviyo_event(None, "c@shop.se"),  # type: ignore[arg-type]
    ]
    with plan(tmp_path, ledger, *events) as planned:
        assert planned.reasons() == {"duplicate_id": 2, "missing_id": 1}
        assert planned.unsent().num_rows == 2
        assert planned.sendable == 0


def test_an_unusable_model_is_named(tmp_path: Path, ledger: Ledger) -> None:
    published = publish(tmp_path / "published.duckdb", "klaviyo", [])
    with pytest.raises(ConfigurationError, match=r"no activation\.sync_rule"):
        plan_events(published, ledger, EventSync("rule"), now(), "run")
    with pytest.raises(ConfigurationError, match="no published file"):
        plan_events(tmp_path / "none.duckdb", ledger, EventSync("klaviyo"), now(), "run")
    with pytest.raises(ConfigurationError, match="not to 'mail'"):
        EventSync("mail")


def test_a_plan_tells_counts_and_nobodys_address(tmp_path: Path, ledger: Ledger) -> None:
    with plan(tmp_path, ledger, klaviyo_event("e", "anna@shop.se")) as planned:
        assert "anna" not in repr(planned)


def test_whoever_may_get_no_profile_is_told_only_where_one_of_ours_exists(
    tmp_path: Path, ledger: Ledger
) -> None:
    with ledger.open() as db:
        for email, accepted_at, reason in (
            ("known@shop.se", datetime(2026, 1, 1), None),  # noqa: DTZ001
            ("never@shop.se", datetime(2026, 1, 1), "never_created"),  # noqa: DTZ001
            ("asked@shop.se", None, None),
        ):
            db.execute(
                "insert into profiles by name select 'klaviyo' as destination, 'profiles' as "
                "object, ? as email, 'accepted' as state, ? as reason_code, '{}' as accepted, "
                "false as is_holding, 1 as attempt_count, ? as accepted_at",
                [email, reason, accepted_at],
            )
    people = ("known", "never", "asked", "new")
    events = [klaviyo_event(name, f"{name}@shop.se", may_create_profile=False) for name in people]
    events.append(klaviyo_event("friend", "known@shop.se", is_friend=True))
    with plan(tmp_path, ledger, *events) as planned:
        assert [row.event_id for row in planned.rows()] == ["known"]
        assert planned.reasons() == {"friend_events_off": 1, "not_known": 3}
    with plan(tmp_path, ledger, *events, sends_friends=True) as planned:
        assert {row.event_id for row in planned.rows()} == {"known", "friend"}
