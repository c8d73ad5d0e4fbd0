"""What counts as drift, who is read when, and that nobody is judged while being written to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some
from reverse_etl_models import NOW, ModelVendor, member, publish, run, spec

from reverse_etl.destinations.base import DeliveryStoppedError
from reverse_etl.drift import Comparison
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_read_back import choose_people, mark_for_repair
from reverse_etl.read_back import Estimate, ReadBack, Shown, read_back
from vendor_http import VendorUnavailableError

PROFILES = Scope("klaviyo", "profiles")
UNSETTLED = {"unsettled": True}
POINTS, TIER, EXPIRES = (
    "Loyalty Points Balance",
    "Loyalty Tier Name",
    "Loyalty Tier Expires At",
)


def found(
    destination: str,
    accepted: Mapping[str, Any],
    shown: Mapping[str, Any] | None,
    tags: Sequence[str] = (),
    families: frozenset[str] = frozenset({"common", "vendor"}),
) -> list[tuple[str, str]]:
    comparison = Comparison(spec(destination, families), tags)
    return [tuple(each) for each in comparison.differences(accepted, shown)]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (0, 0),
        (0, 0.0),
        (12.5, 12.50),
        (False, False),
        ("", ""),
        ([], []),
        (["a", "b"], ["a", "b"]),
        ("2027-01-02T03:04:05+00:00", "2027-01-02T03:04:05.000000+00:00"),
        ("2027-01-02T03:04:05+00:00", "2027-01-02T04:04:05+01:00"),
        ("2027-01-02T03:04:05+00:00", "2027-01-02T03:04:05Z"),
    ],
)
def test_klaviyo_values_are_equal_by_type_value_and_moment(wanted: Any, shown: Any) -> None:
    assert found("klaviyo", {EXPIRES: wanted}, {EXPIRES: shown}) == []


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (0, False),
        (1, True),
        (250, "250"),
        (0, ""),
        ("", []),
        (["a", "b"], ["b", "a"]),
        ([1], [True]),
        ("2027-01-02T03:04:05+00:00", "2027-01-02T03:04:06+00:00"),
        ("2027-01-02T03:04:05+00:00", "soon"),
    ],
)
def test_klaviyo_values_of_another_type_order_or_moment_differ(wanted: Any, shown: Any) -> None:
    assert found("klaviyo", {EXPIRES: wanted}, {EXPIRES: shown}) == [(EXPIRES, "different")]


def test_a_text_that_looks_like_a_moment_is_compared_as_text() -> None:
    shown = {TIER: "2027-01-02T00:00:00+00:00"}
    assert found("klaviyo", {TIER: "2027-01-02"}, shown) == [(TIER, "different")]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("250", "250"),
        ("250", 250),
        ("true", True),
        ("", None),
        ("", ""),
        (["a", "b"], ["a", "b"]),
        (["a", "b"], "a,b"),
        (["a", "b"], '["a","b"]'),
        (["a"], "a"),
        ([], []),
        ([], ""),
        ([], "[]"),
        ([], None),
    ],
)
def test_rule_values_are_texts_and_lists_come_in_every_documented_shape(
    wanted: Any, shown: Any
) -> None:
    name = "Loyalty.AvailableRewards"
    assert found("rule", {name: wanted}, {name: shown}) == []


@pytest.mark.parametrize(
    ("wanted", "shown", "kind"),
    [
        ("250", "25", "different"),
        (["a", "b"], ["b", "a"], "different"),
        (["a", "b"], "b,a", "different"),
        ([], ["a"], "different"),
        ("250", "", "missing"),
        (["a"], [], "missing"),
    ],
)
def test_rule_values_that_differ(wanted: Any, shown: Any, kind: str) -> None:
    name = "Loyalty.AvailableRewards"
    assert found("rule", {name: wanted}, {name: shown}) == [(name, kind)]


def test_what_others_wrote_and_what_nobody_knows_is_no_drift() -> None:
    accepted = {POINTS: UNSETTLED, "Loyalty Synced At": "2026-11-21T06:00:00+00:00"}
    shown = {POINTS: 7, "Favourite": "blue"}
    assert found("klaviyo", accepted, shown) == []
    switched_off = found(
        "klaviyo", {"Smile State": "member"}, {"Smile State": "x"}, families=frozenset({"common"})
    )
    assert switched_off == []
    foreign = {"Subscriber.Birthday": "1990-02-03", "Order.Number": "7", "tag:newsletter": True}
    assert found("rule", {}, foreign, tags=["loyalty-member"]) == []


def test_a_declared_property_that_was_never_accepted_or_was_cleared_is_unexpected() -> None:
    assert found("klaviyo", {POINTS: 1}, {POINTS: 1, TIER: "Gold"}) == [(TIER, "unexpected")]
    assert found("klaviyo", {}, {POINTS: 0}) == [(POINTS, "unexpected")]
    assert found("rule", {}, {"Loyalty.TierName": "Gold"}) == [("Loyalty.TierName", "unexpected")]
    assert found("rule", {}, {"Loyalty.TierName": ""}) == []


def test_tags_of_ours_are_compared_and_foreign_ones_are_not() -> None:
    accepted = {"tag:loyalty-member": True, "tag:loyalty-tier-gold": True}
    shown = {"tag:loyalty-member": True, "tag:loyalty-tier-silver": True, "tag:newsletter": True}
    ours = ["loyalty-member", "loyalty-tier-gold", "loyalty-tier-silver"]
    assert found("rule", accepted, shown, tags=ours) == [
        ("tag:loyalty-tier-gold", "missing"),
        ("tag:loyalty-tier-silver", "unexpected"),
    ]


def test_somebody_unknown_to_the_vendor_is_one_difference() -> None:
    assert found("klaviyo", {POINTS: 0, TIER: "Gold"}, None) == [("", "missing")]
    assert found("klaviyo", {}, None) == []
    assert found("klaviyo", {POINTS: UNSETTLED}, None) == []


_json = some.recursive(
    some.booleans() | some.integers(-(2**53), 2**53) | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3),
    max_leaves=5,
)


# Making arbitrary JSON takes longer than Hypothesis likes on a busy machine.
@given(some.dictionaries(some.sampled_from([POINTS, TIER, EXPIRES, "Other"]), _json))
def test_what_comes_back_as_it_left_is_never_drift(accepted: dict[str, Any]) -> None:
    shown = orjson.loads(orjson.dumps(accepted))
    assert found("klaviyo", orjson.loads(orjson.dumps(accepted)), shown) == []


class ModelReader:
    """Shows what a vendor in memory holds; `meanwhile` happens between asking and answering."""

    name = "klaviyo"
    object_name = "profiles"
    people_at_once = 4

    def __init__(
        self, vendor: ModelVendor, meanwhile: Callable[[int], None] = lambda _call: None
    ) -> None:
        self.vendor = vendor
        self.meanwhile = meanwhile
        self.calls = 0
        self.asked: list[str] = []

    def estimate(self, people: int) -> Estimate:
        return Estimate(people, 0.0)

    def read(self, emails: Sequence[str]) -> Iterator[Shown]:
        self.calls += 1
        for email in emails:
            self.asked.append(email)
            yield Shown(email, self.vendor.profiles.get(email))
        self.meanwhile(self.calls)


def crowd(count: int, **values: Any) -> list[dict[str, Any]]:
    return [member(f"person{index}@shop.se", **values) for index in range(count)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


@pytest.fixture
def vendor(ledger: Ledger, tmp_path: Path) -> ModelVendor:
    """Ten people, accepted a moment ago."""
    found = ModelVendor(rows_per_batch=100)
    run(publish(tmp_path / "p.duckdb", crowd(10)), ledger, found, "first")
    return found


def look(ledger: Ledger, reader: ModelReader, **options: Any) -> ReadBack:
    return read_back(
        reader, ledger, spec("klaviyo"), NOW, "look", **{"second_look_seconds": 0.0, **options}
    )


def test_a_sample_stays_for_the_day_and_in_time_everybody_is_seen_once(
    ledger: Ledger, vendor: ModelVendor
) -> None:
    total, today = choose_people(ledger, PROFILES, NOW, 4)
    assert (total, len(today)) == (10, 4)
    assert choose_people(ledger, PROFILES, NOW + timedelta(hours=3), 4)[1] == today
    days = [choose_people(ledger, PROFILES, NOW + timedelta(days=n), 5)[1] for n in range(2)]
    assert len({*days[0], *days[1]}) == 10
    days = [choose_people(ledger, PROFILES, NOW + timedelta(days=n), 4)[1] for n in range(3)]
    assert len({email for day in days for email in day}) == 10
    assert len(choose_people(ledger, PROFILES, NOW, None)[1]) == 10


def test_somebody_who_is_only_late_is_not_drift_when_looked_at_again(
    ledger: Ledger, vendor: ModelVendor
) -> None:
    late = vendor.profiles.pop("person3@shop.se")

    def appear(call: int) -> None:
        if call == 3:  # the end of the first look at all ten
            vendor.profiles["person3@shop.se"] = late

    result = look(ledger, ModelReader(vendor, appear))
    assert (result.checked, result.accurate, result.by_property) == (10, 10, ())


def test_who_was_written_to_long_ago_is_looked_at_once(ledger: Ledger, vendor: ModelVendor) -> None:
    vendor.profiles["person3@shop.se"][POINTS] = 1
    reader = ModelReader(vendor)
    result = read_back(reader, ledger, spec("klaviyo"), NOW + timedelta(days=1), "look")
    assert len(reader.asked) == 10
    assert result.by_property == ((POINTS, "different", 1),)
    assert (result.known, result.checked, result.accurate, result.drifted) == (10, 10, 9, 1)
    assert result.accuracy == 0.9


def test_who_is_written_to_meanwhile_is_not_judged(
    ledger: Ledger, vendor: ModelVendor, tmp_path: Path
) -> None:
    published = publish(tmp_path / "p.duckdb", crowd(10, points=0))

    def sync_meanwhile(call: int) -> None:
        if call == 1:
            run(published, ledger, vendor, "meanwhile")

    result = look(ledger, ModelReader(vendor, sync_meanwhile), sample=4)
    assert result.drifted + result.missing == 0


def test_who_has_a_job_under_way_is_neither_read_nor_repaired(
    ledger: Ledger, vendor: ModelVendor, tmp_path: Path
) -> None:
    vendor.profiles["person1@shop.se"][TIER] = "Silver"
    vendor.profiles["person2@shop.se"][TIER] = "Silver"
    assert look(ledger, ModelReader(vendor)).drifted == 2
    rows = crowd(10)
    rows[1]["points"] = 7
    vendor.fate = lambda _number, _row: "stuck"
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor, "second")
    assert mark_for_repair(ledger, PROFILES, "look") == 1
    result = read_back(ModelReader(vendor), ledger, spec("klaviyo"), NOW, "again")
    assert (result.known, result.checked) == (9, 9)


def test_a_value_that_nobody_knows_is_not_compared_and_an_unsettled_person_not_read(
    ledger: Ledger, vendor: ModelVendor, tmp_path: Path
) -> None:
    rows = crowd(10)
    rows[5]["points"] = 9
    vendor.fate = lambda _number, _row: "lost"
    run(publish(tmp_path / "p.duckdb", rows), ledger, vendor, "second")
    result = look(ledger, ModelReader(vendor))
    assert (result.checked, result.accurate) == (10, 10)


def test_reading_that_has_to_stop_keeps_what_it_found(ledger: Ledger, vendor: ModelVendor) -> None:
    vendor.profiles.clear()

    def stop(call: int) -> None:
        raise DeliveryStoppedError("enough", "error_share")

    result = look(ledger, ModelReader(vendor, stop))
    assert (result.stopped, result.checked, result.missing) == ("error_share", 4, 4)
    assert result.accuracy == 0.0


def test_a_vendor_that_never_answers_is_an_error_and_later_silence_an_early_end(
    ledger: Ledger, vendor: ModelVendor
) -> None:
    class Silent(ModelReader):
        def read(self, emails: Sequence[str]) -> Iterator[Shown]:
            if self.calls == self.answers:
                raise VendorUnavailableError("silence")
            yield from super().read(emails)

        answers = 0

    with pytest.raises(VendorUnavailableError):
        look(ledger, Silent(vendor))
    reader = Silent(vendor)
    reader.answers = 1
    result = look(ledger, reader)
    assert (result.stopped, result.checked, result.accuracy) == ("vendor_unavailable", 4, 1.0)


def test_only_the_latest_drift_is_kept_and_no_value_of_it(
    ledger: Ledger, vendor: ModelVendor
) -> None:
    vendor.profiles["person1@shop.se"][TIER] = "Silver"
    look(ledger, ModelReader(vendor))
    vendor.profiles["person1@shop.se"][TIER] = "Gold"
    del vendor.profiles["person2@shop.se"]
    read_back(ModelReader(vendor), ledger, spec("klaviyo"), NOW, "second", second_look_seconds=0.0)
    with ledger.open() as db:
        rows = db.execute("select * from read_back_drift").fetchall()
        assert rows == [("second", "klaviyo", "profiles", "person2@shop.se", "", "missing")]
        assert db.execute("select count(*) from read_backs").fetchone() == (2,)


def test_nobody_to_read_is_no_error_and_asks_nothing(ledger: Ledger) -> None:
    reader = ModelReader(ModelVendor())
    result = look(ledger, reader)
    assert (result.known, result.checked, result.accuracy, reader.calls) == (0, 0, 1.0, 0)


def test_a_declaration_of_another_destination_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="sync_rule__subscribers"):
        read_back(ModelReader(ModelVendor()), ledger, spec("rule"), datetime.now(UTC), "x")


def test_results_show_no_person() -> None:
    assert "shop.se" not in repr(Shown("ava@shop.se", {"a": "b"}))


def test_history_and_drift_are_published_without_people(
    ledger: Ledger, vendor: ModelVendor
) -> None:
    vendor.profiles["person1@shop.se"][TIER] = "Silver"
    del vendor.profiles["person2@shop.se"]
    del vendor.profiles["person3@shop.se"]
    look(ledger, ModelReader(vendor))
    with duckdb.connect() as published:
        ledger.export(published)
        assert published.execute(
            "select is_sample, known_count, checked_count, accurate_count, missing_count, "
            "drifted_count, repaired_count, accuracy from sync.read_backs"
        ).fetchall() == [(False, 10, 10, 7, 2, 1, 0, Decimal("0.7000"))]
        assert published.execute(
            "select destination, object, property, kind, people_count from sync.drift"
        ).fetchall() == [
            ("klaviyo", "profiles", None, "missing", 2),
            ("klaviyo", "profiles", TIER, "different", 1),
        ]
