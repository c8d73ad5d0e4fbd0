"""Events and metrics: accepting, forgetting repetitions, flows, reading back."""

from pathlib import Path
from typing import Any

import pytest
from klaviyo_account import HEADERS, KlaviyoAccount, bulk_events, event, profile

EVENTS = "/api/events"
BULK = "/api/event-bulk-create-jobs"


@pytest.fixture
def klaviyo() -> KlaviyoAccount:
    return KlaviyoAccount()


def test_an_event_is_accepted_without_a_body_and_makes_profile_and_metric(
    klaviyo: KlaviyoAccount,
) -> None:
    response = klaviyo.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    assert response.status_code == 202
    assert response.content == b""
    assert klaviyo.stored("anna@shop.se")["last_event_date"] == "2026-11-21T06:00:00+00:00"
    (found,) = klaviyo.get("/api/metrics").json()["data"]
    assert found["attributes"]["name"] == "Points Earned"
    assert len(found["id"]) == 6
    one = klaviyo.get(f"/api/metrics/{found['id']}").json()["data"]
    assert one["attributes"]["integration"]["name"] == "API"


def test_an_event_reads_back_with_its_unique_id_value_and_second(klaviyo: KlaviyoAccount) -> None:
    body = event(
        "anna@shop.se",
        unique_id="e1",
        value=3,
        value_currency="EUR",
        time="2026-11-20T10:00:00.750+02:00",
        properties={"points": 5, "zero": 0, "empty": "", "none": None, "no": False},
    )
    assert klaviyo.post(EVENTS, body).status_code == 202
    (found,) = klaviyo.get(EVENTS, params={"include": "profile,metric"}).json()["data"]
    attributes = found["attributes"]
    assert attributes["datetime"] == "2026-11-20T08:00:00+00:00"
    assert attributes["timestamp"] == 1795161600
    assert attributes["event_properties"]["$event_id"] == "e1"
    assert attributes["event_properties"]["$value"] == 3
    assert attributes["event_properties"]["$value_currency"] == "EUR"
    assert len(found["id"]) == 11
    assert found["relationships"]["profile"]["data"]["type"] == "profile"
    (kept,) = klaviyo.events()
    assert set(kept["segmentable_properties"]) == {
        "points",
        "no",
        "$event_id",
        "$value",
        "$value_currency",
    }
    assert klaviyo.get(f"{EVENTS}/{found['id']}").status_code == 200


def test_once_a_metric_had_a_value_events_without_one_get_zero(klaviyo: KlaviyoAccount) -> None:
    for index, value in enumerate((None, 5, None)):
        body = event("anna@shop.se", unique_id=str(index), value=value)
        klaviyo.post(EVENTS, body)
    values = [row["event_properties"].get("$value", "absent") for row in klaviyo.events()]
    assert values == ["absent", 5, 0]


def test_a_repeated_unique_id_is_accepted_and_dropped(klaviyo: KlaviyoAccount) -> None:
    for email in ("anna@shop.se", "ANNA@shop.se", "eva@shop.se"):
        assert klaviyo.post(EVENTS, event(email, unique_id="e1")).status_code == 202
    assert len(klaviyo.events()) == 2


def test_without_unique_ids_events_of_one_second_collapse(klaviyo: KlaviyoAccount) -> None:
    for second in ("00.1", "00.9", "01.0"):
        klaviyo.post(EVENTS, event("anna@shop.se", time=f"2026-11-20T10:00:{second}Z"))
    assert len(klaviyo.events()) == 2


@pytest.mark.parametrize(("days", "count"), [(0, 1), (2, 2)])
def test_the_memory_of_unique_ids_can_be_short(
    klaviyo: KlaviyoAccount, days: int, count: int
) -> None:
    klaviyo.switch(event_dedupe_days=days)
    klaviyo.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    klaviyo.advance(3)
    klaviyo.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    assert len(klaviyo.events()) == count


@pytest.mark.parametrize(("position", "status"), [("refused", 400), ("discarded", 202)])
def test_a_unique_id_twice_in_one_bulk_request(
    klaviyo: KlaviyoAccount, position: str, status: int
) -> None:
    klaviyo.switch(bulk_event_duplicate=position)
    body = bulk_events(
        ("anna@shop.se", [{"unique_id": "e1"}]),
        ("Anna@shop.se", [{"unique_id": "e2"}, {"unique_id": "e1"}]),
    )
    response = klaviyo.post(BULK, body)
    assert response.status_code == status
    if status == 400:
        (error,) = response.json()["errors"]
        assert error["source"]["pointer"] == (
            "/data/attributes/events-bulk-create/data/1/attributes/events/data/1/attributes/unique_id"
        )
        assert klaviyo.events() == []
    else:
        assert len(klaviyo.events()) == 2


@pytest.mark.parametrize(("position", "status"), [("discarded", 202), ("refused", 400)])
def test_a_stored_unique_id_in_a_bulk_request(
    klaviyo: KlaviyoAccount, position: str, status: int
) -> None:
    klaviyo.switch(stored_event_duplicate=position)
    klaviyo.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    body = bulk_events(("anna@shop.se", [{"unique_id": "e1"}]))
    assert klaviyo.post(BULK, body).status_code == status
    assert len(klaviyo.events()) == 1


def test_a_bulk_request_is_answered_202_without_a_body(klaviyo: KlaviyoAccount) -> None:
    body = bulk_events(("anna@shop.se", [{"unique_id": "1"}, {"unique_id": "2"}]))
    response = klaviyo.post(BULK, body)
    assert response.status_code == 202
    assert response.content == b""
    assert len(klaviyo.events()) == 2


def test_more_than_a_thousand_events_are_refused(klaviyo: KlaviyoAccount) -> None:
    events = [{"unique_id": str(index)} for index in range(1001)]
    assert klaviyo.post(BULK, bulk_events(("anna@shop.se", events))).status_code == 400
    assert klaviyo.post(BULK, bulk_events(("anna@shop.se", events[:1000]))).status_code == 202


def test_one_bad_row_refuses_the_whole_bulk_request(klaviyo: KlaviyoAccount) -> None:
    body = bulk_events(("anna@shop.se", [{"unique_id": "1"}]), ("bad address", [{}]))
    (error,) = klaviyo.post(BULK, body).json()["errors"]
    assert error["source"]["pointer"] == (
        "/data/attributes/events-bulk-create/data/1/attributes/profile/data/attributes/email"
    )
    assert klaviyo.events() == []


@pytest.mark.parametrize(("position", "count"), [("dropped", 0), ("kept", 1)])
def test_events_of_test_addresses_are_accepted_and_dropped(
    klaviyo: KlaviyoAccount, position: str, count: int
) -> None:
    klaviyo.switch(test_domains=position)
    assert klaviyo.post(EVENTS, event("anna@example.com")).status_code == 202
    assert len(klaviyo.events()) == count


def test_backfilled_events_start_no_flow(klaviyo: KlaviyoAccount) -> None:
    klaviyo.post(EVENTS, event("anna@shop.se", unique_id="1", backfill=True))
    klaviyo.post(EVENTS, event("anna@shop.se", unique_id="2"))
    assert [row["starts_flow"] for row in klaviyo.events()] == [False, True]


@pytest.mark.parametrize(
    ("position", "starts"),
    [("event", [True, False]), ("group", [False, False]), ("either", [False, False])],
)
def test_whose_backfill_counts_in_a_backfilled_group(
    klaviyo: KlaviyoAccount, position: str, starts: list[bool]
) -> None:
    klaviyo.switch(backfill_precedence=position)
    events: list[dict[str, Any]] = [{"unique_id": "1", "backfill": False}, {"unique_id": "2"}]
    klaviyo.post(BULK, bulk_events(("anna@shop.se", events), backfill=True))
    assert [row["starts_flow"] for row in klaviyo.events()] == starts


@pytest.mark.parametrize(("days", "starts"), [(0, True), (30, False)])
def test_old_events_start_flows_unless_an_age_is_set(
    klaviyo: KlaviyoAccount, days: int, starts: bool
) -> None:
    klaviyo.switch(flow_max_age_days=days)
    klaviyo.post(EVENTS, event("anna@shop.se", time="2026-01-01T00:00:00Z"))
    assert klaviyo.events()[0]["starts_flow"] is starts


def test_accepted_events_can_become_visible_late(klaviyo: KlaviyoAccount) -> None:
    klaviyo.switch(event_visible_seconds=60.0)
    klaviyo.post(EVENTS, event("anna@shop.se"))
    assert klaviyo.get(EVENTS).json()["data"] == []
    klaviyo.switch(event_visible_seconds=0.0)
    assert len(klaviyo.get(EVENTS).json()["data"]) == 1


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"time": "1985-01-01T00:00:00Z"}, "time"),
        ({"time": "2028-01-01T00:00:00Z"}, "time"),
        ({"time": "1795161600"}, "time"),
        ({"unique_id": "x" * 256}, "unique_id"),
        ({"value_currency": "euro"}, "value_currency"),
        ({"properties": {str(n): 1 for n in range(401)}}, "properties"),
        ({"properties": {"text": "x" * 103_000}}, "properties"),
        ({"properties": {"list": [1] * 4001}}, "properties"),
    ],
)
def test_values_beyond_the_limits_are_refused(
    klaviyo: KlaviyoAccount, attributes: dict[str, Any], field: str
) -> None:
    response = klaviyo.post(EVENTS, event("anna@shop.se", **attributes))
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["source"]["pointer"] == f"/data/attributes/{field}"


def test_a_metric_name_has_at_most_127_characters(klaviyo: KlaviyoAccount) -> None:
    assert klaviyo.post(EVENTS, event("anna@shop.se", "x" * 127)).status_code == 202
    assert klaviyo.post(EVENTS, event("anna@shop.se", "x" * 128)).status_code == 400


@pytest.mark.parametrize(("revision", "status"), [("2026-04-15", 400), ("2026-07-15", 202)])
def test_the_floor_of_event_times_depends_on_the_revision(
    klaviyo: KlaviyoAccount, revision: str, status: int
) -> None:
    body = event("anna@shop.se", time="1995-01-01T00:00:00Z")
    response = klaviyo.post(EVENTS, body, headers={**HEADERS, "revision": revision})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("revision", "inside", "status"),
    [
        ("2026-07-15", True, 202),
        ("2026-07-15", False, 400),
        ("2026-10-15", False, 202),
    ],
)
def test_the_place_of_the_profiles_meta_depends_on_the_revision(
    klaviyo: KlaviyoAccount, revision: str, inside: bool, status: int
) -> None:
    meta = {"patch_properties": {"append": {"seen": "shop"}}}
    body = event("anna@shop.se")
    data = body["data"]["attributes"]["profile"]["data"]
    (data["attributes"] if inside else data)["meta"] = meta
    response = klaviyo.post(EVENTS, body, headers={**HEADERS, "revision": revision})
    assert response.status_code == status
    if status == 202:
        assert klaviyo.stored("anna@shop.se")["properties"] == {"seen": ["shop"]}


def test_events_are_filtered_sorted_and_paged(klaviyo: KlaviyoAccount) -> None:
    for day in (1, 2, 3):
        klaviyo.post(EVENTS, event("anna@shop.se", time=f"2026-11-0{day}T00:00:00Z"))
    klaviyo.post(EVENTS, event("eva@shop.se", "Coupon Expired", time="2026-11-04T00:00:00Z"))
    anna = klaviyo.stored("anna@shop.se")["id"]
    metrics = klaviyo.get("/api/metrics").json()["data"]
    coupon = next(row["id"] for row in metrics if row["attributes"]["name"] == "Coupon Expired")

    def days(**query: str) -> list[str]:
        rows = klaviyo.get(EVENTS, params=query).json()["data"]
        return [row["attributes"]["datetime"][9] for row in rows]

    assert days() == ["4", "3", "2", "1"]
    assert days(sort="datetime") == ["1", "2", "3", "4"]
    assert days(filter=f'equals(profile_id,"{anna}")') == ["3", "2", "1"]
    assert days(filter=f'equals(metric_id,"{coupon}")') == ["4"]
    assert days(filter="greater-or-equal(datetime,2026-11-03T00:00:00Z)") == ["4", "3"]
    assert days(filter="less-than(datetime,2026-11-02T00:00:00Z)") == ["1"]
    assert days(filter="greater-than(timestamp,1793664000)") == ["4"]
    page = klaviyo.get(EVENTS, params={"page[size]": "3"}).json()
    assert len(page["data"]) == 3
    assert page["links"]["next"]
    assert klaviyo.get(EVENTS, params={"page[size]": "1001"}).status_code == 400


def test_a_malformed_event_id_is_400_and_an_unknown_one_404(klaviyo: KlaviyoAccount) -> None:
    assert klaviyo.get(f"{EVENTS}/nope").status_code == 400
    assert klaviyo.get(f"{EVENTS}/ABCDEFGHJK1").status_code == 404
    assert klaviyo.get("/api/metrics/NOPE01").status_code == 404


def test_an_event_may_carry_profile_properties_but_null_clears_nothing(
    klaviyo: KlaviyoAccount,
) -> None:
    klaviyo.put_profile(profile("anna@shop.se", {"a": 1}))
    body = event("anna@shop.se")
    body["data"]["attributes"]["profile"] = {"data": profile("anna@shop.se", {"a": None, "b": 2})}
    klaviyo.post(EVENTS, body)
    assert klaviyo.stored("anna@shop.se")["properties"] == {"a": 1, "b": 2}


def test_events_and_their_memory_survive_a_restart(tmp_path: Path) -> None:
    first = KlaviyoAccount(state_dir=tmp_path)
    first.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    first.sandbox.save()
    second = KlaviyoAccount(state_dir=tmp_path)
    second.post(EVENTS, event("anna@shop.se", unique_id="e1"))
    assert len(second.get(EVENTS).json()["data"]) == 1
